"""The command that names signs in files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from twinsign.cli.commands.webcam import in_words, watch
from twinsign.datasets.poses import clip_files
from twinsign.dictionary.lookup import Finding, Lookup
from twinsign.errors import InputError
from twinsign.extract.clip import Reader
from twinsign.extract.estimator import HOLISTIC, EstimatorConfig
from twinsign.extract.video import is_video
from twinsign.files import files_below
from twinsign.inference.recogniser import Prediction, Recogniser
from twinsign.inference.threads import THREADS, use_threads
from twinsign.pose.read import KNOWN, is_clip_folder
from twinsign.pose.recording import Recording, Unit
from twinsign.terminal import console, errors, print_json

OK, NOTHING_WRITTEN, SOME_UNREADABLE = 0, 2, 3


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
    webcam: str | None = None,
    threads: int = THREADS,
) -> int:
    """Name the signs in pose files or videos, or folders of them, or before a webcam, or say "not sure".

    Args:
        model: RUN of finetune or linear.
        top: How many glosses to list.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: What the coordinates are, pixels or image fractions, where that is not what the format says.
        estimator: Which pose estimator sees the videos: the one that saw what the model learnt from.
        dictionary: A dictionary enrolled with this RUN, whose signs are then named, too.
        webcam: A camera (/dev/video0) instead of files, until Ctrl-C; or a video that stands in for one.
        threads: CPU threads that answer.
    """
    if bool(files) == bool(webcam):
        raise InputError("files and a webcam" if files else "no file", "files, or --webcam DEVICE")
    files = below(files)
    use_threads(threads)
    recogniser, reader = Recogniser.load(model), Reader(estimator, size=size, fps=fps, unit=unit)
    lookup = None if dictionary is None else Lookup.of(recogniser, dictionary)
    if webcam:
        return watch(webcam, partial(_said, recogniser, lookup, strict, top), json, estimator)
    return answer_files(files, reader, partial(_said, recogniser, lookup, strict, top), _enrolled, json)


def answer_files(
    files: list[str],
    reader: Reader,
    answer: Callable[[Recording], dict[str, Any]],
    more: Callable[[dict[str, Any]], list[str]],
    json: bool,
) -> int:
    """Print the answer to each file, or what is wrong with it, and `more` lines of it; gives the exit code (ours)."""
    unreadable, listed = 0, below(files)
    for file in listed:
        notes: tuple[str, ...] = ()
        try:
            recording = reader.read(file)
            notes = recording.notes
            found = answer(recording) | ({"notes": list(notes)} if notes else {})
        except InputError as error:
            unreadable += 1
            found = {"error": str(error)}
        for note in notes:
            errors.print(f"note: {file}: {note}", markup=False)
        if json:
            print_json({"file": file, **found})
        elif "error" in found:
            errors.print(found["error"], markup=False)
        else:
            for line in (f"{file}: {in_words(found)}", *more(found)):
                console.print(line, markup=False)
            if "note" in found:
                errors.print(f"note: {file}: {found['note']}", markup=False)
    return NOTHING_WRITTEN if unreadable == len(listed) else SOME_UNREADABLE if unreadable else OK


def below(files: Sequence[str]) -> list[str]:
    """The files as given, and of each folder that is not itself one clip every pose file and video in it (ours).

    Raises InputError on a folder without any.
    """
    listed: list[str] = []
    for file in files:
        folder = Path(file)
        names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
        if not folder.is_dir() or is_clip_folder(folder, names):
            listed.append(file)
            continue
        videos = (path for path in files_below(folder) if is_video(path) and path.is_file())
        inside = sorted({*clip_files(folder), *(path for path in videos if not path.name.startswith("."))})
        if not inside:
            wanted = f"a folder with videos or pose files ({KNOWN})"
            raise InputError("no pose file and no video", wanted, file=folder)
        listed += map(str, inside)
    return listed


def _enrolled(found: dict[str, Any]) -> list[str]:
    return [f"  among the enrolled signs: {in_words(found['enrolled'])}"] if "enrolled" in found else []


def _said(
    recogniser: Recogniser, lookup: Lookup | None, strict: bool, top: int, recording: Recording
) -> dict[str, Any]:
    """What is said of one recording."""
    if strict:
        recogniser.noticer.require(recording)
    said = told(recogniser.predict(recording, top))
    if lookup is not None:
        said["enrolled"] = told(lookup.search(recording, top))
    return said


def told(answer: Prediction | Finding) -> dict[str, Any]:
    """An answer as plain values, without a note where there is nothing to note."""
    return {name: value for name, value in asdict(answer).items() if value or name not in ("note", "unlike")}
