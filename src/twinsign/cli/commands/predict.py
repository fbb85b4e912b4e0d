"""The command that names signs in files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from twinsign.datasets.poses import clip_files
from twinsign.dictionary.lookup import Finding, Lookup
from twinsign.errors import InputError
from twinsign.extract.camera import open_camera
from twinsign.extract.clip import Reader
from twinsign.extract.estimator import HOLISTIC, EstimatorConfig
from twinsign.extract.live import LiveHolistic
from twinsign.extract.video import is_video
from twinsign.files import files_below
from twinsign.inference.recogniser import Prediction, Recogniser
from twinsign.inference.threads import THREADS, use_threads
from twinsign.pose.read import KNOWN, is_clip_folder
from twinsign.pose.recording import Recording, Unit
from twinsign.streaming.stream import Sign, Stream
from twinsign.terminal import console, errors, plain, print_json

WIPE = "\r\x1b[K"
"""Back to the line's begin, and the rest of it wiped."""
Said = dict[str, Any]

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


def watch(source: str, say: Callable[[Recording], Said], json: bool, estimator: EstimatorConfig) -> int:
    """Name signs before a camera, or in a video that stands in for one, until it ends or Ctrl-C (ours)."""
    if estimator.name != "holistic":
        raise InputError(f"--estimator.name {estimator.name} with --webcam", "holistic")
    with open_camera(source) as frames:
        holistic = LiveHolistic()
        stream: Stream[Said] | None = None
        errors.print(f"watching {source}; Ctrl-C ends it", markup=False)
        with suppress(KeyboardInterrupt):
            for time, image in frames:
                if stream is None:
                    known = f"{holistic.name} {holistic.version}"
                    size = (image.shape[1], image.shape[0])
                    stream = Stream(say, size=size, estimator=known)
                for sign in stream.push(time, *holistic.estimate(image)):
                    _show(sign, json)
        for sign in stream.finish() if stream else []:
            _show(sign, json)
        holistic.close()
    return OK


def _show(sign: Sign[Said], json: bool) -> None:
    if json:
        told = {"begin": round(sign.begin, 3), "end": round(sign.end, 3), "ended": sign.ended, **sign.answer}
        told |= {"delay": round(sign.delay, 3), "seconds": round(sign.seconds, 4)}
        print_json(told)
        return
    words = in_words(sign.answer)
    if not sign.ended:
        if sys.stderr.isatty():
            sys.stderr.write(WIPE + plain(f"{sign.begin:6.1f} s  … {words}")[: console.width - len(WIPE)])
            sys.stderr.flush()
        return
    if sys.stderr.isatty():
        sys.stderr.write(WIPE)
    console.print(f"{sign.begin:6.1f} s  {words}", markup=False)
    if "enrolled" in sign.answer:
        console.print(f"          among the enrolled signs: {in_words(sign.answer['enrolled'])}", markup=False)
    if sign.answer.get("note"):
        errors.print(f"          note: {sign.answer['note']}", markup=False)


def in_words(found: dict[str, Any]) -> str:
    """Ranked guesses with their confidences, and "not sure" before them where that is so (ours)."""
    ranked = ", ".join(f"{guess['gloss']} {100 * guess['confidence']:.0f} %" for guess in found["guesses"])
    return ("" if found["sure"] else "not sure; perhaps ") + ranked
