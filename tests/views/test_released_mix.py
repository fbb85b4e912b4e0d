"""The released augmentation, by configuration alone: one kind a view, 25 joints exactly, the crop's corner fixed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from twinsign.errors import InputError
from twinsign.pose.layout import HANDS, JOINT_COUNT, LEFT_HAND, MIRROR, RIGHT_HAND, TRUNK
from twinsign.runs.recipe import load_recipe
from twinsign.views.augment import Draw, apply, draw, random_view
from twinsign.views.clips import Clips, View, resample, window
from twinsign.views.config import AugmentConfig

CONFIG = load_recipe("released").pretrain.augment
MANY = 8000
JOINTS = 25
FRAMES = 3


def drawn(config: AugmentConfig = CONFIG, clips: int = MANY, seed: int = 0) -> Draw:
    return draw(config, clips, torch.Generator().manual_seed(seed))


def kinds(found: Draw) -> dict[str, Tensor]:
    """Which views were sheared as a whole, had joints zeroed, or joints distorted (B)."""
    sheared = (found.matrix != torch.eye(2)).flatten(1).any(dim=1)
    return {"shear": sheared, "mask": found.masked.any(dim=1), "distort": found.distorted.any(dim=1)}


def view(clips: int, seed: int = 0) -> View:
    generator = torch.Generator().manual_seed(seed)
    xy = torch.rand(clips, FRAMES, JOINT_COUNT, 2, generator=generator)
    return View(xy, torch.ones(clips, FRAMES, JOINT_COUNT, dtype=torch.bool))


def test_one_kind_a_view_a_half_and_two_quarters() -> None:
    found = kinds(drawn())
    assert (torch.stack(list(found.values())).sum(dim=0) == 1).all()
    for kind, share in (("shear", 0.5), ("mask", 0.25), ("distort", 0.25)):
        assert float(found[kind].float().mean()) == pytest.approx(share, abs=0.02)


def test_exactly_25_joints_each_as_often_as_the_others() -> None:
    found = drawn()
    for joints in (found.masked, found.distorted):
        taken = joints[joints.any(dim=1)]
        assert (taken.sum(dim=1) == JOINTS).all()
        assert (taken.float().mean(dim=0) - JOINTS / JOINT_COUNT).abs().max() < 0.05
        assert len(taken.unique(dim=0)) > 0.99 * len(taken)


def test_matrices_fill_their_ranges() -> None:
    found = drawn()
    chosen = kinds(found)
    sheared = found.matrix[chosen["shear"]]
    assert (sheared.diagonal(dim1=1, dim2=2) == 1).all()
    entries = [sheared[:, 0, 1], sheared[:, 1, 0], *found.distortion[chosen["distort"]].flatten(1).T]
    for entry in entries:
        assert -1 <= entry.min() < -0.98
        assert 0.98 < entry.max() <= 1
        assert float(entry.mean()) == pytest.approx(0, abs=0.05)
    related = torch.corrcoef(torch.stack(entries[2:])) - torch.eye(4)
    assert related.abs().max() < 0.08


def test_hands_swap_in_half_of_the_views_whatever_the_kind() -> None:
    found = drawn()
    assert not found.flip.any()
    for mine in kinds(found).values():
        assert float(found.swap[mine].float().mean()) == pytest.approx(0.5, abs=0.04)


def test_a_swap_moves_the_hands_and_their_masks_and_leaves_the_trunk() -> None:
    one = view(2)
    one.seen[:, 0, RIGHT_HAND] = False
    plain = drawn(AugmentConfig(apply=0.0, flip=0.0), 2)
    both, neither = torch.tensor([True, False]), torch.zeros(2, dtype=torch.bool)
    found = apply(one, replace(plain, swap=both), "corner")
    for value, source in ((found.xy, torch.where(one.seen[..., None], one.xy, 0.0)), (found.seen, one.seen)):
        assert torch.equal(value[0][:, RIGHT_HAND], source[0][:, LEFT_HAND])
        assert torch.equal(value[0][:, LEFT_HAND], source[0][:, RIGHT_HAND])
        assert torch.equal(value[0][:, TRUNK], source[0][:, TRUNK])
        assert torch.equal(value[1], source[1])
    twice = apply(one, replace(plain, swap=both, flip=both), "corner")
    mirrored = apply(one, replace(plain, swap=neither, flip=both), "corner")
    assert torch.equal(twice.xy[0][:, HANDS], torch.where(one.seen[..., None], one.xy, 0.0)[0][:, HANDS])
    assert torch.equal(twice.xy[:, :, TRUNK], mirrored.xy[:, :, TRUNK])


def test_applied_joint_by_joint_about_the_corner() -> None:
    """The stored numbers are points of a plane whose origin is the crop's corner, a left hand's like any other's."""
    one, given = view(40), drawn(clips=40)
    found = apply(one, given, CONFIG.around)
    assert len({name for name, mine in kinds(given).items() if mine.any()}) == 3
    for clip in range(40):
        for joint in range(JOINT_COUNT):
            source = MIRROR[joint] if given.swap[clip] and joint < TRUNK.start else joint
            matrix = given.distortion[clip] if given.distorted[clip, joint] else given.matrix[clip]
            wanted = one.xy[clip, :, source] @ matrix.T
            if given.masked[clip, joint]:
                assert not found.seen[clip, :, joint].any()
                wanted = torch.zeros_like(wanted)
            torch.testing.assert_close(found.xy[clip, :, joint], wanted)


