"""What is measured of clips, against planted faults and one frame at a time."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.moving_clips import exchanged, moving
from helpers.recordings import random_pose
from hypothesis import given
from hypothesis import strategies as st

from twinsign.doctor.measure import APART, JUMP, Measures, measure
from twinsign.pose.layout import HAND_WRIST, INDEX, LEFT_HAND, RIGHT_HAND, TRUNK


def of(xy: np.ndarray, seen: np.ndarray) -> Measures:
    """Of one clip."""
    return measure(xy.astype(np.float32), seen, np.asarray([len(xy)]))


def test_a_sound_clip() -> None:
    found = of(*moving(0))
    assert (found.right[0], found.left[0], found.trunk[0]) == (50, 50, 50)
    assert (found.frozen[0], found.jumps[0], found.exchanges[0]) == (0, 0, 0)
    assert (found.crossed[0], found.turned[0]) == (0, 0)
    assert 0.3 < found.handed[0] < 0.7
    assert 0.1 < found.hand[0] < 0.3
    assert found.hand_to_body[0] == pytest.approx(found.hand[0] / 0.2, rel=0.1)


@pytest.mark.parametrize("part", [RIGHT_HAND, LEFT_HAND, TRUNK])
def test_a_part_that_stands_still(part: slice) -> None:
    xy, seen = moving(0)
    xy[10:17, part] = xy[10, part]
    assert of(xy, seen).frozen[0] == 7
    gone = seen.copy()
    gone[13, part] = False
    assert of(xy, gone).frozen[0] == 3
    gone[10:17, part] = False
    assert of(xy, gone).frozen[0] == 0


def test_a_wrist_that_jumps_away_and_back() -> None:
    xy, seen = moving(0)
    xy[20:22, HAND_WRIST["left"]] += JUMP + 0.2
    assert of(xy, seen).jumps[0] == 2
    seen[20:22, HAND_WRIST["left"]] = False
    assert of(xy, seen).jumps[0] == 0


def test_hands_that_change_places() -> None:
    xy, seen = moving(0)
    other, _ = exchanged(xy, seen)
    hands = slice(RIGHT_HAND.start, LEFT_HAND.stop)
    xy[20:30, hands] = other[20:30, hands]
    found = of(xy, seen)
    assert found.exchanges[0] == 2
    assert 0.1 < found.crossed[0] < 0.3  # of the frames whose wrists are apart


def test_names_exchanged_throughout() -> None:
    found = of(*exchanged(*moving(0)))
    assert (found.crossed[0], found.turned[0], found.exchanges[0]) == (0, 1, 0)


def test_far_joints_and_large_hands() -> None:
    xy, seen = moving(0)
    xy[3, INDEX["left_elbow"]] = (0.5, 4.5)
    xy[4, RIGHT_HAND.start + 4] = (-0.7, 0.5)
    found = of(xy, seen)
    assert (found.far[0], found.outside[0]) == (pytest.approx(3.5), pytest.approx(0.7))
    xy[:, RIGHT_HAND] = 0.5 + 10 * (xy[:, RIGHT_HAND] - 0.5)
    assert of(xy, seen).hand[0] > 1


def test_what_is_not_seen_is_not_known() -> None:
    xy, seen = moving(0)
    found = of(xy, ~seen)
    for name in ("crossed", "turned", "handed", "hand", "hand_to_body"):
        assert np.isnan(getattr(found, name)[0])
    assert found.far[0] == 0


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_clips_do_not_mix(seed: int, lengths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    poses = [random_pose(rng, frames, scored=False) for frames in lengths]
    together = measure(
        np.concatenate([xy for xy, _ in poses]).astype(np.float32),
        np.concatenate([score > 0 for _, score in poses]),
        np.asarray(lengths),
    )
    alone = [of(xy, score > 0) for xy, score in poses]
    for name, values in together._asdict().items():
        np.testing.assert_array_equal(values, [getattr(one, name)[0] for one in alone], err_msg=name)


@given(st.integers(0, 2**32 - 1))
def test_one_frame_at_a_time(seed: int) -> None:
    xy, score = random_pose(np.random.default_rng(seed), 6, scored=False)
    seen = score > 0
    right, left = HAND_WRIST.values()
    jumps = exchanges = 0
    for before, after in zip(range(5), range(1, 6), strict=True):
        steps = [np.hypot(*(xy[after, a] - xy[before, a])) for a in (right, left) if seen[before, a] and seen[after, a]]
        jumps += any(step > JUMP for step in steps)
        if len(steps) == 2:
            across = np.hypot(*(xy[after, left] - xy[before, right])) + np.hypot(*(xy[after, right] - xy[before, left]))
            apart = np.hypot(*(xy[before, left] - xy[before, right]))
            exchanges += bool(apart > APART and across < 0.5 * sum(steps))
    found = of(xy, seen)
    assert (found.jumps[0], found.exchanges[0]) == (jumps, exchanges)
    sizes = [
        max(np.ptp(xy[f, part][seen[f, part]], axis=0).max() for part in (RIGHT_HAND, LEFT_HAND) if seen[f, part].any())
        for f in range(6)
        if seen[f, : LEFT_HAND.stop].any()
    ]
    if sizes:
        assert found.hand[0] == pytest.approx(sorted(sizes)[(len(sizes) - 1) // 2], abs=1e-6)
