"""Poses at other moments than those of their frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.recording import FloatArray

Times = NDArray[np.float64]


def interpolate(xy: FloatArray, score: FloatArray, times: Times, moments: Times) -> tuple[FloatArray, FloatArray]:
    """Joints xy (M J 2) and scores (M J) at rising `moments`, from two frames or more at rising `times` (T).

    Linear between frames in which a joint is seen. Between a seen and an unseen one nothing is interpolated: the nearer
    frame decides, as the first and last frame do outside the times.
    """
    after = np.clip(np.searchsorted(times, moments), 1, len(times) - 1)
    before = after - 1
    weight = np.clip((moments - times[before]) / (times[after] - times[before]), 0, 1).astype(np.float32)[:, None]
    seen = (score[before] > 0) & (score[after] > 0)
    share = np.where(seen, weight, (weight >= 0.5).astype(np.float32))
    between = xy[before] + share[..., None] * (xy[after] - xy[before])
    return between, score[before] + share * (score[after] - score[before])
