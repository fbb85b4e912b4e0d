"""Augmentation: what is drawn lies in its ranges, and what is applied is what happened before the camera."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from twinsign.pose.layout import HANDS, JOINT_COUNT, JOINTS, LEFT_HAND, MIRROR, RIGHT_HAND, TRUNK
from twinsign.views.augment import Draw, apply, draw, mirror, random_view
from twinsign.views.clips import Clips, View, resample, window
from twinsign.views.config import AugmentConfig

ALWAYS = AugmentConfig(crop=(0.3, 0.9), rotation=40.0, scale=0.3, shear=0.2, mask=0.5, flip=0.5, apply=1.0)
STILL = AugmentConfig(rotation=0.0, scale=0.0, shear=0.0, mask=0.0, flip=0.0)
FRAMES = 4


def view(clips: int, seed: int = 0, dtype: torch.dtype = torch.float32, rate: float = 0.7) -> View:
    generator = torch.Generator().manual_seed(seed)
    seen = torch.rand(clips, FRAMES, JOINT_COUNT, generator=generator) < rate
    xy = torch.rand(clips, FRAMES, JOINT_COUNT, 2, generator=generator, dtype=torch.float64)
    return View((xy * seen[..., None]).to(dtype), seen)


def numbers(config: AugmentConfig, clips: int, seed: int = 0) -> Draw:
    return draw(config, clips, torch.Generator().manual_seed(seed))


def rotation(degrees: float) -> Tensor:
    turn = math.radians(degrees)
    return torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])


def slow_apply(one: View, given: Draw) -> View:
    """Joint by joint in Python floats: mirror, then the matrix about the crop's middle, then the mask."""
    xy, seen = torch.zeros_like(one.xy), torch.zeros_like(one.seen)
    for clip in range(len(one.xy)):
        (a, b), (c, d) = given.matrix[clip].tolist()
        for frame in range(one.xy.shape[1]):
            for joint, name in enumerate(JOINTS):
                source = MIRROR[joint] if given.flip[clip] else joint
                if not one.seen[clip, frame, source] or given.masked[clip, joint]:
                    continue
                x, y = (value - 0.5 for value in one.xy[clip, frame, source].tolist())
                x = -x if given.flip[clip] and "hand" not in name else x
                side = -1 if name.startswith("left_hand") else 1
                turned = (side * (a * side * x + b * y) + 0.5, c * side * x + d * y + 0.5)
                xy[clip, frame, joint], seen[clip, frame, joint] = torch.tensor(turned), True
    return View(xy, seen)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(3))
