"""The whole encoder: shapes, masks, batches of one, any number of frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.tiny_configs import ENCODER, random_view

from twinsign.nn.config import PARTS, EncoderConfig
from twinsign.nn.encoder import Encoder, Features
from twinsign.pose.layout import HANDS, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.views.clips import View


@pytest.fixture
def encoder() -> Encoder:
    """A tiny encoder whose norms have seen some data, in evaluation mode."""
    torch.manual_seed(0)
    encoder = Encoder(ENCODER)
    encoder(*random_view(6, 8, seed=9))
    return encoder.eval()


def same(one: Features, other: Features) -> None:
    for part in PARTS:
        torch.testing.assert_close(one.f[part], other.f[part], rtol=1e-5, atol=1e-5)
        assert torch.equal(one.has[part], other.has[part])


@pytest.mark.parametrize("frames", [1, 2, 3, 64, 150, 400])
@torch.no_grad()
def test_any_number_of_frames(encoder: Encoder, frames: int) -> None:
    found = encoder(*random_view(2, frames))
    for part in PARTS:
        assert found.f[part].shape == (2, ENCODER.width)
        assert found.f[part].isfinite().all()
        assert found.f[part].any()


@torch.no_grad()
def test_a_batch_of_one_is_its_row_of_a_larger_batch(encoder: Encoder) -> None:
    view = random_view(5, 8)
    whole = encoder(*view)
    for b in range(5):
        one = encoder(view.xy[b : b + 1], view.seen[b : b + 1])
        same(one, Features(*({part: value[b : b + 1] for part, value in table.items()} for table in whole)))


@pytest.mark.parametrize("garbage", [1e6, -3.0, float("nan"), float("inf")])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "training"])
def test_what_unseen_joints_hold_changes_nothing(encoder: Encoder, garbage: float, training: bool) -> None:
    view = random_view(4, 6, seen_rate=0.5)
    encoder.train(training)
    clean = encoder(*view)
    same(encoder(torch.where(view.seen[..., None], view.xy, garbage), view.seen), clean)


def blanked(view: View, clip: int, joints: slice) -> View:
    seen = view.seen.clone()
    seen[clip, :, joints] = False
    return View(view.xy, seen)


@pytest.mark.parametrize(
    ("joints", "absent"), [(slice(None), {"hand", "trunk"}), (HANDS, {"hand"}), (TRUNK, {"trunk"})],
    ids=["nothing", "no hand", "no trunk"],
)  # fmt: skip
def test_an_absent_part_gives_zero_and_no_nan(encoder: Encoder, joints: slice, absent: set[str]) -> None:
    view = blanked(random_view(3, 6), 1, joints)
    found = encoder.train()(*view)
    for part in PARTS:
        assert found.has[part].tolist() == [True, part not in absent, True]
        assert bool(found.f[part][1].any()) == (part not in absent)
    found.whole().square().sum().backward()
    gradients = [value.grad for value in encoder.parameters() if value.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_batch_that_shows_nothing_at_all(encoder: Encoder) -> None:
    view = random_view(2, 4)
    found = encoder.train()(view.xy, torch.zeros_like(view.seen))
    assert not found.whole().any()
    found.whole().sum().backward()
    assert all(value.grad is None or value.grad.isfinite().all() for value in encoder.parameters())


@torch.no_grad()
def test_hand_and_trunk_are_told_apart(encoder: Encoder) -> None:
    view = random_view(2, 6)
    moved = view.xy.clone()
    moved[:, :, TRUNK] += 0.3
    here, there = encoder(*view), encoder(moved, view.seen)
    torch.testing.assert_close(here.f["hand"], there.f["hand"])
    assert not torch.allclose(here.f["trunk"], there.f["trunk"])


@torch.no_grad()
def test_one_hand_network_serves_both_hands(encoder: Encoder) -> None:
    hand = torch.rand(2, 6, 21, 2)
    per_frame = encoder.frame_features(torch.stack([hand, hand], dim=1), torch.rand(2, 6, 7, 2))["hand"]
    right, left = per_frame.chunk(2, dim=-1)
    torch.testing.assert_close(right, left)


@torch.no_grad()
def test_a_hand_unseen_throughout_is_pooled_from_the_other_alone(encoder: Encoder) -> None:
    view = random_view(1, 5, seen_rate=1.0)
    view = blanked(view, 0, LEFT_HAND)
    xy = torch.where(view.seen[..., None], view.xy, 0.0)
    hands = torch.stack([xy[:, :, RIGHT_HAND], xy[:, :, LEFT_HAND]], dim=1)
    tokens = encoder.transformer["hand"](encoder.frame_features(hands, xy[:, :, TRUNK])["hand"])
    right = tokens[..., : ENCODER.width]
    weights = (right @ encoder.pool["hand"].score.weight[0]).softmax(dim=1)
    wanted = (weights[..., None] * right).sum(dim=1)
    torch.testing.assert_close(encoder(*view).f["hand"], wanted, rtol=1e-5, atol=1e-5)


def test_whole_is_the_sum_of_the_chosen_parts(encoder: Encoder) -> None:
    found = encoder(*random_view(2, 5))
    torch.testing.assert_close(found.whole(), found.f["hand"] + found.f["trunk"])
    torch.testing.assert_close(found.whole(("trunk",)), found.f["trunk"])


@pytest.mark.parametrize(
    "config",
    [
        replace(ENCODER, joint_widths=(4,), part_widths=(8,)),
        replace(ENCODER, joint_widths=(4, 6, 8, 10), part_widths=(12, 12, 24), temporal_blocks=3),
        replace(ENCODER, depth=3, heads=8, feed_forward={"hand": 5, "trunk": 7}, graph_dropout=0.2, dropout=0.3),
    ],
)  # fmt: skip
def test_widths_and_depths_are_free(config: EncoderConfig) -> None:
    found = Encoder(config)(*random_view(2, 4))
    assert found.whole().shape == (2, config.width)
    assert found.whole().isfinite().all()


def test_the_default_has_the_papers_widths() -> None:
    with torch.device("meta"):
        encoder = Encoder(EncoderConfig())
    shapes = {name: tuple(value.shape) for name, value in encoder.named_parameters()}
    for part, width, hidden in (("hand", 1024, 1536), ("trunk", 512, 1024)):
        assert shapes[f"transformer.{part}.blocks.2.qkv.weight"] == (3 * width, width)
        assert shapes[f"transformer.{part}.blocks.0.widen.weight"] == (hidden, width)
        assert shapes[f"net.{part}.joint_blocks.0.conv.linear.weight"] == (128, 8)
        assert shapes[f"net.{part}.joint_blocks.2.conv.linear.weight"] == (256, 4 * 128)
        assert shapes[f"net.{part}.part_blocks.1.conv.linear.weight"] == (512, 4 * 512)
        assert shapes[f"net.{part}.temporal.1.five.weight"] == (512, 512, 5)
        assert shapes[f"pool.{part}.score.weight"] == (1, 512)
        assert f"transformer.{part}.blocks.3.qkv.weight" not in shapes
