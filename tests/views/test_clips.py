"""Temporal crop and resampling against a loop over clips, frames and joints in Python floats."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from twinsign.views.clips import Clips, View, resample, window

JOINTS = 3
lengths = st.lists(st.integers(1, 12), min_size=1, max_size=4)
seeds = st.integers(0, 2**32 - 1)


def make(length: list[int], seed: int, seen_rate: float, dtype: torch.dtype = torch.float64) -> Clips:
    generator = torch.Generator().manual_seed(seed)
    seen = torch.rand(sum(length), JOINTS, generator=generator) < seen_rate
    xy = torch.rand(sum(length), JOINTS, 2, generator=generator, dtype=torch.float64) * seen[..., None]
    count = torch.tensor(length)
    return Clips(xy.to(dtype), seen, count.cumsum(0) - count, count, torch.arange(len(length)), -count)


def draws(clips: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed + 1)
    ratio, place = torch.rand(2, clips, generator=generator, dtype=torch.float64)
    return ratio, place


def slow_resample(clips: Clips, begin: list[float], span: list[float], frames: int) -> tuple[Tensor, Tensor]:
    """Each joint at each step: between two seen frames linear, else the nearer frame's word."""
    xy = torch.zeros(len(clips), frames, JOINTS, 2, dtype=torch.float64)
    seen = torch.zeros(len(clips), frames, JOINTS, dtype=torch.bool)
    for clip in range(len(clips)):
        first, count = int(clips.start[clip]), int(clips.length[clip])
        for step in range(frames):
            along = step / (frames - 1) if frames > 1 else 0.5
            position = begin[clip] + span[clip] * along
            low = min(math.floor(position), count - 1)
            high, weight = min(low + 1, count - 1), position - low
            for joint in range(JOINTS):
                if clips.seen[first + low, joint] and clips.seen[first + high, joint]:
                    mixed = (1 - weight) * clips.xy[first + low, joint] + weight * clips.xy[first + high, joint]
                    xy[clip, step, joint], seen[clip, step, joint] = mixed, True
                    continue
                nearest = first + (low if weight < 0.5 else high)
                if clips.seen[nearest, joint]:
                    xy[clip, step, joint], seen[clip, step, joint] = clips.xy[nearest, joint], True
    return xy, seen


@given(lengths, seeds, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([1, 2, 5, 13]))
def test_agrees_with_the_loop(length: list[int], seed: int, seen_rate: float, frames: int) -> None:
    clips = make(length, seed, seen_rate)
    begin, span = window(clips, *draws(len(clips), seed))
    found = resample(clips, begin, span, frames)
    xy, seen = slow_resample(clips, begin.tolist(), span.tolist(), frames)
    assert torch.equal(found.seen, seen)
    torch.testing.assert_close(found.xy, xy, rtol=0, atol=1e-12)
    assert not found.xy[~found.seen].any()


@given(lengths, seeds, st.integers(1, 9))
def test_a_batch_is_its_clips_one_by_one(length: list[int], seed: int, frames: int) -> None:
    clips = make(length, seed, 0.6, torch.float32)
    begin, span = (value.float() for value in window(clips, *draws(len(clips), seed)))
    whole = resample(clips, begin, span, frames)
    for number, count in enumerate(length):
        inside = slice(int(clips.start[number]), int(clips.start[number]) + count)
        zero, one = torch.tensor([0]), slice(number, number + 1)
        alone = Clips(clips.xy[inside], clips.seen[inside], zero, clips.length[one], zero, zero)
        found = resample(alone, begin[one], span[one], frames)
        assert torch.equal(found.xy, whole.xy[one])
        assert torch.equal(found.seen, whole.seen[one])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("frames", [1, 2, 64, 400])
