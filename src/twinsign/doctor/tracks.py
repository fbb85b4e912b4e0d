"""Wrists and fingertips of clips: what copies of a video share, whichever estimator saw it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.pack.open import Indices
from twinsign.pose.layout import FINGERS, INDEX
from twinsign.pose.recording import BoolArray, FloatArray

SIDES = ("right", "left")
TIPS = tuple(f"{finger}_4" for finger in FINGERS)
POINTS = tuple(INDEX[f"{side}_hand_{joint}"] for side in SIDES for joint in ("wrist", *TIPS))
"""The joints followed, (P): wrist and fingertips of the right hand, then of the left."""
_OF_A_HAND = len(POINTS) // len(SIDES)
OTHER_HAND = tuple((point + _OF_A_HAND) % len(POINTS) for point in range(len(POINTS)))
"""Point OTHER_HAND[i] is point i's counterpart on the other hand."""
WAYS = ("same", "mirrored", "exchanged")
"""How a copy may show its original: as it is, in a mirror, or with the names of the hands exchanged."""
BINS = 64
"""Evenly spaced moments of a profile."""
CHANNELS = 2 * len(SIDES)
"""Of a profile: wrist, and mean fingertip, of each hand."""


class Tracks(NamedTuple):
    """Clips' points end to end, from the first to the last frame with a hand: xy (F P 2), seen (F P), length (B)."""

    xy: FloatArray
    seen: BoolArray
    length: Indices


def tracks(xy: FloatArray, seen: BoolArray, length: Indices) -> Tracks:
    """The tracks of clips xy (F 49 2), seen (F 49), length (B); a clip without a hand keeps no frame."""
    points, found = xy[:, POINTS], seen[:, POINTS]
    clip = np.repeat(np.arange(len(length)), length)
    active = found.any(axis=1)
    frame = np.arange(len(clip))
    first = np.full(len(length), len(clip))
    last = np.full(len(length), -1)
    np.minimum.at(first, clip[active], frame[active])
    np.maximum.at(last, clip[active], frame[active])
    inside = (frame >= first[clip]) & (frame <= last[clip])
    return Tracks(points[inside], found[inside], np.maximum(last - first + 1, 0))


def turned(of: Tracks, way: str) -> Tracks:
    """The same clips turned one of WAYS."""
    if way == "same":
        return of
    xy = of.xy[:, OTHER_HAND].copy()
    if way == "mirrored":
        xy[..., 0] = 1 - xy[..., 0]
    return Tracks(xy, of.seen[:, OTHER_HAND], of.length)


def turned_profiles(of: NDArray[np.float16], way: str) -> NDArray[np.float16]:
    """Profiles (N BINS CHANNELS 2) turned one of WAYS; a mirror's x is -x, for descriptions are centred."""
    if way == "same":
        return of
    exchanged = of.reshape(len(of), BINS, len(SIDES), -1, 2)[:, :, ::-1].reshape(of.shape)
    return exchanged * np.asarray([-1, 1], np.float16) if way == "mirrored" else exchanged


def profiles(of: Tracks) -> NDArray[np.float16]:
    """Each clip's course at BINS moments, (B BINS CHANNELS 2); gaps are filled, an absent hand is NaN."""
    channels, found = _channels(of)
    ends = np.cumsum(of.length)
    clip = np.repeat(np.arange(len(ends)), of.length)
    filled = np.stack([_filled(channels[:, i], found[:, i], clip) for i in range(CHANNELS)], axis=1)
    out = np.full((len(ends), BINS, CHANNELS, 2), np.nan, np.float16)
    some = np.flatnonzero(of.length)
    place = np.linspace(0, 1, BINS) * (of.length[some, None] - 1)
    before = np.floor(place).astype(np.int64)
    after = np.minimum(before + 1, of.length[some, None] - 1)
    start, weight = (ends - of.length)[some, None], (place - before)[..., None, None]
    out[some] = filled[start + before] * (1 - weight) + filled[start + after] * weight
    return out


def _channels(of: Tracks) -> tuple[FloatArray, BoolArray]:
    """Wrist and mean fingertip of each hand: (F CHANNELS 2), seen (F CHANNELS)."""
    hands = of.xy.reshape(len(of.xy), len(SIDES), _OF_A_HAND, 2)
    seen = of.seen.reshape(len(of.xy), len(SIDES), _OF_A_HAND)
    tips, found = hands[:, :, 1:], seen[:, :, 1:]
    count = found.sum(axis=2)
    mean = (tips * found[..., None]).sum(axis=2) / np.maximum(count, 1)[..., None]
    both = np.stack([hands[:, :, 0], mean], axis=2)
    return both.reshape(len(both), CHANNELS, 2), np.stack([seen[:, :, 0], count > 0], axis=2).reshape(-1, CHANNELS)


def _filled(xy: FloatArray, seen: BoolArray, clip: Indices) -> FloatArray:
    """One channel (F 2) without gaps: linear inside a clip, held at its ends, NaN where a clip never shows it."""
    frame = np.arange(len(seen))
    before = np.maximum.accumulate(np.where(seen, frame, -1))
    after = np.minimum.accumulate(np.where(seen, frame, len(seen))[::-1])[::-1]
    has_before = (before >= 0) & (clip[np.maximum(before, 0)] == clip)
    has_after = (after < len(seen)) & (clip[np.minimum(after, len(seen) - 1)] == clip)
    low = np.where(has_before, before, np.where(has_after, after, 0))
    high = np.where(has_after, after, low)
    weight = ((frame - low) / np.maximum(high - low, 1))[:, None]
    mixed = xy[low] * (1 - weight) + xy[high] * weight
    return np.where((has_before | has_after)[:, None], mixed, np.nan).astype(np.float32)


def shown(of: NDArray[np.float16]) -> Indices:
    """Places of the profiles (N BINS CHANNELS 2) that show a hand."""
    return np.flatnonzero(np.isfinite(of[:, 0, :, 0]).any(axis=1))
