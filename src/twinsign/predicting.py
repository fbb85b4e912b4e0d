"""The command that names signs in files."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from twinsign.errors import InputError
from twinsign.extract.clip import Reader
from twinsign.extract.estimator import HOLISTIC, EstimatorConfig
from twinsign.pose.recording import Unit
from twinsign.recognise.lookup import Lookup
from twinsign.recognise.predict import Recogniser
from twinsign.recognise.shift import check_recording

OK, NOTHING_WRITTEN, SOME_UNREADABLE = 0, 2, 3
console = Console()
errors = Console(stderr=True)


def predict(
    files: list[str],
    model: Path,
    json: bool,
    strict: bool,
    top: int = 5,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
    estimator: EstimatorConfig = HOLISTIC,
    dictionary: Path | None = None,
) -> int:
    """Name the signs in pose files or videos, or say "not sure".

    Args:
        model: RUN of finetune or linear.
        top: How many glosses to list.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: What the coordinates are, pixels or image fractions, where that is not what the format says.
        estimator: Which pose estimator sees the videos: the one that saw what the model learnt from.
        dictionary: A dictionary enrolled with this RUN, whose signs are then named, too.
    """
    recogniser, reader, unreadable = Recogniser.load(model), Reader(estimator, size=size, fps=fps, unit=unit), 0
    lookup = None if dictionary is None else Lookup.of(recogniser, dictionary)
    for file in files:
        try:
            recording = reader.read(file)
            note = check_recording(recogniser.run, recording, strict)
            found: dict[str, Any] = asdict(recogniser.predict(recording, top)) | ({"note": note} if note else {})
            if lookup is not None:
                found["enrolled"] = asdict(lookup.search(recording, top))
        except InputError as error:
            unreadable += 1
            found = {"error": str(error)}
        if json:
            print(json_format.dumps({"file": file, **found}, ensure_ascii=False))
        elif "error" in found:
            errors.print(found["error"], markup=False)
        else:
            console.print(f"{file}: {in_words(found)}", markup=False)
            if "enrolled" in found:
                console.print(f"  among the enrolled signs: {in_words(found['enrolled'])}", markup=False)
            if note:
                errors.print(f"note: {file} is unlike the clips that the model learnt from: {note}", markup=False)
    return NOTHING_WRITTEN if unreadable == len(files) else SOME_UNREADABLE if unreadable else OK


def in_words(found: dict[str, Any]) -> str:
    """Ranked guesses with their confidences, and "not sure" before them where that is so (ours)."""
    ranked = ", ".join(f"{guess['gloss']} {100 * guess['confidence']:.0f} %" for guess in found["guesses"])
    return ("" if found["sure"] else "not sure; perhaps ") + ranked
