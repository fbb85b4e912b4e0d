"""Crops against a slow per-frame version, against boxes worked out by hand, and under mirroring."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.recordings import GRID, SIZES, Floats, TieError, mirrored, random_pose, slow_crop
from hypothesis import assume, given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.layout import (
    HAND_WRIST,
    HANDS,
    INDEX,
    JOINT_COUNT,
    JOINTS,
    LEFT_HAND,
    RIGHT_HAND,
    SHOULDER_ELBOW_WRIST,
    TRUNK,
    TRUNK_JOINTS,
)
from twinsign.pose.read import open_landmarks
from twinsign.views.augment import mirror
from twinsign.views.clips import View
from twinsign.views.config import CropConfig
from twinsign.views.crop import SIDES, Cropped, crop, hand_boxes

CONFIGS = {
    "wlasl": CropConfig(),
    "slr500": CropConfig(min_score=0.4, arm_score=0.5),
    "no score too low": CropConfig(min_score=0.0, box_score=0.0, arm_score=0.0),
    "tight": CropConfig(box_margin=1.0),
    "wide": CropConfig(box_margin=4.5, box_joints=3),
    "arms alone": CropConfig(box_joints=22, arm_score=0.5),
    "arm": CropConfig(box_joints=15, arm_reach=0.6, arm_side=2.0, upper_arm=1.5),
    "anywhere": CropConfig(keep_inside=False),
    "wrist apart": CropConfig(wrist_from_hand=False),
    "hand's wrist first": CropConfig(hand_wrist_first=True),
    "guesses outside": CropConfig(outside=None),
    "inside alone": CropConfig(outside=0.0),
    "no trunk": CropConfig(ignore=TRUNK_JOINTS),
    "no left hand": CropConfig(ignore=JOINTS[LEFT_HAND], arm_score=0.0),
    "fractions": CropConfig(shape="fractions"),
}
FIRST = {"right": RIGHT_HAND.start, "left": LEFT_HAND.start}
poses = given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 6),
    scored=st.booleans(),
    size=st.sampled_from(SIZES),
    name=st.sampled_from(sorted(CONFIGS)),
)


def sizes(size: tuple[int, int], frames: int) -> Floats:
    return np.tile(np.float32(size), (frames, 1))


def cropped(xy: Floats, score: Floats, size: Floats, config: CropConfig) -> Cropped:
    """The package's crop, its tensors as arrays."""
    found = crop(*(torch.from_numpy(one) for one in (xy, score, size)), config)
    return Cropped(*(one.numpy() for one in found))


def boxes_of(side: str, pixels: Floats, score: Floats, size: Floats, config: CropConfig) -> list[Floats]:
    """One hand's corners (F 2), sides (F), and which frames have a box (F)."""
    found = hand_boxes(*(torch.from_numpy(np.float32(one)) for one in (pixels, score, size)), config)
    return [one[:, SIDES.index(side)].numpy() for one in found]


def as_view(found: Cropped) -> View:
    return View(torch.from_numpy(found.xy)[None], torch.from_numpy(found.seen)[None])


@poses
def test_agrees_with_the_loop(seed: int, frames: int, scored: bool, size: tuple[int, int], name: str) -> None:
    xy, score = random_pose(np.random.default_rng(seed), frames, scored)
    given_xy, given_score = xy.copy(), score.copy()
    found = cropped(xy, score, sizes(size, frames), CONFIGS[name])
    assert (found.xy.dtype, found.seen.dtype) == (np.float32, bool)
    for frame in range(frames):
        try:
            wanted, seen, boxes = slow_crop(xy[frame], score[frame], size, CONFIGS[name])
        except TieError:
            continue
        np.testing.assert_array_equal(found.seen[frame], seen)
        np.testing.assert_array_equal(found.has_box[frame], boxes)
        np.testing.assert_allclose(found.xy[frame], wanted, rtol=2e-5, atol=2e-4)
    np.testing.assert_array_equal(xy, given_xy)
    np.testing.assert_array_equal(score, given_score)


