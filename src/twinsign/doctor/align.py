"""Whether two clips show one recording: one's movement matches the other's up to linear changes of time and place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twinsign.doctor.tracks import HAND_POINTS, SIDES, Tracks, interpolation_at
from twinsign.pack.open import Indices
from twinsign.pose.recording import BoolArray, FloatArray

MOMENTS = 32
"""Moments of the second clip at which the two are compared."""
STEPS = ((0.06, 0.85), (0.03, 0.93), (0.015, 0.97), (0.007, 0.98), (0.0035, 0.99))
"""Shifts of the window's ends, as shares of the first clip, and the fit below which a pair is given up after them."""
HOPELESS = 0.5
"""A first fit below which a pair is given up at once."""
MOVES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))
"""Which ends are shifted, and in which direction."""
SCALES = (0.5, 2.0)
"""Least and greatest change of width and of height."""
LEAST_POINTS = 24
"""Points seen in both clips, of MOMENTS times 12, below which a fit is not trusted."""
_TINY = 1e-9


class Fit(NamedTuple):
    """How well pairs agree, each (K): shares in [0, 1], and two lengths in image fractions.

    moved: share explained of the points' movements about their own means; placed: share explained of all places,
    including hand shapes; common: points seen in both clips over those seen in either; overlap: part of the second
    clip that the first covers; extent: the movements' spread; residual: what stays unexplained in the worse hand.
    """

    moved: FloatArray
    placed: FloatArray
    common: FloatArray
    overlap: FloatArray
    extent: FloatArray
    residual: FloatArray


def align(first: Tracks, second: Tracks, window: FloatArray, *, patient: bool = False) -> Fit:
    """The best fit of a window (K 2) of the first clips (K), its ends searched, to the whole second clips (K).

    Pairs that cannot become copies are given up early, with `moved` 0, unless `patient`.
    """
    place = np.broadcast_to(np.linspace(0, 1, MOMENTS, dtype=np.float32), (len(window), MOMENTS))
    every, window = np.arange(len(window)), window.copy()
    xy, seen = _points_at(second, every, place)
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


def _points_at(clips: Tracks, chosen: Indices, place: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Points of these clips at places (K M) in [0, 1]: xy (K M P 2), seen (K M P) in both neighbouring frames."""
    before, after, weight = interpolation_at(clips.length, chosen, place)
    share: FloatArray = weight.astype(np.float32)
    return clips.xy[before] * (1 - share) + clips.xy[after] * share, clips.seen[before] & clips.seen[after]


def _fit(first: Tracks, chosen: Indices, window: FloatArray, target: FloatArray, target_seen: BoolArray) -> Fit:
    """The fit of windows (K 2) of these clips (K) to points xy (K M P 2), seen (K M P), scaled by least squares."""
    place = window[:, :1] + (window[:, 1:] - window[:, :1]) * np.linspace(0, 1, MOMENTS, dtype=np.float32)
    inside = ((place >= -1e-4) & (place <= 1 + 1e-4))[..., None]
    xy, seen = _points_at(first, chosen, place)
    common = seen & target_seen & inside
    weight = common[..., None].astype(np.float32)
    # A K M P 2 array each: movements about each point's own mean, then places about the mean of all points.
    source, goal = (_centred(points, weight, (1,)) for points in (xy, target))
    scale = (source * goal).sum(axis=(1, 2)) / np.maximum((source * source).sum(axis=(1, 2)), _TINY)
    scale = np.clip(scale, *SCALES)[:, None, None]
    placed = _explained(_centred(xy, weight, (1, 2)) * scale, _centred(target, weight, (1, 2)))
    hands = (len(window), MOMENTS, len(SIDES), HAND_POINTS)
    unexplained = ((goal - source * scale) ** 2).reshape((*hands, 2)).sum(axis=(1, 3, 4))
    count = common.reshape(hands).sum(axis=(1, 3))
    total = count.sum(axis=1)
    return Fit(
        np.where(total >= LEAST_POINTS, _explained(source * scale, goal), 0),
        placed,
        total / np.maximum(((seen | target_seen) & inside).sum(axis=(1, 2)), 1),
        inside.mean(axis=(1, 2)),
        np.sqrt((goal * goal).sum(axis=(1, 2, 3)) / np.maximum(total, 1)),
        np.sqrt(unexplained / np.maximum(count, 1)).max(axis=1),
    )


def _centred(xy: FloatArray, weight: FloatArray, axes: tuple[int, ...]) -> FloatArray:
    mean = (xy * weight).sum(axis=axes, keepdims=True) / np.maximum(weight.sum(axis=axes, keepdims=True), 1)
    out: FloatArray = (xy - mean) * weight
    return out


def _explained(source: FloatArray, goal: FloatArray) -> FloatArray:
    left = ((goal - source) ** 2).sum(axis=(1, 2, 3))
    out: FloatArray = np.maximum(1 - left / np.maximum((goal**2).sum(axis=(1, 2, 3)), _TINY), 0)
    return out