def test_applying_agrees_with_the_loop(seed: int, dtype: torch.dtype) -> None:
    one, given = view(3, seed, dtype), replace(numbers(ALWAYS, 3, seed), flip=torch.tensor([True, False, True]))
    found, wanted = apply(one, given), slow_apply(one, given)
    assert found.xy.dtype == dtype
    assert torch.equal(found.seen, wanted.seen)
    torch.testing.assert_close(found.xy, wanted.xy, rtol=0, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_nothing_drawn_changes_nothing(seed: int) -> None:
    one = view(2, seed)
    found = apply(one, numbers(STILL, 2, seed))
    assert torch.equal(found.seen, one.seen)
    torch.testing.assert_close(found.xy, one.xy, rtol=0, atol=1e-6)


def test_applying_draws_nothing_and_leaves_its_arguments_alone() -> None:
    one, given = view(3), numbers(ALWAYS, 3)
    before = [value.clone() for value in (*one, *vars(given).values())]
    state = torch.get_rng_state()
    first, second = apply(one, given), apply(one, given)
    assert torch.equal(first.xy, second.xy)
    assert torch.equal(first.seen, second.seen)
    assert torch.equal(torch.get_rng_state(), state)
    for value, old in zip((*one, *vars(given).values()), before, strict=True):
        assert torch.equal(value, old)


def test_a_batch_is_its_clips_one_by_one() -> None:
    one, given = view(5), numbers(ALWAYS, 5)
    whole = apply(one, given)
    for clip in range(5):
        row = slice(clip, clip + 1)
        alone = apply(View(*(value[row] for value in one)), Draw(*(value[row] for value in vars(given).values())))
        torch.testing.assert_close(alone.xy, whole.xy[row], rtol=0, atol=1e-6)
        assert torch.equal(alone.seen, whole.seen[row])


def test_mixed_precision_does_not_round_coordinates() -> None:
    one, given = view(3), numbers(ALWAYS, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = apply(one, given)
    assert found.xy.dtype == torch.float32
    assert torch.equal(found.xy, apply(one, given).xy)


def test_masked_and_unseen_joints_are_zero() -> None:
    one, given = view(20), numbers(ALWAYS, 20)
    found = apply(one, given)
    assert given.masked.any()
    assert not (found.seen & given.masked[:, None]).any()
    assert not found.xy[~found.seen].any()


class TestPhysics:
    """Crops of a turned or mirrored person are turned or mirrored crops."""

    centres = torch.tensor([[0.3, 0.6], [0.7, 0.4]])
    extents = (0.25, 0.4)

    def crops(self, raw: Tensor, centres: Tensor) -> Tensor:
        """Crop coordinates of raw points (T 49 2) with these boxes: hands in their own, the left one mirrored."""
        out = raw.clone()
        for part, centre, extent in zip((RIGHT_HAND, LEFT_HAND), centres, self.extents, strict=True):
            out[:, part] = (raw[:, part] - centre) / extent + 0.5
        out[:, LEFT_HAND, 0] = 1 - out[:, LEFT_HAND, 0]
        return out

    @pytest.mark.parametrize("kind", ["rotation", "scale", "shear"])
    def test_turning_crops_is_turning_the_raw_points(self, kind: str) -> None:
        matrix = {"rotation": rotation(30), "scale": 1.2 * torch.eye(2), "shear": torch.tensor([[1, 0.3], [-0.1, 1]])}
        turn, middle = matrix[kind], torch.tensor([0.5, 0.5])
        raw = torch.rand(FRAMES, JOINT_COUNT, 2, generator=torch.Generator().manual_seed(0))

        def turned(points: Tensor) -> Tensor:
            return (points - middle) @ turn.T + middle

        seen = torch.ones(1, FRAMES, JOINT_COUNT, dtype=torch.bool)
        given = replace(numbers(STILL, 1), matrix=turn[None])
        found = apply(View(self.crops(raw, self.centres)[None], seen), given)
        torch.testing.assert_close(found.xy[0], self.crops(turned(raw), turned(self.centres)))

    def test_a_left_crop_turns_the_other_way(self) -> None:
        xy = torch.full((1, 1, JOINT_COUNT, 2), 0.5)
        xy[..., 0] = 1.0
        seen = torch.ones(1, 1, JOINT_COUNT, dtype=torch.bool)
        found = apply(View(xy, seen), replace(numbers(STILL, 1), matrix=rotation(90)[None])).xy[0, 0]
        torch.testing.assert_close(found[RIGHT_HAND], torch.tensor([[0.5, 1.0]]).expand(21, 2))
        torch.testing.assert_close(found[LEFT_HAND], torch.tensor([[0.5, 0.0]]).expand(21, 2))
        torch.testing.assert_close(found[TRUNK], torch.tensor([[0.5, 1.0]]).expand(7, 2))


class TestMirror:
    def test_twice_is_nothing(self) -> None:
        one = view(3, dtype=torch.float64)
        found = mirror(mirror(one))
        assert torch.equal(found.seen, one.seen)
        torch.testing.assert_close(found.xy, one.xy)

    def test_hands_swap_unchanged_and_the_trunk_is_reflected(self) -> None:
        one = view(2)
        found = mirror(one)
        assert torch.equal(found.xy[:, :, RIGHT_HAND], one.xy[:, :, LEFT_HAND])
        assert torch.equal(found.seen[:, :, LEFT_HAND], one.seen[:, :, RIGHT_HAND])
        for joint, name in list(enumerate(JOINTS))[TRUNK]:
            swapped = name.replace("left", "?").replace("right", "left").replace("?", "right")
            source = JOINTS.index(swapped)
            assert torch.equal(found.seen[:, :, joint], one.seen[:, :, source])
            seen = found.seen[:, :, joint]
            torch.testing.assert_close(found.xy[:, :, joint, 0][seen], 1 - one.xy[:, :, source, 0][seen])
            torch.testing.assert_close(found.xy[:, :, joint, 1][seen], one.xy[:, :, source, 1][seen])
        assert not found.xy[~found.seen].any()

    def test_flipping_as_drawn(self) -> None:
        one, given = view(6), replace(numbers(STILL, 6), flip=torch.tensor([True, False] * 3))
        found, flipped = apply(one, given), mirror(one)
        torch.testing.assert_close(found.xy[::2], flipped.xy[::2], rtol=0, atol=1e-6)
        torch.testing.assert_close(found.xy[1::2], one.xy[1::2], rtol=0, atol=1e-6)
        assert torch.equal(found.seen[::2], flipped.seen[::2])


class TestDraws:
    many = 4000

    def test_the_generator_alone_decides(self) -> None:
        state = torch.get_rng_state()
        one, same, other = numbers(ALWAYS, 5, 7), numbers(ALWAYS, 5, 7), numbers(ALWAYS, 5, 8)
        for name, value in vars(one).items():
            assert torch.equal(value, vars(same)[name])
        assert not torch.equal(one.matrix, other.matrix)
        assert torch.equal(torch.get_rng_state(), state)

    def test_a_part_of_a_batch_gets_what_the_batch_would_give_it(self) -> None:
        whole = draw(AugmentConfig(shear=0.1), 11, torch.Generator().manual_seed(1))
        for first, count in ((0, 6), (6, 5), (3, 1)):
            mine = draw(AugmentConfig(shear=0.1), count, torch.Generator().manual_seed(1), (first, 11))
            for name, value in vars(mine).items():
                assert torch.equal(value, getattr(whole, name)[first : first + count]), name

    def test_two_draws_of_one_generator_are_two(self) -> None:
        generator = torch.Generator().manual_seed(0)
        one, two = draw(ALWAYS, 5, generator), draw(ALWAYS, 5, generator)
        assert not torch.equal(one.ratio, two.ratio)
        assert not torch.equal(one.matrix, two.matrix)

    def test_ranges(self) -> None:
        given = numbers(ALWAYS, self.many)
        assert 0.3 <= given.ratio.min() < 0.31
        assert 0.89 < given.ratio.max() <= 0.9
        assert 0 <= given.place.min() < 0.01
        assert 0.99 < given.place.max() <= 1
        assert float(given.flip.float().mean()) == pytest.approx(0.5, abs=0.04)
        share = given.masked.float().mean(dim=1)
        assert share.min() == 0
        assert share.max() == pytest.approx(0.5, abs=0.011)
        assert share.mean() == pytest.approx(0.25, abs=0.02)
        assert (given.masked.float().mean(dim=0) - 0.25).abs().max() < 0.04

    def test_rotations_and_scales(self) -> None:
        turned = numbers(replace(STILL, rotation=40.0, apply=1.0), self.many).matrix
        angle = torch.rad2deg(torch.atan2(turned[:, 1, 0], turned[:, 0, 0]))
        torch.testing.assert_close(turned @ turned.mT, torch.eye(2).expand(self.many, 2, 2), rtol=0, atol=1e-6)
        torch.testing.assert_close(torch.linalg.det(turned), torch.ones(self.many))
        assert angle.min() == pytest.approx(-40, abs=0.5)
        assert angle.max() == pytest.approx(40, abs=0.5)
        scaled = numbers(replace(STILL, scale=0.3, apply=1.0), self.many).matrix
        torch.testing.assert_close(scaled, scaled[:, :1, :1] * torch.eye(2))
        assert scaled[:, 0, 0].min() == pytest.approx(0.7, abs=0.01)
        assert scaled[:, 0, 0].max() == pytest.approx(1.3, abs=0.01)
        sheared = numbers(replace(STILL, shear=0.2, apply=1.0), self.many).matrix
        assert (sheared.diagonal(dim1=1, dim2=2) == 1).all()
        for one, other in ((0, 1), (1, 0)):
            assert sheared[:, one, other].abs().max() == pytest.approx(0.2, abs=0.01)
        assert float(torch.corrcoef(torch.stack([sheared[:, 0, 1], sheared[:, 1, 0]]))[0, 1]) == pytest.approx(
            0, abs=0.06
        )

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    def test_each_kind_is_applied_as_often_as_asked(self, share: float) -> None:
        kinds = [{"rotation": 40.0}, {"scale": 0.3}, {"mask": 0.9}]
        for kind in kinds:
            given = numbers(replace(STILL, apply=share, **kind), self.many)
            changed = (given.matrix != torch.eye(2)).flatten(1).any(dim=1) | given.masked.any(dim=1)
            assert float(changed.float().mean()) == pytest.approx(share, abs=0.04)

    @pytest.mark.parametrize("flip", [0.0, 0.2, 1.0])
    def test_flips_as_often_as_asked(self, flip: float) -> None:
        given = numbers(replace(STILL, flip=flip), self.many)
        assert float(given.flip.float().mean()) == pytest.approx(flip, abs=0.03)


def test_a_shift_moves_the_trunk_alone_by_one_step_a_view() -> None:
    shifted, still = replace(ALWAYS, shift=0.1), replace(ALWAYS, shift=0.0)
    one, given = view(200, rate=1.0), numbers(shifted, 200)
    before, after = apply(one, numbers(still, 200)), apply(one, given)
    assert torch.equal(after.seen, before.seen)
    assert torch.equal(after.xy[:, :, HANDS], before.xy[:, :, HANDS])
    moved = (after.xy - before.xy)[:, :, TRUNK]
    wanted = torch.where(before.seen[:, :, TRUNK, None], given.shift[:, None, None], 0.0)
    torch.testing.assert_close(moved, wanted.expand_as(moved), rtol=0, atol=1e-6)
    assert given.shift.abs().max() <= 0.1
    assert given.shift.amax() > 0.08
    assert given.shift.amin() < -0.08


def test_a_random_view_is_its_draw_applied_to_its_window() -> None:
    count = torch.tensor([9, 1, 30])
    one = view(10, rate=0.8)
    clips = Clips(one.xy.flatten(0, 1), one.seen.flatten(0, 1), count.cumsum(0) - count, count, count, count)
    found = random_view(clips, ALWAYS, 16, torch.Generator().manual_seed(3))
    given = numbers(ALWAYS, 3, 3)
    wanted = apply(resample(clips, *window(clips, given.ratio, given.place), 16), given)
    assert found.xy.shape == (3, 16, JOINT_COUNT, 2)
    assert torch.equal(found.xy, wanted.xy)
    assert torch.equal(found.seen, wanted.seen)
    assert found.seen[:, :, HANDS].any()
