"""Signs before a camera, in the terminal: a line as it goes on, a line for each sign that has ended."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twinsign.errors import InputError
from twinsign.extract.camera import open_camera
from twinsign.extract.estimator import EstimatorConfig
from twinsign.extract.live import LiveHolistic
from twinsign.pose.recording import Recording
from twinsign.streaming.stream import Sign, Stream
from twinsign.terminal import console, errors, plain, print_json

OK = 0
WIPE = "\r\x1b[K"
"""Back to the line's begin, and the rest of it wiped."""
Said = dict[str, Any]


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