@poses
def test_unseen_joints_stay_unseen_and_zero(
    seed: int, frames: int, scored: bool, size: tuple[int, int], name: str
) -> None:
    xy, score = random_pose(np.random.default_rng(seed), frames, scored)
    found = cropped(xy, score, sizes(size, frames), CONFIGS[name])
    assert not found.xy[~found.seen].any()
    lent = [arm[2] for arm in SHOULDER_ELBOW_WRIST.values()] if CONFIGS[name].wrist_from_hand else []
    own = [joint for joint in range(JOINT_COUNT) if joint not in lent]
    assert not (found.seen & (score == 0))[:, own].any()
    for number, part in enumerate((RIGHT_HAND, LEFT_HAND)):
        assert not found.seen[~found.has_box[:, number], part].any()


@poses
def test_garbage_in_unseen_joints_changes_nothing(
    seed: int, frames: int, scored: bool, size: tuple[int, int], name: str
) -> None:
    rng = np.random.default_rng(seed)
    xy, score = random_pose(rng, frames, scored)
    other = np.where((score > 0)[..., None], xy, rng.normal(size=xy.shape) * 100).astype(np.float32)
    one, two = (cropped(each, score, sizes(size, frames), CONFIGS[name]) for each in (xy, other))
    for mine, yours in zip(one, two, strict=True):
        np.testing.assert_array_equal(mine, yours)


@poses
def test_cropping_the_mirrored_is_mirroring_the_cropped(
    seed: int, frames: int, scored: bool, size: tuple[int, int], name: str
) -> None:
    assume(name != "no left hand")
    xy, score = random_pose(np.random.default_rng(seed), frames, scored)
    one = as_view(cropped(*mirrored(xy, score), sizes(size, frames), CONFIGS[name]))
    two = mirror(as_view(cropped(xy, score, sizes(size, frames), CONFIGS[name])))
    assert torch.equal(one.seen, two.seen)
    torch.testing.assert_close(one.xy, two.xy, rtol=2e-5, atol=2e-4)


def test_random_poses_hold_every_kind_of_hand() -> None:
    """The properties above are worth what these poses are: whole, arm-boxed and boxless hands, lent wrists."""
    xy, score = random_pose(np.random.default_rng(0), 400, scored=True)
    found = cropped(xy, score, sizes(SIZES[0], 400), CropConfig())
    whole = (score[:, RIGHT_HAND] > 0.1).sum(axis=1) >= 10
    wrist = SHOULDER_ELBOW_WRIST["right"][2]
    lent = found.seen[:, wrist] & (score[:, wrist] < 0.5)
    counts = [whole.sum(), (~whole & found.has_box[:, 0]).sum(), (~found.has_box[:, 0]).sum(), lent.sum()]
    assert min(counts) > 20
    assert found.seen[~whole & found.has_box[:, 0]][:, RIGHT_HAND].any()


def test_clips_of_several_sizes_end_to_end() -> None:
    rng = np.random.default_rng(1)
    parts = [random_pose(rng, frames, scored=True) for frames in (3, 1, 4)]
    each = [cropped(*part, sizes(size, len(part[0])), CropConfig()) for part, size in zip(parts, SIZES, strict=True)]
    joined = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    size = np.concatenate([sizes(size, len(part[0])) for part, size in zip(parts, SIZES, strict=True)])
    whole = cropped(joined[0], joined[1], size, CropConfig())
    for name, found in whole._asdict().items():
        np.testing.assert_array_equal(found, np.concatenate([getattr(one, name) for one in each]))


def hand(side: str, score: float = 1.0) -> tuple[Floats, Floats]:
    """One frame whose hand is 40 pixels wide and 20 high around (400, 300) of a 1000 x 1000 image."""
    xy, scores = np.zeros((1, JOINT_COUNT, 2), np.float32), np.zeros((1, JOINT_COUNT), np.float32)
    part = slice(FIRST[side], FIRST[side] + 21)
    xy[:, part] = (0.4, 0.3)
    xy[0, part.start + 1], xy[0, part.start + 2] = (0.38, 0.29), (0.42, 0.31)
    scores[:, part] = score
    return xy, scores


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_box_worked_out_by_hand(side: str) -> None:
    xy, score = hand(side)
    corner, extent, has_box = boxes_of(side, xy * 1000, score, sizes((1000, 1000), 1), CropConfig())
    assert (corner[0].tolist(), float(extent[0]), bool(has_box[0])) == ([356.0, 256.0], 88.0, True)
    found = cropped(xy, score, sizes((1000, 1000), 1), CropConfig())
    across = (380 - 356) / 88
    wanted = (across if side == "right" else 1 - across, (290 - 256) / 88)
    np.testing.assert_allclose(found.xy[0, FIRST[side] + 1], wanted, rtol=1e-5)
    np.testing.assert_allclose(found.xy[0, FIRST[side]], (0.5, 0.5), rtol=1e-5)


