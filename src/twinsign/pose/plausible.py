"""Check that a recording's coordinates fit their unit, fractions or pixels, and the image's size.

Judged by medians over a clip's seen joints, for single joints of real clips lie far outside the picture, and over its
hands, for estimators guess joints of a body that they do not see: of a face alone they put the wrists at y 1.4. The
figures are of 24,586 clips of four sets by MediaPipe Hands and Holistic, in image fractions.
"""

from __future__ import annotations

import numpy as np

from twinsign.errors import InputError
from twinsign.pose.layout import HANDS, OFTEN_UNSEEN
from twinsign.pose.recording import FloatArray, Recording

MEDIANS = (0.0, 1.25)
"""Where a clip's medians of x and of y lie, in image fractions: 0.01 to 1.03 in all real clips."""
GUESSED = (-4.0, 5.0)
"""The same of clips without a hand: all that is seen may be a guess, and single guesses lie 3.4 images away."""
SMALL = 32
"""An image's longer side in pixels below which pixels cannot be told from fractions."""
MARGIN = 0.1
"""How far outside a joint must be to speak against the image's size, in image fractions."""
SHARE = 0.05
"""The least share of joints outside the image at which width and height may be swapped. At this share and MARGIN, none
of 18,938 real clips is refused wrongly in landscape and 3 in portrait; 11 % of swapped ones are recognised at 4:3, 55 %
at 16:9, 42 % at 3:4 and 88 % at 9:16."""
FARTHEST = 10.0**6
"""The largest coordinate that is accepted, in either unit: the squares of larger ones overflow."""
FITS = 0.1
"""With width and height swapped, at most this part of that share may still be outside."""


def check_plausible(recording: Recording, *, insisted: bool) -> Recording:
    """The recording itself; InputError if its coordinates fit neither its unit nor its image.

    `insisted`: the caller stated the unit, so that fractions may lie anywhere up to FARTHEST.
    """
    points, hands = recording.xy[recording.seen], recording.xy[:, HANDS][recording.seen[:, HANDS]]
    if not len(points):
        return recording
    error = _check_medians(recording, points, insisted, MEDIANS if len(hands) else GUESSED)
    if error and len(hands):  # other joints may be guesses
        error = _check_medians(recording, hands, insisted, MEDIANS)
    if error:
        raise error
    farthest = float(np.abs(points).max())
    if farthest > FARTHEST:
        raise recording.error(f"a coordinate of {farthest:.4g}", f"coordinates up to {FARTHEST:.4g}")
    if recording.unit == "pixel":
        _check_order(recording)
    return recording


def _check_medians(
    recording: Recording, points: FloatArray, insisted: bool, limits: tuple[float, float]
) -> InputError | None:
    """What speaks against the unit, by the medians of points (N 2)."""
    low, high = limits
    x, y = (float(median) for median in np.median(points.astype(np.float64), axis=0))
    wanted, hint = "image fractions", ""
    if recording.unit == "fraction" or recording.size is None:
        if not insisted and max(x, y) > high:
            hint = "If these are pixels, say so and give the image's size: --unit pixel --size 1280x720."
        elif not insisted and min(x, y) < low:
            hint = "Coordinates around a joint or a centre are not image fractions; if these are: --unit fraction."
    elif not insisted and max(x, y) <= MEDIANS[1] and max(recording.size) >= SMALL:
        wanted, hint = "pixels", "If these are image fractions, say so: --unit fraction."
    else:
        width, height = recording.size
        if not (low <= x / width <= high and low <= y / height <= high):
            wanted = f"pixels of an image of {width} x {height}"
            hint = "Is the size that of another video, or are these not places in the image?"
    return recording.error(f"coordinates with the medians x {x:.4g}, y {y:.4g}", wanted, hint=hint) if hint else None


def _check_order(recording: Recording) -> None:
    """InputError if joints lie outside the image, and inside once width and height are swapped."""
    # Estimators place elbows and wrists that they do not see far below the picture, whatever its size.
    joints = np.setdiff1d(np.arange(recording.xy.shape[1]), OFTEN_UNSEEN)
    pixels = recording.xy[:, joints][recording.seen[:, joints]]
    width, height = recording.size or (1, 1)
    outside, swapped = _share_outside(pixels, width, height), _share_outside(pixels, height, width)
    if outside > SHARE and swapped <= FITS * outside:
        x, y = pixels.max(axis=0)
        problem = f"joints to x {x:.4g}, y {y:.4g}, {outside:.0%} of them outside an image of {width} x {height}"
        hint = f"Are width and height swapped? The size is (width, height): --size {height}x{width}."
        raise recording.error(problem, "joints mostly inside the image", hint=hint)


def _share_outside(pixels: FloatArray, width: int, height: int) -> float:
    fractions = pixels / np.asarray([width, height], np.float32)
    return float(((fractions < -MARGIN) | (fractions > 1 + MARGIN)).any(axis=-1).mean()) if len(pixels) else 0.0
