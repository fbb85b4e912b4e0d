"""Damage to recordings: nothing at level 0, what each level means, and what must stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.pose.corruptions import PERTURBATIONS
from twinsign.pose.layout import HANDS, INDEX, JOINT_COUNT, LEFT_HAND, MIRROR, RIGHT_HAND, TRUNK
from twinsign.pose.recording import Recording

SIZE = (640, 360)


def recording(frames: int = 400, seed: int = 0, size: tuple[int, int] | None = SIZE) -> Recording:
    random = np.random.default_rng(seed)
    xy = random.uniform(0.2, 0.8, (frames, JOINT_COUNT, 2)).astype(np.float32)
    score = (random.random((frames, JOINT_COUNT)) < 0.9) * random.uniform(0.3, 1, (frames, JOINT_COUNT))
    return Recording("clip", xy, score.astype(np.float32), size=size, fps=30.0)


def spoil(kind: str, level: float, given: Recording, seed: int = 1) -> Recording:
    return PERTURBATIONS[kind].apply(given, level, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", PERTURBATIONS)
@given(frames=st.integers(1, 6), seed=st.integers(0, 99), sized=st.booleans())
def test_level_0_changes_nothing_and_levels_leave_a_recording(kind: str, frames: int, seed: int, sized: bool) -> None:
    one = recording(frames, seed, SIZE if sized else None)
    kept_xy, kept_score = one.xy.copy(), one.score.copy()
    same = spoil(kind, 0.0, one, seed)
    assert same.xy == pytest.approx(one.xy, abs=1e-6)
    assert np.array_equal(same.score, one.score)
    for level in PERTURBATIONS[kind].levels:
        found, again = (spoil(kind, level, one, seed) for _ in range(2))
        assert 1 <= len(found.xy) <= frames
        assert (found.id, found.size) == (one.id, one.size)
        assert np.array_equal(found.xy, again.xy)
        assert np.array_equal(found.score, again.score)
    assert np.array_equal(one.xy, kept_xy)  # what was given stays as it was
    assert np.array_equal(one.score, kept_score)


def test_noise_has_its_deviation_in_pixels_both_ways() -> None:
    one = recording()
    moved = (spoil("noise", 0.01, one).xy - one.xy)[one.seen] * SIZE
    assert moved.std(axis=0) == pytest.approx([6.4, 6.4], rel=0.03)
    assert moved.mean(axis=0) == pytest.approx([0, 0], abs=0.2)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.75])
def test_shares_are_the_levels(level: float) -> None:
    one = recording()
    joints = spoil("joints", level, one)
    assert 1 - joints.seen.sum() / one.seen.sum() == pytest.approx(level, abs=0.02)
    assert np.array_equal(joints.score[joints.seen], one.score[joints.seen])
    hands = spoil("hands", level, one)
    assert np.array_equal(hands.score[:, TRUNK], one.score[:, TRUNK])
    for hand in (RIGHT_HAND, LEFT_HAND):
        lost = ~hands.seen[:, hand].any(axis=1)
        assert lost.mean() == pytest.approx(level, abs=0.08)
        assert np.array_equal(hands.score[~lost, hand], one.score[~lost, hand])
    assert len(spoil("frames", level, one).xy) == pytest.approx(400 * (1 - level), abs=35)
    swapped = (spoil("swap", level, one).score[:, INDEX["right_hand_wrist"]] != one.score[:, 0]).mean()
    assert swapped == pytest.approx(level, abs=0.08)


def test_frames_keep_their_order_and_one_stays() -> None:
    one = recording(50)
    kept = [int(np.flatnonzero((one.xy == frame).all(axis=(1, 2)))[0]) for frame in spoil("frames", 0.5, one).xy]
    assert kept == sorted(set(kept))
    assert len(spoil("frames", 1.0, one).xy) == 1


def test_a_slower_camera_takes_evenly_spaced_frames() -> None:
    one = recording(41)
    found = spoil("rate", 0.75, one)
    assert np.array_equal(found.xy, one.xy[np.linspace(0, 40, 10).round().astype(int)])
    assert found.fps == 7.5
    assert len(spoil("rate", 0.875, recording(2)).xy) == 1


def test_turning_keeps_pixel_distances_and_the_middle() -> None:
    one = recording(3)
    found = spoil("rotation", 45.0, one)
    pixels, turned = ((each.xy - 0.5) * SIZE for each in (one, found))
    seen = one.seen
    assert np.linalg.norm(turned[seen], axis=1) == pytest.approx(np.linalg.norm(pixels[seen], axis=1), rel=1e-3)
    cosine = (pixels[seen] * turned[seen]).sum(axis=1) / (pixels[seen] ** 2).sum(axis=1)
    assert cosine == pytest.approx(np.full(seen.sum(), np.sqrt(0.5)), abs=1e-3)
    others = [((spoil("rotation", 45.0, one, other).xy - 0.5) * SIZE)[seen][0] for other in range(8)]
    x, y = pixels[seen][0]
    assert {float(np.sign(x * v - y * u)) for u, v in others} == {-1.0, 1.0}  # some clips one way, some the other


def test_mirror_and_swap_are_their_own_inverse() -> None:
    one = recording(5)
    mirrored = spoil("mirror", 1.0, one)
    nose, wrist = INDEX["nose"], INDEX["left_wrist"]
    seen = one.seen[:, nose]
    assert mirrored.xy[seen, nose, 0] == pytest.approx(1 - one.xy[seen, nose, 0])
    assert np.array_equal(mirrored.score[:, wrist], one.score[:, MIRROR[wrist]])
    back = spoil("mirror", 1.0, mirrored)
    assert back.xy == pytest.approx(one.xy, abs=1e-6)
    swapped = spoil("swap", 1.0, one)
    assert np.array_equal(swapped.xy[:, RIGHT_HAND], one.xy[:, LEFT_HAND])
    assert np.array_equal(swapped.xy[:, TRUNK], one.xy[:, TRUNK])
    assert np.array_equal(spoil("swap", 1.0, swapped).xy[:, HANDS], one.xy[:, HANDS])
