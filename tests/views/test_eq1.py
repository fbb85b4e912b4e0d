"""Eq. 1 against the slow loop and against motions known in advance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import paper_oracles
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsign.views.clips import motion

JOINTS = 49


@given(
    clips=st.integers(1, 3), frames=st.integers(1, 9), joints=st.integers(1, 5), seen_rate=st.sampled_from([0, 0.6, 1]),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_agrees_with_the_loop(clips: int, frames: int, joints: int, seen_rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    seen = rng.random((clips, frames, joints)) < seen_rate
    xy = rng.normal(size=(clips, frames, joints, 2)) * seen[..., None]
    found, known = motion(torch.tensor(xy), torch.tensor(seen))
    wanted, wanted_known = paper_oracles.motion(xy, seen)
    np.testing.assert_array_equal(known.numpy(), wanted_known)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-15)


@pytest.mark.parametrize("frames", [2, 64, 400])
def test_a_steady_movement_has_constant_motion_and_rests_at_the_end(frames: int) -> None:
    velocity = torch.tensor([0.25, -0.5])
    xy = (torch.arange(frames)[:, None, None] * velocity).expand(2, frames, JOINTS, 2)
    found, known = motion(xy, torch.ones(2, frames, JOINTS, dtype=torch.bool))
    assert known.all()
    assert (found[:, :-1] == velocity).all()
    assert not found[:, -1].any()


def test_one_frame_has_no_motion() -> None:
    seen = torch.arange(JOINTS)[None, None] % 2 == 0
    found, known = motion(torch.ones(1, 1, JOINTS, 2), seen)
    assert not found.any()
    assert torch.equal(known, seen)


@pytest.mark.parametrize("stored", [0.0, 1e6], ids=["zero", "garbage"])
def test_a_missing_joint_gives_no_jump(stored: float) -> None:
    seen = torch.tensor([True, True, False, True, True, False])[None, :, None]
    xy = torch.full((1, 6, 1, 2), 5.0)
    xy[~seen] = stored
    found, known = motion(xy, seen)
    assert known[0, :, 0].tolist() == [True, False, False, True, False, False]
    assert not found.any()


def test_translation_leaves_motion_and_arguments_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    xy = torch.rand(2, 10, JOINTS, 2, generator=generator, dtype=torch.float64)
    seen = torch.rand(2, 10, JOINTS, generator=generator) < 0.7
    copies = xy.clone(), seen.clone()
    here, known = motion(xy, seen)
    there, known_there = motion(xy + torch.tensor([3.0, -4.0]), seen)
    torch.testing.assert_close(here, there)
    assert torch.equal(known, known_there)
    assert torch.equal(xy, copies[0])
    assert torch.equal(seen, copies[1])
