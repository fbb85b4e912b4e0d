"""Clips of equal length as one dense batch: what the ragged reading finds, with what does not count at the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.recordings import SIZES, recording
from hypothesis import given
from hypothesis import strategies as st

from twinsign.nn.features import fixed_views
from twinsign.views.batches import collate_equal_length, collate_recordings
from twinsign.views.config import CropConfig, ReadConfig, WindowConfig

CONFIGS = {
    "trim": ReadConfig(),
    "drop": ReadConfig(idle="drop"),
    "keep": ReadConfig(idle="keep", crop=CropConfig(min_score=0.4)),
    "few": ReadConfig(longest=3),
    "released": ReadConfig(idle="drop", longest=4),
}


@given(
    seed=st.integers(0, 2**32 - 1),
    clips=st.integers(1, 4),
    frames=st.integers(1, 12),
    name=st.sampled_from(sorted(CONFIGS)),
    sizes=st.lists(st.sampled_from(SIZES), min_size=4, max_size=4),
)
def test_agrees_with_the_ragged_reading(
    seed: int, clips: int, frames: int, name: str, sizes: list[tuple[int, int]]
) -> None:
    rng = np.random.default_rng(seed)
    made = [recording(rng, str(i), frames, scored=True, size=sizes[i]) for i in range(clips)]
    wanted = collate_recordings(made, CONFIGS[name])
    found = collate_equal_length(
        torch.from_numpy(np.stack([one.xy for one in made])),
        torch.from_numpy(np.stack([one.score for one in made])),
        torch.tensor(sizes[:clips], dtype=torch.float32),
        CONFIGS[name],
    )
    count = int(wanted.length.sum())
    assert torch.equal(found.start, wanted.start)
    assert torch.equal(found.length, wanted.length)
    assert torch.equal(found.xy[:count], wanted.xy)
    assert torch.equal(found.seen[:count], wanted.seen)
    assert len(found.xy) == clips * frames
    viewer = fixed_views(WindowConfig(0.7, 2), 5)
    for one, two in zip(viewer(found), viewer(wanted), strict=True):
        assert torch.equal(one.xy, two.xy)
        assert torch.equal(one.seen, two.seen)


@pytest.mark.parametrize("name", ["trim", "drop", "released"])
def test_frames_that_show_nothing_may_follow(name: str) -> None:
    rng = np.random.default_rng(0)
    made = [recording(rng, str(i), frames) for i, frames in enumerate((9, 12, 30))]
    wanted = collate_recordings(made, CONFIGS[name])
    xy, score = np.zeros((3, 30, 49, 2), np.float32), np.zeros((3, 30, 49), np.float32)
    for row, one in enumerate(made):
        xy[row, : len(one.xy)], score[row, : len(one.xy)] = one.xy, one.score
    found = collate_equal_length(torch.from_numpy(xy), torch.from_numpy(score), torch.ones(3, 2), CONFIGS[name])
    assert torch.equal(found.length, wanted.length)
    assert torch.equal(found.xy[: len(wanted.xy)], wanted.xy)