def test_the_generator_alone_decides() -> None:
    state = torch.get_rng_state()
    one, same, other = drawn(clips=50), drawn(clips=50), drawn(clips=50, seed=1)
    for name, value in vars(one).items():
        assert torch.equal(value, vars(same)[name])
    assert not torch.equal(one.masked, other.masked)
    assert torch.equal(torch.get_rng_state(), state)


def ragged(*lengths: int) -> Clips:
    count = torch.tensor(lengths)
    xy = torch.rand(int(count.sum()), JOINT_COUNT, 2, generator=torch.Generator().manual_seed(0))
    return Clips(xy, torch.ones(xy.shape[:2], dtype=torch.bool), count.cumsum(0) - count, count, count, count)


def test_a_crop_keeps_32_frames_where_there_are_as_many() -> None:
    clips = ragged(5, 1, 40, 200)
    ratio = torch.full((4,), 0.1)
    begin, span = window(clips, ratio, torch.full((4,), 1.0), 32)
    assert span.tolist() == pytest.approx([4, 0, 31, 31])
    assert begin.tolist() == pytest.approx([0, 0, 8, 168])
    _, longer = window(clips, 4 * ratio, torch.full((4,), 1.0), 32)
    assert longer.tolist() == pytest.approx([4, 0, 31, 79.6])
    numbers = drawn(clips=4, seed=3)
    begin, span = window(clips, numbers.ratio, numbers.place, CONFIG.crop_frames)
    wanted = apply(resample(clips, begin, span, 16), numbers, "corner")
    assert torch.equal(random_view(clips, CONFIG, 16, torch.Generator().manual_seed(3)).xy, wanted.xy)


def test_fine_tuning_swaps_hands_and_does_nothing_else_to_joints() -> None:
    config = load_recipe("released").finetune.augment
    found = drawn(config)
    assert not any(mine.any() for mine in kinds(found).values())
    assert float(found.swap.float().mean()) == pytest.approx(0.5, abs=0.03)
    assert (config.crop, config.crop_frames) == ((0.5, 1.0), 64)


# Sums of the numbers that each recipe drew before there were exclusive kinds: ratio, place, squared matrix, masked
# joints, their numbers added, flips.
BEFORE = {
    ("paper", "pretrain"): (48.27824, 36.85896, 131.13657, 191, 4446, 30),
    ("paper", "finetune"): (48.27824, 36.85896, 128, 0, 0, 0),
    ("paper", "linear"): (48.27824, 36.85896, 128, 0, 0, 0),
    ("small", "pretrain"): (57.7113, 36.85896, 129.44489, 0, 0, 30),
    ("small", "finetune"): (54.56695, 36.85896, 129.44489, 0, 0, 30),
    ("demo", "pretrain"): (54.56695, 36.85896, 131.63838, 160, 3766, 30),
}


@pytest.mark.parametrize(("recipe", "stage"), BEFORE)
def test_other_recipes_draw_what_they_drew(recipe: str, stage: str) -> None:
    config = getattr(load_recipe(recipe), stage).augment
    found = drawn(config, 64, 7)
    sums = [found.ratio, found.place, found.matrix.square(), found.masked, found.masked * torch.arange(JOINT_COUNT)]
    got = [float(one.sum()) for one in [*sums, found.flip]]
    assert got == pytest.approx(BEFORE[recipe, stage], abs=1e-3)
    assert not torch.cat([found.swap, found.distorted.flatten()]).any()
    assert (config.one_of, config.around, config.crop_frames) == (None, "centre", 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"one_of": {"shears": 0.5}}, r"one_of = .*shears"),
        ({"one_of": {"shear": 0.7, "mask": 0.4}}, "at most 1"),
        ({"one_of": {"shear": -0.1}}, "at most 1"),
        ({"joints": 50}, "joints = 50"),
    ],
)
def test_impossible_mixes_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(CONFIG, **changes)  # type: ignore[arg-type]
