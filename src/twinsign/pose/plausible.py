"""Whether coordinates can be what they are taken for: fractions or pixels, of an image that wide and that high.

Judged by medians over a clip's seen joints, for single joints of real clips lie far outside the picture, and over its
hands, for estimators guess joints of a body that they do not see: of a face alone they put the wrists at y 1.4. The
figures are of 24,586 clips of four sets by MediaPipe Hands and Holistic, in image fractions.
"""

from __future__ import annotations

import numpy as np

from twinsign.errors import InputError
from twinsign.pose.layout import HANDS, OFTEN_UNSEEN
from twinsign.pose.recording import BoolArray, FloatArray, Recording

MEDIANS = (0.0, 1.25)
"""Where a clip's medians of x and of y lie, in image fractions: 0.01 to 1.03 in all real clips."""
GUESSED = (-4.0, 5.0)
"""The same of clips without a hand: all that is seen may be a guess, and single guesses lie 3.4 images away."""
SMALL = 32
"""An image's longer side in pixels below which pixels cannot be told from fractions."""
MARGIN = 0.1
"""How far outside a joint must be to speak against the image's size, in image fractions."""
SHARE = 0.05
"""The share of joints outside from which on width and height may be exchanged. At this share and MARGIN, none of 18,938
real clips is refused wrongly in landscape and 3 in portrait; 11 % of exchanged ones are found at 4:3, 55 % at 16:9,
42 % at 3:4 and 88 % at 9:16."""
FARTHEST = 10.0**6
"""The largest coordinate that is taken, in either unit: larger ones are none, and their squares overflow."""
FITS = 0.1
"""Exchanged, at most this part of that share may still be outside."""


def check(recording: Recording, *, insisted: bool) -> Recording:
    """The recording itself; InputError where its coordinates fit neither its unit nor its image.

    `insisted`: the unit is the caller's own word, so that fractions may lie anywhere up to FARTHEST.
    """
    seen = recording.seen
    if seen.any():
        error = _unit_error(recording, seen, insisted)
        if error is not None:
            raise error
        _check_far(recording, recording.xy[seen])
        if recording.unit == "pixel":
            _check_order(recording)
    return recording


def _check_far(recording: Recording, points: FloatArray) -> None:
    far = float(np.abs(points).max())
    if far > FARTHEST:
        raise _error(recording, f"a coordinate of {far:.4g}", f"coordinates up to {FARTHEST:.4g}", "")


def _unit_error(recording: Recording, seen: BoolArray, insisted: bool) -> InputError | None:
    """What speaks against the unit: both all joints and the hands, where any are seen."""
    hands = bool(seen[:, HANDS].any())
    error = _judged(recording, recording.xy[seen], insisted, MEDIANS if hands else GUESSED)
    if error is None or not hands:
        return error
    return _judged(recording, recording.xy[:, HANDS][seen[:, HANDS]], insisted, MEDIANS)


def _judged(recording: Recording, points: FloatArray, insisted: bool, usual: tuple[float, float]) -> InputError | None:
    low, high = usual
    x, y = (float(median) for median in np.median(points.astype(np.float64), axis=0))
    found = f"coordinates with the medians x {x:.4g}, y {y:.4g}"
    if recording.unit == "fraction" or recording.size is None:
        if not insisted and max(x, y) > high:
            hint = "If these are pixels, say so and give the image's size: --unit pixel --size 1280x720."
            return _error(recording, found, "image fractions", hint)
        if not insisted and min(x, y) < low:
            hint = "Places around a joint or a centre are none in an image; if these are: --unit fraction."
            return _error(recording, found, "image fractions", hint)
        return None
    if not insisted and max(x, y) <= MEDIANS[1] and max(recording.size) >= SMALL:
        return _error(recording, found, "pixels", "If these are image fractions, say so: --unit fraction.")
    width, height = recording.size
    if not (low <= x / width <= high and low <= y / height <= high):
        wanted = f"pixels of an image of {width} x {height}"
        hint = "Was the size that of another video, or are these no places in it?"
        return _error(recording, found, wanted, hint)
    return None


def _check_order(recording: Recording) -> None:
    # Estimators place elbows and wrists that they do not see far below the picture, whatever its size.
    joints = np.setdiff1d(np.arange(recording.xy.shape[1]), OFTEN_UNSEEN)
    pixels = recording.xy[:, joints][recording.seen[:, joints]]
    width, height = recording.size or (1, 1)
    outside, exchanged = _outside(pixels, width, height), _outside(pixels, height, width)
    if outside > SHARE and exchanged <= FITS * outside:
        x, y = pixels.max(axis=0)
        found = f"joints to x {x:.4g}, y {y:.4g}, {outside:.0%} of them outside an image of {width} x {height}"
        hint = f"Are width and height exchanged? The size is (width, height): --size {height}x{width}."
        raise _error(recording, found, "joints mostly inside the image", hint)


def _outside(pixels: FloatArray, width: int, height: int) -> float:
    if not len(pixels):
        return 0.0
    fractions = pixels / np.asarray([width, height], np.float32)
    return float(((fractions < -MARGIN) | (fractions > 1 + MARGIN)).any(axis=-1).mean())


def _error(recording: Recording, found: str, wanted: str, hint: str) -> InputError:
    return InputError(found, wanted, file=recording.source or None, clip=recording.id, hint=hint)
