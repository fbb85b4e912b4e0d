"""The command that recognises signs in files and before a webcam."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twinsign.cli.answers import answer_files, as_plain, expand_files, in_words
from twinsign.cli.console import OK, console, errors
from twinsign.cli.options import MYPY, FieldsOf, Flag, InputFormat, OptionalPositionals
from twinsign.errors import InputError
from twinsign.extract.config import EstimatorConfig
from twinsign.lazy import quick_imports
from twinsign.pose.recording import Recording
from twinsign.runs.shipped import RECOGNISER
from twinsign.terminal import escape_controls, print_json

if MYPY:
    from twinsign.dictionary.lookup import Dictionary
    from twinsign.inference.recogniser import Recogniser
    from twinsign.streaming.stream import Sign

WIPE = "\r\x1b[K"
"""Terminal codes: back to the start of the line, and clear it."""
Answer = dict[str, Any]


def predict(
    files: OptionalPositionals,
    json: Flag,
    strict: Flag,
    format: FieldsOf[InputFormat],
    model: Path = RECOGNISER,
    top: int = 5,
    dictionary: Path | None = None,
    webcam: str | None = None,
    threads: int = 1,
) -> int:
    """Name the signs in pose files, videos, folders of them, or in front of a camera, or say "not sure".

    Args:
        model: RUN of finetune or linear, or a shipped model (twinsign models).
        json: Print one line of JSON per file instead of words.
        top: Number of glosses to list.
        dictionary: Dictionary enrolled with this RUN, whose signs are looked up too.
        webcam: Camera (/dev/video0) instead of files, until Ctrl-C; or a video in place of one.
    """
    if bool(files) == bool(webcam):
        raise InputError("files and a webcam" if files else "no file", "files, or --webcam DEVICE")
    files = expand_files(files)
    with quick_imports():
        from twinsign.inference.recogniser import Recogniser, use_threads

    use_threads(threads)
    recogniser = Recogniser.load(model)
    lookup = None if dictionary is None else _look_up(recogniser, dictionary)

    def answer(recording: Recording) -> Answer:
        if strict:
            recogniser.noticer.require(recording)
        result = as_plain(recogniser.predict(recording, top))
        return result | ({} if lookup is None else {"enrolled": as_plain(lookup.search(recording, top))})

    if webcam:
        watch(webcam, answer, json, format.estimator)
        return OK
    return answer_files(files, format.reader(), answer, _enrolled, json)


def _look_up(recogniser: Recogniser, folder: Path) -> Dictionary:
    from twinsign.dictionary.lookup import Dictionary  # slow to import, and rarely asked for

    return Dictionary.of(recogniser, folder)


def _enrolled(answer: Answer) -> list[str]:
    return [f"  among the enrolled signs: {in_words(answer['enrolled'])}"] if "enrolled" in answer else []


def watch(source: str, answer: Callable[[Recording], Answer], json: bool, estimator: EstimatorConfig) -> None:
    """Name signs before a camera, or in a video in place of one, until it ends or Ctrl-C."""
    from twinsign.extract.camera import open_camera
    from twinsign.extract.holistic import LiveHolistic
    from twinsign.streaming.stream import Stream

    if estimator.name != "holistic":
        raise InputError(f"--estimator.name {estimator.name} with --webcam", "holistic")
    with open_camera(source) as frames:
        holistic = LiveHolistic()
        stream: Stream[Answer] | None = None
        errors.print(f"watching {source}; press Ctrl-C to stop")
        with suppress(KeyboardInterrupt):
            for time, image in frames:
                if stream is None:
                    name = f"{holistic.name} {holistic.version}"
                    stream = Stream(answer, size=(image.shape[1], image.shape[0]), estimator=name)
                for sign in stream.push(time, *holistic.estimate(image)):
                    _print_sign(sign, json)
        for sign in stream.finish() if stream else []:
            _print_sign(sign, json)
        holistic.close()


def _print_sign(sign: Sign[Answer], json: bool) -> None:
    if json:
        values = {"begin": round(sign.begin, 3), "end": round(sign.end, 3), "ended": sign.ended, **sign.answer}
        print_json(values | {"delay": round(sign.delay, 3), "seconds": round(sign.seconds, 4)})
        return
    words = in_words(sign.answer)
    if sys.stderr.isatty():
        going_on = "" if sign.ended else escape_controls(f"{sign.begin:6.1f} s  … {words}")
        sys.stderr.write((WIPE + going_on)[: console.width])
        sys.stderr.flush()
    if not sign.ended:
        return
    for line in (f"{sign.begin:6.1f} s  {words}", *(f"        {line}" for line in _enrolled(sign.answer))):
        console.print(line)
    if sign.answer.get("note"):
        errors.print(f"          note: {sign.answer['note']}")
