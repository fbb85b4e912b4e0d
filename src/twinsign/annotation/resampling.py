"""Poses at other moments than those of their frames, by linear interpolation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.recording import FloatArray, Recording

Times = NDArray[np.float64]
USUAL_FPS = 25.0
"""Frames a second where a recording does not state them."""


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
    return np.arange(len(recording.xy)) / (recording.fps or USUAL_FPS)


def resample(poses: Poses, times: Times, moments: Times) -> Poses:
    """Poses at rising `moments` from those at rising `times` (T), both in seconds.

    Between a seen and an unseen joint nothing is interpolated: the nearer frame decides.
    """
    if len(times) == 1:
        return Poses(np.repeat(poses.xy, len(moments), axis=0), np.repeat(poses.score, len(moments), axis=0))
    after = np.clip(np.searchsorted(times, moments), 1, len(times) - 1)
    before = after - 1
    weight = np.clip((moments - times[before]) / (times[after] - times[before]), 0, 1).astype(np.float32)[:, None]
    seen = (poses.score[before] > 0) & (poses.score[after] > 0)
    share = np.where(seen, weight, (weight >= 0.5).astype(np.float32))
    xy = poses.xy[before] + share[..., None] * (poses.xy[after] - poses.xy[before])
    score = poses.score[before] + share * (poses.score[after] - poses.score[before])
    return Poses(xy.astype(np.float32), score.astype(np.float32))


def steps(duration: float, rate: float) -> Times:
    """Moments `1 / rate` apart from 0 to below `duration`, one at least."""
    return np.arange(max(1, round(duration * rate))) / rate
