"""Tracks and profiles: trimmed to frames with hands, gaps filled within a clip alone, turned and turned back."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.recordings import random_pose
from hypothesis import given
from hypothesis import strategies as st

from twinsign.doctor.candidates import describe, find_candidates
from twinsign.doctor.tracks import (
    BINS,
    POINTS,
    WAYS,
    Tracks,
    extract_profiles,
    extract_tracks,
    nonempty_profiles,
    turn_profiles,
    turn_tracks,
)


def random_tracks(seed: int, lengths: list[int]) -> tuple[Tracks, list[tuple[np.ndarray, np.ndarray]]]:
    rng = np.random.default_rng(seed)
    poses = [random_pose(rng, frames, scored=False) for frames in lengths]
    xy, seen = (np.concatenate(values) for values in zip(*poses, strict=True))
    return extract_tracks(xy, seen > 0, np.asarray(lengths)), [(one, score > 0) for one, score in poses]


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_profiles_one_clip_and_channel_at_a_time(seed: int, lengths: list[int]) -> None:
    found, poses = random_tracks(seed, lengths)
    made = extract_profiles(found)
    for (xy, seen), length, profile in zip(poses, found.length, made, strict=True):
        points, there = xy[:, POINTS], seen[:, POINTS]
        active = np.flatnonzero(there.any(axis=1))
        assert length == (active[-1] - active[0] + 1 if len(active) else 0)
        if not len(active):
            assert np.isnan(profile).all()
            continue
        span = slice(active[0], active[-1] + 1)
        points, there = points[span], there[span]
        for side in (0, 1):
            hand, known = points[:, 6 * side : 6 * side + 6], there[:, 6 * side : 6 * side + 6]
            tips = [np.mean(hand[f, 1:][known[f, 1:]], axis=0) if known[f, 1:].any() else None for f in range(length)]
            wrists = [hand[f, 0] if known[f, 0] else None for f in range(length)]
            for channel, values in ((2 * side, wrists), (2 * side + 1, tips)):
                frames = [f for f, value in enumerate(values) if value is not None]
                if not frames:
                    assert np.isnan(profile[:, channel]).all()
                    continue
                whole = [np.interp(np.arange(length), frames, [values[f][axis] for f in frames]) for axis in (0, 1)]
                at = np.linspace(0, 1, BINS) * (length - 1)
                for axis in (0, 1):
                    wanted = np.interp(at, np.arange(length), whole[axis])
                    np.testing.assert_allclose(profile[:, channel, axis], wanted, atol=2e-3)


@given(st.integers(0, 2**32 - 1))
def test_turning_twice_is_nothing(seed: int) -> None:
    found, _ = random_tracks(seed, [4, 5])
    profile = extract_profiles(found)
    for way in WAYS:
        twice = turn_tracks(turn_tracks(found, way), way)
        np.testing.assert_allclose(twice.xy, found.xy, atol=1e-6)
        np.testing.assert_array_equal(twice.seen, found.seen)
        np.testing.assert_array_equal(turn_profiles(turn_profiles(profile, way), way), profile)


@pytest.mark.parametrize("way", WAYS)
def test_profiles_turn_as_tracks_do(way: str) -> None:
    found, _ = random_tracks(0, [8, 9, 7])
    np.testing.assert_allclose(
        describe(turn_profiles(extract_profiles(found), way)),
        describe(extract_profiles(turn_tracks(found, way))),
        atol=0.01,
    )


def test_cells_find_what_comparing_all_pairs_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    course = np.cumsum(rng.normal(0, 0.02, (600, BINS, 4, 2)), axis=1)
    profile = np.concatenate([course, course[:60] + rng.normal(0, 0.005, (60, BINS, 4, 2))]).astype(np.float16)
    profile[70] = np.nan
    assert 70 not in nonempty_profiles(profile)

    def pairs() -> set[frozenset[int]]:
        return {frozenset(pair) for pair in find_candidates(profile).rows.tolist()}

    everything = pairs()
    monkeypatch.setattr("twinsign.doctor.candidates.CELL", 20)
    in_cells = pairs()
    planted = {frozenset((number, 600 + number)) for number in range(60)}
    assert planted <= everything
    assert len(planted & in_cells) >= 59
    assert in_cells <= everything
