"""Poses between frames, against a slow loop over joints."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinsign.pose.resampling import interpolate


@given(st.integers(2, 6), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_agrees_with_a_loop(frames: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    times = np.cumsum(random.uniform(0.01, 0.1, frames))
    moments = np.sort(random.uniform(times[0] - 0.05, times[-1] + 0.05, count))
    score = np.where(random.random((frames, 3)) < 0.3, 0, random.uniform(0.1, 1, (frames, 3))).astype(np.float32)
    xy = np.where(score[..., None] > 0, random.random((frames, 3, 2)), 0).astype(np.float32)
    between, scores = interpolate(xy, score, times, moments)
    for number, moment in enumerate(moments):
        after = next((place for place in range(1, frames) if times[place] >= moment), frames - 1)
        share = min(max((moment - times[after - 1]) / (times[after] - times[after - 1]), 0.0), 1.0)
        for joint in range(3):
            pair = score[after - 1, joint], score[after, joint]
            weight = share if min(pair) > 0 else float(np.float32(share) >= 0.5)
            assert np.allclose(scores[number, joint], pair[0] + weight * (pair[1] - pair[0]), atol=1e-5)
            wanted = xy[after - 1, joint] + weight * (xy[after, joint] - xy[after - 1, joint])
            assert np.allclose(between[number, joint], wanted, atol=1e-5)
