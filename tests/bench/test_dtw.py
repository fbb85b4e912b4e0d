"""Warped distances against the textbook's loops, and what normalised joints do not know."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.recordings import packed, recording
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from twinsign.pose.layout import LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.views.config import ReadConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import dtw


def slow(one: Tensor, other: Tensor, width: int) -> float:
    frames = len(one)
    best = np.full((frames + 1, frames + 1), np.inf)
    best[0, 0] = 0
    for i in range(frames):
        for j in range(frames):
            if abs(i - j) <= width:
                step = min(best[i, j + 1], best[i + 1, j], best[i, j])
                best[i + 1, j + 1] = float((one[i] - other[j]).square().sum().sqrt()) + step
    return float(best[-1, -1])


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.tuples(st.integers(1, 10), st.integers(1, 4), st.integers(1, 9)),
    band=st.sampled_from([0.1, 0.25, 1.0]),
    seed=st.integers(0, 99),
)
def test_against_the_textbook(sizes: tuple[int, int, int], band: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    asked, stored, frames = sizes
    one = torch.randn(asked, frames, 3, generator=generator)
    other = torch.randn(stored, frames, 3, generator=generator)
    found = dtw.distances(one, other, band)
    width = max(1, round(band * frames))
    wanted = [[slow(a, b, width) for b in other] for a in one]
    assert found.numpy() == pytest.approx(np.asarray(wanted), rel=1e-4, abs=1e-4)
    assert found.shape == (asked, stored)


def test_a_clip_is_at_no_distance_from_itself_played_unevenly() -> None:
    clip = torch.linspace(0, 1, 12)[None, :, None].repeat(1, 1, 2)
    uneven = clip[:, [0, 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11]]
    other = torch.ones(1, 12, 2)
    near, far = (float(dtw.distances(clip, one, 0.5)) for one in (uneven, other))
    assert near < 0.2 < far
    assert float(dtw.distances(clip, clip)) == pytest.approx(0, abs=1e-2)


def test_hands_are_measured_from_the_wrist_in_their_own_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pack = packed(tmp_path / "p", [recording(rng, f"c{n}", 9) for n in range(3)])
    found = dtw.frames_of(pack, np.arange(3), ReadConfig(), 6)
    assert found.shape == (3, 6, 98)
    trunk = 2 * (TRUNK.stop - TRUNK.start)
    hands = found[..., trunk:].unflatten(2, (2, RIGHT_HAND.stop - RIGHT_HAND.start, 2))
    assert not hands[:, :, :, 0].any(), "wrists"
    spread = hands.square().sum(dim=(-1, -2))
    assert ((spread - 1).abs().lt(1e-4) | spread.eq(0)).all()
    assert torch.isfinite(found).all()
    assert LEFT_HAND.stop - LEFT_HAND.start == hands.shape[3]
