"""The command that names signs in files."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from twinsign.errors import InputError
from twinsign.extract.clip import Reader
from twinsign.extract.estimator import HOLISTIC, EstimatorConfig
from twinsign.pose.recording import Unit
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
) -> int:
    """Name the signs in pose files or videos, or say "not sure".

    Args:
        model: RUN of finetune or linear.
        top: How many glosses to list.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: What the coordinates are, pixels or image fractions, where that is not what the format says.
        estimator: Which pose estimator sees the videos: the one that saw what the model learnt from.
    """
    recogniser, reader, unreadable = Recogniser.load(model), Reader(estimator, size=size, fps=fps, unit=unit), 0
    for file in files:
        try:
            recording = reader.read(file)
            note = check_recording(recogniser.run, recording, strict)
            found = asdict(recogniser.predict(recording, top)) | ({"note": note} if note else {})
        except InputError as error:
            unreadable += 1
            found = {"error": str(error)}
        if json:
            print(json_format.dumps({"file": file, **found}, ensure_ascii=False))
        elif "error" in found:
            errors.print(found["error"], markup=False)
        else:
            ranked = ", ".join(f"{guess['gloss']} {100 * guess['confidence']:.0f} %" for guess in found["guesses"])
            console.print(f"{file}: {'' if found['sure'] else 'not sure; perhaps '}{ranked}", markup=False)
            if note:
                errors.print(f"note: {file} is unlike the clips that the model learnt from: {note}", markup=False)
    return NOTHING_WRITTEN if unreadable == len(files) else SOME_UNREADABLE if unreadable else OK
