"""Whether two clips show one recording: the one's movement as the other's, but for an even change of time and place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.doctor.tracks import POINTS, SIDES, Tracks
from twinsign.pose.recording import BoolArray, FloatArray

MOMENTS = 32
"""Moments of the second clip at which the two are compared."""
STEPS = ((0.06, 0.85), (0.03, 0.93), (0.015, 0.97), (0.007, 0.98), (0.0035, 0.99))
"""Shifts of the window's ends, in shares of the first clip, and the fit below which a pair is given up after them."""
HOPELESS = 0.5
"""A first fit below which a pair is given up at once."""
MOVES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))
"""Which ends are shifted, and which way."""
SCALES = (0.5, 2.0)
"""Least and most change of width and of height."""
LEAST_POINTS = 24
"""Points seen in both clips, of MOMENTS times 12, below which nothing is said."""
_TINY = 1e-9


class Fit(NamedTuple):
    """How well pairs agree, each (K): shares in [0, 1], and two lengths.

    moved: share explained of the points' movements about their own means; placed: share explained of all places, hand
    shapes among them; both: points seen in both of those seen in either; overlap: part of the second clip that the
    first covers; extent: the movements' spread, rest: what is left of it in the hand that is
    explained worse, both in image fractions.
    """

    moved: FloatArray
    placed: FloatArray
    both: FloatArray
    overlap: FloatArray
    extent: FloatArray
    rest: FloatArray


def align(first: Tracks, second: Tracks, window: FloatArray, *, patient: bool = False) -> Fit:
    """The best fit of a window (K 2) of the first clips (K), its ends searched, to all of the second ones (K).

    Pairs that cannot become copies are given up early, with `moved` 0, unless `patient`.
    """
    place = np.broadcast_to(np.linspace(0, 1, MOMENTS, dtype=np.float32), (len(window), MOMENTS))
    every, window = np.arange(len(window)), window.copy()
    xy, seen = _at(second, every, place)
    best = _fit(first, every, window, xy, seen)
    if not patient:
        best.moved[best.moved < HOPELESS] = 0
    for step, least in STEPS:
        for start, end in MOVES * 2:
            alive = np.flatnonzero(best.moved > 0)
            tried = window[alive] + np.asarray([start, end], np.float32) * step
            fit = _fit(first, alive, tried, xy[alive], seen[alive])
            better = fit.moved > best.moved[alive]
            window[alive[better]] = tried[better]
            for old, new in zip(best, fit, strict=True):
                old[alive[better]] = new[better]
        if not patient:
            best.moved[best.moved < least] = 0
    return best


def _at(clips: Tracks, rows: NDArray[np.int64], place: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Points of these clips at places (K M) in [0, 1]: xy (K M P 2), seen (K M P), in both frames beside the place."""
    length = clips.length[rows, None]
    start = (np.cumsum(clips.length) - clips.length)[rows, None]
    time = np.clip(place, 0, 1) * (length - 1)
    before = np.floor(time).astype(np.int64)
    after = np.minimum(before + 1, length - 1)
    weight = (time - before)[..., None, None].astype(np.float32)
    xy = clips.xy[start + before] * (1 - weight) + clips.xy[start + after] * weight
    return xy, clips.seen[start + before] & clips.seen[start + after]


def _fit(first: Tracks, rows: NDArray[np.int64], window: FloatArray, target: FloatArray, target_seen: BoolArray) -> Fit:
    place = window[:, :1] + (window[:, 1:] - window[:, :1]) * np.linspace(0, 1, MOMENTS, dtype=np.float32)
    inside = ((place >= -1e-4) & (place <= 1 + 1e-4))[..., None]
    xy, seen = _at(first, rows, place)
    both = seen & target_seen & inside
    weight = both[..., None].astype(np.float32)
    count = both.sum(axis=(1, 2))
    # A K M P 2 array each: movements about each point's own mean, then places about the mean of all points.
    one, other = _centred(xy, weight, (1,)), _centred(target, weight, (1,))
    spread = (other * other).sum(axis=(1, 2, 3))
    scale = np.clip((one * other).sum(axis=(1, 2)) / np.maximum((one * one).sum(axis=(1, 2)), _TINY), *SCALES)
    scale = scale[:, None, None]
    moved = _explained(one * scale, other)
    by_hand = (len(one), MOMENTS, len(SIDES), 2 * len(POINTS) // len(SIDES))
    hands = ((other - one * scale) ** 2).reshape(by_hand).sum(axis=(1, 3))
    counts = both[..., None].reshape((*by_hand[:3], by_hand[3] // 2)).sum(axis=(1, 3))
    placed = _explained(_centred(xy, weight, (1, 2)) * scale, _centred(target, weight, (1, 2)))
    either = ((seen | target_seen) & inside).sum(axis=(1, 2))
    enough, extent = count >= LEAST_POINTS, np.sqrt(spread / np.maximum(count, 1))
    return Fit(
        np.where(enough, moved, 0),
        placed,
        count / np.maximum(either, 1),
        inside.mean(axis=(1, 2)),
        extent,
        np.sqrt(hands / np.maximum(counts, 1)).max(axis=1),
    )


def _centred(xy: FloatArray, weight: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    mean = (xy * weight).sum(axis=axes, keepdims=True) / np.maximum(weight.sum(axis=axes, keepdims=True), 1)
    out: FloatArray = (xy - mean) * weight
    return out


def _explained(one: FloatArray, other: FloatArray) -> FloatArray:
    left = ((other - one) ** 2).sum(axis=(1, 2, 3))
    out: FloatArray = np.maximum(1 - left / np.maximum((other**2).sum(axis=(1, 2, 3)), _TINY), 0)
    return out
