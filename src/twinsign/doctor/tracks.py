"""Wrists and fingertips of clips: what copies of a video share, whichever estimator processed it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.pack.open import Indices
from twinsign.pose.layout import FINGERS, INDEX
from twinsign.pose.recording import BoolArray, FloatArray

SIDES = ("right", "left")
POINTS = tuple(INDEX[f"{side}_hand_{joint}"] for side in SIDES for joint in ("wrist", *(f"{f}_4" for f in FINGERS)))
"""The joints followed, (P): wrist and fingertips of the right hand, then of the left."""
HAND_POINTS = len(POINTS) // len(SIDES)
OPPOSITE = tuple((point + HAND_POINTS) % len(POINTS) for point in range(len(POINTS)))
"""Point OPPOSITE[i] is point i's counterpart on the opposite hand."""
WAYS = ("same", "mirrored", "exchanged")
"""How a copy may show its original: unchanged, mirrored, or with the names of the hands exchanged."""
BINS = 64
"""Evenly spaced moments of a profile."""
CHANNELS = 2 * len(SIDES)
"""Of a profile: wrist, and mean fingertip, of each hand."""


class Tracks(NamedTuple):
    """Clips' points end to end, from the first to the last frame with a hand: xy (F P 2), seen (F P), length (B)."""

    xy: FloatArray
    seen: BoolArray
    length: Indices


def extract_tracks(xy: FloatArray, seen: BoolArray, length: Indices) -> Tracks:
    """The tracks of clips xy (F 49 2), seen (F 49), length (B); a clip without a hand keeps no frame."""
    points, points_seen = xy[:, POINTS], seen[:, POINTS]
    clip = np.repeat(np.arange(len(length)), length)
    frame = np.arange(len(clip))
    active = points_seen.any(axis=1)
    first = np.full(len(length), len(clip))
    last = np.full(len(length), -1)
    np.minimum.at(first, clip[active], frame[active])
    np.maximum.at(last, clip[active], frame[active])
    inside = (frame >= first[clip]) & (frame <= last[clip])
    return Tracks(points[inside], points_seen[inside], np.maximum(last - first + 1, 0))


def turn_tracks(clips: Tracks, way: str) -> Tracks:
    """The clips turned one of WAYS."""
    if way == "same":
        return clips
    xy = clips.xy[:, OPPOSITE].copy()
    if way == "mirrored":
        xy[..., 0] = 1 - xy[..., 0]
    return Tracks(xy, clips.seen[:, OPPOSITE], clips.length)


def turn_profiles(profile: NDArray[np.float16], way: str) -> NDArray[np.float16]:
    """Profiles (N BINS CHANNELS 2) turned one of WAYS; a mirror's x is -x, since descriptions are centred."""
    if way == "same":
        return profile
    exchanged = profile.reshape(len(profile), BINS, len(SIDES), -1, 2)[:, :, ::-1].reshape(profile.shape)
    return exchanged * np.asarray([-1, 1], np.float16) if way == "mirrored" else exchanged


def nonempty_profiles(profile: NDArray[np.float16]) -> Indices:
    """Indices of the profiles (N BINS CHANNELS 2) that show a hand."""
    return np.flatnonzero(np.isfinite(profile[:, 0, :, 0]).any(axis=1))


def interpolation_at(
    length: Indices, clips: Indices, place: NDArray[np.floating]
) -> tuple[Indices, Indices, NDArray[np.float64]]:
    """Frames before and after places (K M) in [0, 1] of these clips (K), and the weight of the latter (K M 1 1)."""
    start, last = (np.cumsum(length) - length)[clips, None], length[clips, None] - 1
    time = np.clip(place, 0, 1) * last
    before = np.floor(time).astype(np.int64)
    return start + before, start + np.minimum(before + 1, last), (time - before)[..., None, None]


def extract_profiles(clips: Tracks) -> NDArray[np.float16]:
    """Each clip's course at BINS moments, (B BINS CHANNELS 2); gaps are filled, an absent hand is NaN."""
    hands = clips.xy.reshape(-1, len(SIDES), HAND_POINTS, 2)
    seen = clips.seen.reshape(-1, len(SIDES), HAND_POINTS)
    tips, tips_seen = hands[:, :, 1:], seen[:, :, 1:]
    count = tips_seen.sum(axis=2)
    mean = (tips * tips_seen[..., None]).sum(axis=2) / np.maximum(count, 1)[..., None]
    channels = np.stack([hands[:, :, 0], mean], axis=2).reshape(-1, CHANNELS, 2)
    channels_seen = np.stack([seen[:, :, 0], count > 0], axis=2).reshape(-1, CHANNELS)
    clip = np.repeat(np.arange(len(clips.length)), clips.length)
    filled = np.stack([_filled(channels[:, i], channels_seen[:, i], clip) for i in range(CHANNELS)], axis=1)
    out = np.full((len(clips.length), BINS, CHANNELS, 2), np.nan, np.float16)
    some = np.flatnonzero(clips.length)
    before, after, weight = interpolation_at(clips.length, some, np.linspace(0, 1, BINS))
    out[some] = filled[before] * (1 - weight) + filled[after] * weight
    return out


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
