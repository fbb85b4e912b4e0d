"""The command that names signs in files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from twinsign.cli.answers import OK, answer_files, as_plain, expand_files, in_words
from twinsign.dictionary.lookup import Lookup
from twinsign.errors import InputError
from twinsign.extract.camera import open_camera
from twinsign.extract.clip import Reader
from twinsign.extract.estimator import HOLISTIC, EstimatorConfig
from twinsign.extract.holistic import LiveHolistic
from twinsign.inference.recogniser import Recogniser
from twinsign.inference.threads import THREADS, use_threads
from twinsign.pose.recording import Recording, Unit
from twinsign.streaming.stream import Sign, Stream
from twinsign.terminal import console, errors, plain, print_json

WIPE = "\r\x1b[K"
"""Back to the line's begin, and the rest of it wiped."""
Said = dict[str, Any]


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
    files = expand_files(files)
    use_threads(threads)
    recogniser, reader = Recogniser.load(model), Reader(estimator, size=size, fps=fps, unit=unit)
    lookup = None if dictionary is None else Lookup.of(recogniser, dictionary)
    if webcam:
        return watch(webcam, partial(_said, recogniser, lookup, strict, top), json, estimator)
    return answer_files(files, reader, partial(_said, recogniser, lookup, strict, top), _enrolled, json)


def _enrolled(found: dict[str, Any]) -> list[str]:
    return [f"  among the enrolled signs: {in_words(found['enrolled'])}"] if "enrolled" in found else []


def _said(
    recogniser: Recogniser, lookup: Lookup | None, strict: bool, top: int, recording: Recording
) -> dict[str, Any]:
    """What is said of one recording."""
    if strict:
        recogniser.noticer.require(recording)
    said = as_plain(recogniser.predict(recording, top))
    if lookup is not None:
        said["enrolled"] = as_plain(lookup.search(recording, top))
    return said


def watch(source: str, say: Callable[[Recording], Said], json: bool, estimator: EstimatorConfig) -> int:
    """Name signs before a camera, or in a video that stands in for one, until it ends or Ctrl-C."""
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
        as_plain = {"begin": round(sign.begin, 3), "end": round(sign.end, 3), "ended": sign.ended, **sign.answer}
        as_plain |= {"delay": round(sign.delay, 3), "seconds": round(sign.seconds, 4)}
        print_json(as_plain)
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