def test_sides_are_whole_pixels_where_the_size_is_known() -> None:
    xy, score = hand("right")
    for size, wanted in (((1000, 1000), 88.0), ((1010, 1010), 89.0), ((1, 1), 0.088)):
        _, extent, _ = boxes_of("right", xy * np.float32(size), score, sizes(size, 1), CropConfig())
        np.testing.assert_allclose(extent, [wanted], rtol=1e-5)


@pytest.mark.parametrize(("shift", "corner"), [((-0.39, 0), (0, 256)), ((0, 0.69), (356, 912)), ((0.7, -2), (912, 0))])
def test_boxes_are_shifted_inside(shift: tuple[float, float], corner: tuple[int, int]) -> None:
    xy, score = hand("right")
    pixels = (xy + np.float32(shift)) * 1000
    found, extent, _ = boxes_of("right", pixels, score, sizes((1000, 1000), 1), CropConfig())
    np.testing.assert_allclose(found[0], corner, atol=1e-3)
    assert extent[0] == 88
    free, _, _ = boxes_of("right", pixels, score, sizes((1000, 1000), 1), CropConfig(keep_inside=False))
    np.testing.assert_allclose(free[0], np.array([356, 256]) + np.array(shift) * 1000, atol=1e-2)


def test_a_box_larger_than_the_image_is_centred_on_it() -> None:
    xy, score = hand("right")
    wide = np.where(xy > 0, (xy - np.float32([0.4, 0.3])) * 15 + np.float32([0.5, 0.3]), 0).astype(np.float32)
    found, extent, _ = boxes_of("right", wide * 1000, score, sizes((1000, 2000), 1), CropConfig())
    assert extent[0] == 1320
    np.testing.assert_allclose(found[0], [-160, 0], atol=1e-2)


def test_joints_at_each_threshold() -> None:
    xy, score = hand("right", 0.6)
    score[0, RIGHT_HAND.start + 5 : RIGHT_HAND.stop] = 0
    score[0, RIGHT_HAND.start + 3 : RIGHT_HAND.start + 12] = 0.3
    score[0, 3] = 0.5
    found = cropped(xy, score, sizes((1000, 1000), 1), CropConfig())
    assert found.has_box[0].tolist() == [True, False]
    assert np.flatnonzero(found.seen[0, HANDS]).tolist() == [0, 1, 2, 3]
    for config in (CropConfig(box_score=0.3), CropConfig(box_joints=13)):
        assert not cropped(xy, score, sizes((1000, 1000), 1), config).has_box.any()
    assert cropped(xy, score, sizes((1000, 1000), 1), CropConfig(box_joints=12)).has_box[0, 0]


