"""Poses of recordings as arrays in one unit, at other moments and rates."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.recording import FloatArray, Recording
from twinsign.pose.resampling import Times, interpolate
from twinsign.pose.trim import FPS
from twinsign.streaming.stream import MAX_UNEVENNESS


class Poses(NamedTuple):
    """Joints in one unit of equal length both ways xy (T 49 2), their scores (T 49), 0 = unseen."""

    xy: FloatArray
    score: FloatArray


def poses_of(recording: Recording) -> Poses:
    """A recording's joints in multiples of its picture's longer side."""
    fractions = recording.fractions()
    size: NDArray[Any] = np.asarray(recording.size or (1, 1), np.float32)
    return Poses(fractions.xy * (size / size.max()), fractions.score)


def frame_times(recording: Recording) -> Times:
    """When each frame was shown, in seconds from the first one's begin."""
    return np.arange(len(recording.xy)) / (recording.fps or FPS)


def resample(poses: Poses, times: Times, moments: Times) -> Poses:
    """Poses at rising `moments` from those at rising `times` (T), both in seconds (pose/resampling.py)."""
    if len(times) == 1:
        return Poses(np.repeat(poses.xy, len(moments), axis=0), np.repeat(poses.score, len(moments), axis=0))
    xy, score = interpolate(*poses, times, moments)
    return Poses(xy.astype(np.float32), score.astype(np.float32))


def at_even_rate(poses: Poses, times: Times, fps: float) -> tuple[Poses, float]:
    """Poses at the median rate of their frames' `times` (T), evenly spaced, and that rate; of one frame `fps`."""
    gaps = np.diff(times)
    gap = float(np.median(gaps)) if len(gaps) else 1 / fps
    if len(gaps) and np.abs(gaps - gap).max() > MAX_UNEVENNESS * gap:
        poses = resample(poses, times, np.arange(times[0], times[-1] + gap / 2, gap))
    return poses, 1 / gap


def steps(duration: float, rate: float) -> Times:
    """Moments `1 / rate` apart from 0 to below `duration`, one at least."""
    return np.arange(max(1, round(duration * rate))) / rate
