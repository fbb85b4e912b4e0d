"""What a model answers to real videos, from picture to gloss: one line a video, and the shares right.

python benchmarks/videos.py --model asl300 --videos FOLDER [--labels FOLDER/labels.csv] [--json OUT]

The table of labels has the columns `file` (relative to the folder) and `gloss`; videos of glosses that the model does
not know should be answered with "not sure". Needs the extra `video`.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

from twinsign.evaluation.metrics import wilson_interval
from twinsign.extract.clip import Reader
from twinsign.files import write_json
from twinsign.inference.recogniser import Recogniser


def main() -> None:
    """Answer every video of the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="asl300")
    parser.add_argument("--videos", required=True, type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--json")
    given = parser.parse_args()
    with (given.labels or given.videos / "labels.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    recogniser, reader = Recogniser.load(given.model), Reader()
    answers = [answer(recogniser, reader, given.videos / row["file"], row.get("gloss", "")) for row in table]
    for row in answers:
        mark = "unknown" if not row["known"] else "right" if row["rank"] == 1 else f"rank {row['rank']}"
        sure = "sure" if row["sure"] else "not sure"
        print(f"{row['file']:32} {row['gloss']:14} {row['guess']:14} {row['confidence']:5.2f}  {sure:8} {mark}")
    report = summary(answers)
    for name, (hits, clips) in report.items():
        low, high = (100 * bound for bound in wilson_interval(hits, clips)) if clips else (0.0, 100.0)
        print(f"{name}: {hits} of {clips} [{low:.0f}, {high:.0f}]")
    if given.json:
        write_json(given.json, {"model": given.model, "videos": answers, "shares": report})


def answer(recogniser: Recogniser, reader: Reader, video: Path, gloss: str) -> dict[str, Any]:
    """The answer to a video, where the right gloss stands in it, and how long poses and answer took."""
    began = time.perf_counter()
    recording = reader.read(str(video))
    seen = time.perf_counter()
    prediction = recogniser.predict(recording, top=len(recogniser.labels))
    names = [guess.gloss for guess in prediction.guesses]
    return {
        "file": video.name,
        "gloss": gloss,
        "known": gloss in names,
        "guess": names[0],
        "confidence": round(prediction.guesses[0].confidence, 3),
        "sure": prediction.sure,
        "rank": names.index(gloss) + 1 if gloss in names else None,
        "note": prediction.note,
        "frames": len(recording.xy),
        "pose_seconds": round(seen - began, 2),
        "answer_seconds": round(time.perf_counter() - seen, 3),
    }


def summary(answers: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Hits and clips of each share."""
    known, sure = [row for row in answers if row["known"]], [row for row in answers if row["sure"]]
    return {
        "known signs, top-1": (sum(row["rank"] == 1 for row in known), len(known)),
        "known signs, top-5": (sum(row["rank"] <= 5 for row in known), len(known)),
        "sure answers right": (sum(row["rank"] == 1 for row in sure), len(sure)),
        "known signs answered surely": (sum(row["sure"] for row in known), len(known)),
    }


if __name__ == "__main__":
    main()