def arm(side: str, upper: float) -> tuple[Floats, Floats]:
    """A forearm of 100 pixels to the right, an upper arm of `upper` pixels upwards, and three joints of the hand."""
    xy, score = hand(side)
    shoulder, elbow, wrist = SHOULDER_ELBOW_WRIST[side]
    xy[0, elbow], xy[0, wrist], xy[0, shoulder] = (0.5, 0.5), (0.6, 0.5), (0.5, 0.5 - upper / 1000)
    score[0, HANDS] = 0
    score[0, FIRST[side] : FIRST[side] + 3] = 1
    score[0, [shoulder, elbow, wrist]] = 0.8
    return xy, score


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("upper", "extent"), [(50, 110), (200, 198)])
def test_an_arms_box_worked_out_by_hand(side: str, upper: float, extent: float) -> None:
    xy, score = arm(side, upper)
    found = boxes_of(side, xy * 1000, score, sizes((1000, 1000), 1), CropConfig())
    assert found[2].all()
    np.testing.assert_allclose(found[1], [extent])
    np.testing.assert_allclose(found[0][0], [633 - extent / 2, 500 - extent / 2], rtol=1e-5)
    assert cropped(xy, score, sizes((1000, 1000), 1), CropConfig()).seen[0, HANDS].sum() == 3
    unsure = replace(CropConfig(), arm_score=0.81)
    assert not cropped(xy, score, sizes((1000, 1000), 1), unsure).seen[0, HANDS].any()


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_missing_wrist_is_lent_by_its_own_hand(side: str) -> None:
    xy, score = hand(side)
    own, other = (SHOULDER_ELBOW_WRIST[one][2] for one in ("right", "left")[:: 1 if side == "right" else -1])
    found = cropped(xy, score, sizes((1000, 1000), 1), CropConfig())
    np.testing.assert_allclose(found.xy[0, own], xy[0, HAND_WRIST[side]])
    assert (bool(found.seen[0, own]), bool(found.seen[0, other])) == (True, False)
    assert not cropped(xy, score, sizes((1000, 1000), 1), CropConfig(wrist_from_hand=False)).seen[0, TRUNK].any()
    xy[0, own], score[0, own] = (0.7, 0.8), 0.9
    np.testing.assert_allclose(cropped(xy, score, sizes((1000, 1000), 1), CropConfig()).xy[0, own], (0.7, 0.8))


def test_a_hand_in_one_point_has_no_box() -> None:
    xy, score = hand("right")
    xy[0, RIGHT_HAND] = (0.4, 0.3)
    found = cropped(xy, score, sizes((1000, 1000), 1), CropConfig())
    assert not found.has_box.any()
    assert np.isfinite(found.xy).all()


@pytest.mark.parametrize("name", ["wlasl300_hands", "wlasl_body_hands", "webcam"])
def test_real_poses(data_dir: Path, name: str) -> None:
    opened = open_landmarks(data_dir / f"{name}.npz")
    clips = [opened.clip(number) for number in range(0, len(opened), len(opened) // 30)]
    xy, score = (np.concatenate([getattr(clip, part) for clip in clips]) for part in ("xy", "score"))
    ones = sizes((1, 1), len(xy))
    found = cropped(xy, score, ones, CropConfig())
    one, two = as_view(cropped(*mirrored(xy, score), ones, CropConfig())), mirror(as_view(found))
    assert torch.equal(one.seen, two.seen)
    torch.testing.assert_close(one.xy, two.xy, rtol=1e-4, atol=1e-3)
    boxed = found.has_box.any(axis=1)
    hands = found.xy[:, HANDS][found.seen[:, HANDS]]
    assert boxed.mean() > 0.5
    assert ((hands > -0.1) & (hands < 1.1)).mean() > 0.99
    for frame in range(0, len(xy), 50):
        wanted, seen, _ = slow_crop(xy[frame], score[frame], (1, 1), CropConfig())
        np.testing.assert_array_equal(found.seen[frame], seen)
        np.testing.assert_allclose(found.xy[frame], wanted, rtol=1e-4, atol=1e-3)


def test_a_wrist_guessed_far_outside_the_picture_is_unseen_and_the_hands_takes_its_place() -> None:
    xy, score = hand("right")
    wrist = INDEX["right_wrist"]
    score[0, wrist] = 1.0
    for y, counts in ((1.05, True), (1.3, False), (-0.3, False)):
        xy[0, wrist] = 0.5, y
        alone = cropped(xy, score, sizes((1, 1), 1), CropConfig(wrist_from_hand=False))
        assert bool(alone.seen[0, wrist]) == counts
        lent = cropped(xy, score, sizes((1, 1), 1), CropConfig())
        np.testing.assert_array_equal(lent.xy[0, wrist], xy[0, wrist if counts else HAND_WRIST["right"]])


def test_a_joint_to_ignore_has_to_be_one() -> None:
    with pytest.raises(InputError, match=r"crop\.ignore 'tail'"):
        CropConfig(ignore=("tail",))
    with pytest.raises(InputError, match=r"crop\.outside -0\.1"):
        CropConfig(outside=-0.1)


def test_the_grid_is_exact_in_float16() -> None:
    values = np.arange(-GRID // 4, GRID + GRID // 4) / GRID
    np.testing.assert_array_equal(values.astype(np.float16).astype(float), values)