def test_a_whole_clip_at_its_own_length_is_itself(frames: int, dtype: torch.dtype) -> None:
    clips = make([frames, frames], 0, 0.6, dtype)
    found = resample(clips, *window(clips, torch.ones(2), torch.zeros(2)), frames)
    assert found.xy.dtype == dtype
    assert torch.equal(found.seen, clips.seen.view(2, frames, JOINTS))
    torch.testing.assert_close(found.xy, clips.xy.view(2, frames, JOINTS, 2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 7, 64])
def test_a_clip_of_one_frame_is_repeated(frames: int) -> None:
    clips = make([1], 0, 0.6)
    found = resample(clips, *window(clips, torch.tensor([0.95]), torch.tensor([0.5])), frames)
    torch.testing.assert_close(found.xy, clips.xy.expand(1, frames, -1, -1))
    assert torch.equal(found.seen, clips.seen.expand(1, frames, -1))


@pytest.mark.parametrize("frames", [3, 64, 400])
def test_steady_movement_stays_steady(frames: int) -> None:
    count, speed = 64, torch.tensor([0.25, -0.5], dtype=torch.float64)
    clips = make([count], 0, 1.0)
    clips.xy.copy_(torch.arange(count)[:, None, None] * speed)
    found = resample(clips, torch.tensor([10.0]), torch.tensor([40.0]), frames)
    wanted = (10 + 40 * torch.arange(frames, dtype=torch.float64) / (frames - 1))[:, None, None] * speed
    torch.testing.assert_close(found.xy, wanted.expand(1, frames, JOINTS, 2), rtol=0, atol=1e-9)


def test_nothing_is_interpolated_across_a_gap() -> None:
    clips = make([11], 0, 0.0)
    clips.seen[[0, 1, 5, 10]] = True
    clips.xy[[0, 1, 5, 10]] = torch.tensor([0.0, 1.0, 5.0, 10.0], dtype=torch.float64)[:, None, None]
    found = resample(clips, torch.tensor([0.0]), torch.tensor([10.0]), 101)
    position = torch.arange(101) / 10
    x, seen = found.xy[0, :, 0, 0], found.seen[0, :, 0]
    for step, where in enumerate(position.tolist()):
        if where <= 1:
            assert seen[step]
            assert x[step] == pytest.approx(where)
        elif min(abs(where - frame) for frame in (1, 5, 10)) < 0.49:
            assert seen[step]
            assert x[step] in (1.0, 5.0, 10.0)
        elif min(abs(where - frame) for frame in (1, 5, 10)) > 0.51:
            assert not seen[step]


def test_garbage_in_unseen_joints_stays_out() -> None:
    clips = make([9, 5], 3, 0.5, torch.float32)
    wild = make([9, 5], 3, 0.5, torch.float32)
    wild.xy[~wild.seen] = 1e30
    middle = torch.full((2,), 0.95), torch.full((2,), 0.5)
    one, two = (resample(each, *window(each, *middle), 16) for each in (clips, wild))
    assert torch.equal(one.xy, two.xy)


@given(lengths, seeds)
def test_windows_lie_inside_their_clips(length: list[int], seed: int) -> None:
    clips = make(length, 0, 1.0)
    ratio, place = draws(len(clips), seed)
    begin, span = window(clips, ratio, place)
    for number, count in enumerate(length):
        kept = (count - 1) * float(ratio[number])
        assert float(span[number]) == pytest.approx(kept)
        assert float(begin[number]) == pytest.approx((count - 1 - kept) * float(place[number]))
        assert begin[number] >= 0
        assert begin[number] + span[number] <= count - 1 + 1e-9


def test_arguments_are_left_alone_and_clips_move_whole() -> None:
    clips = make([4, 6], 0, 0.5, torch.float32)
    copies = {name: value.clone() for name, value in vars(clips).items()}
    begin, span = window(clips, torch.full((2,), 0.95), torch.full((2,), 0.5))
    resample(clips, begin, span, 8)
    moved = clips.to("meta")
    assert len(clips) == 2
    for name, value in vars(clips).items():
        assert torch.equal(value, copies[name])
        assert vars(moved)[name].is_meta
    assert isinstance(resample(clips, begin, span, 8), View)
