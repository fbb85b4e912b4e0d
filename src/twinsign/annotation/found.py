"""Where wanted signs occur in annotated recordings, best first."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twinsign.files import write_text

FOUND = "found.csv"
COLUMNS = ("wanted", "score", "recording", "begin", "end", "first_frame", "stop_frame", "gloss", "sure")


def collect(files: Iterable[tuple[str, Path]], wanted: Iterable[str]) -> list[dict[str, Any]]:
    """Every segment of these recordings, names and files of JSON lines, for each wanted sign, best first."""
    rows = []
    names = list(wanted)
    for recording, file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            segment = json.loads(line)
            first = segment["guesses"][0]["gloss"] if segment["guesses"] else ""
            facts = {key: segment[key] for key in ("begin", "end", "first_frame", "stop_frame", "sure")}
            fits = segment.get("fits", {})
            rows += [
                {"wanted": name, "score": fits[name], "recording": recording, "gloss": first, **facts}
                for name in names
                if name in fits
            ]
    return sorted(rows, key=lambda row: (names.index(row["wanted"]), -row["score"]))


def write_found(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write them as CSV, whole or not at all."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        times = {name: f"{row[name]:.3f}" for name in ("begin", "end")}
        writer.writerow({**row, **times, "score": f"{row['score']:.4f}", "sure": str(row["sure"]).lower()})
    write_text(path, stream.getvalue())
