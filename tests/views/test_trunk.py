"""Views that lack the trunk, or part of it: how often, which joints, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from twinsign.errors import InputError
from twinsign.pose.layout import HAND_WRIST, HANDS, INDEX, JOINT_COUNT, JOINTS, TRUNK
from twinsign.runs.recipe import load_recipe
from twinsign.views.augment import Draw, apply, draw
from twinsign.views.clips import View
from twinsign.views.config import TRUNK_DROPS, AugmentConfig

PLAIN = AugmentConfig(rotation=0.0, scale=0.0, mask=0.0, flip=0.0)
CLIPS, FRAMES = 400, 3


def view(seed: int) -> View:
    generator = torch.Generator().manual_seed(seed)
    seen = torch.rand(CLIPS, FRAMES, JOINT_COUNT, generator=generator) < 0.7
    xy = torch.rand(CLIPS, FRAMES, JOINT_COUNT, 2, generator=generator) * 1.4 - 0.1
    return View(torch.where(seen[..., None], xy, 0.0), seen)


def drawn(config: AugmentConfig, seed: int) -> Draw:
    return draw(config, CLIPS, torch.Generator().manual_seed(seed))


def slow_seen(one: View, kind: str | None, line: float, clip: int) -> Tensor:
    """Which joints (T V) of a clip are left, joint by joint."""
    seen = one.seen[clip].clone()
    for frame in range(FRAMES):
        for joint, name in enumerate(JOINTS):
            if joint < TRUNK.start or kind is None:
                continue
            side = name.split("_")[0]
            kept = name.endswith("wrist") and bool(one.seen[clip, frame, HAND_WRIST[side]])
            if kind == "all" or (kind == "wrists" and not kept):
                seen[frame, joint] = False
            if kind == "below" and not kept and float(one.xy[clip, frame, joint, 1]) > line:
                seen[frame, joint] = False
    return seen


@given(seed=st.integers(0, 1000))
def test_what_is_left_agrees_with_the_loop(seed: int) -> None:
    one = view(seed)
    given = drawn(replace(PLAIN, trunk={"all": 0.2, "wrists": 0.3, "below": 0.3}), seed)
    found = apply(one, given)
    for clip in range(0, CLIPS, 40):
        kind = "all" if given.no_trunk[clip] else "wrists" if given.only_wrists[clip] else "below"
        wanted = slow_seen(
            one, kind if kind != "below" or given.trunk_end[clip] < torch.inf else None, given.trunk_end[clip], clip
        )
        assert torch.equal(found.seen[clip], wanted)
    assert torch.equal(found.seen[:, :, HANDS], one.seen[:, :, HANDS])
    assert not found.xy[~found.seen].any()


def test_each_kind_is_as_frequent_as_asked() -> None:
    shares = {"all": 0.1, "wrists": 0.3, "below": 0.2}
    given = drawn(replace(PLAIN, trunk=shares), 0)
    counts = {"all": given.no_trunk, "wrists": given.only_wrists, "below": given.trunk_end < torch.inf}
    for kind, share in shares.items():
        assert float(counts[kind].float().mean()) == pytest.approx(share, abs=0.06)
    assert not (counts["all"] & counts["wrists"]).any()
    assert not ((counts["all"] | counts["wrists"]) & counts["below"]).any()
    line = given.trunk_end[given.trunk_end < torch.inf]
    assert 0.5 <= line.min() < line.max() <= 1


@pytest.mark.parametrize("kind", TRUNK_DROPS)
def test_a_kind_alone_is_always_drawn(kind: str) -> None:
    given = drawn(replace(PLAIN, trunk={kind: 1.0}), 0)
    counts = {"all": given.no_trunk, "wrists": given.only_wrists, "below": given.trunk_end < torch.inf}
    assert all(bool(mine.all()) == (name == kind) for name, mine in counts.items())


def test_hands_alone_with_their_own_wrists_lose_nothing_but_by_all() -> None:
    one = view(0)
    seen = one.seen.clone()
    seen[:, :, TRUNK] = False
    for side, wrist in HAND_WRIST.items():
        seen[:, :, INDEX[f"{side}_wrist"]] = seen[:, :, wrist]
    only_wrists = View(torch.where(seen[..., None], one.xy, 0.0), seen)
    for kind in ("wrists", "below"):
        assert torch.equal(apply(only_wrists, drawn(replace(PLAIN, trunk={kind: 1.0}), 0)).seen, seen)


def test_other_numbers_are_drawn_as_before() -> None:
    config = AugmentConfig()
    one, two = drawn(config, 0), drawn(replace(config, trunk={"all": 0.5}), 0)
    for name in ("ratio", "place", "matrix", "masked", "flip", "swap", "shift"):
        assert torch.equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("wrong", [{"legs": 0.1}, {"all": -0.1}, {"all": 0.6, "wrists": 0.6}])
def test_impossible_shares_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="trunk = "):
        AugmentConfig(trunk=wrong)


@pytest.mark.parametrize("name", ["small", "conv_gru", "st_gcn"])
def test_shipped_recipes_leave_trunks_out(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.finetune.augment.trunk
    assert recipe.read.active == "joint"
    assert recipe.read.crop.hand_wrist_first
