"""The baselines: what is unseen changes nothing, features against a loop, and one that trains from end to end."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from helpers.tiny_configs import ENCODER, random_view, write_recipe
from helpers.trained_runs import Trained
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from twinsign.cli.main import main
from twinsign.nn.baselines import FEATURES, ConvGru, StGcn, StGcnBlock, described, from_wrist, strided
from twinsign.nn.config import EncoderConfig
from twinsign.nn.networks import build_encoder
from twinsign.pose.layout import JOINT_COUNT, LEFT_HAND, MIRROR, RIGHT_HAND, TRUNK, WHOLE_GRAPH

BASELINES = ("conv_gru", "st_gcn")


def config_of(network: str) -> EncoderConfig:
    return replace(ENCODER, network=network)  # type: ignore[arg-type]


@pytest.fixture(params=BASELINES)
def encoder(request: pytest.FixtureRequest) -> nn.Module:
    """A tiny baseline whose norms have seen some data, in evaluation mode."""
    torch.manual_seed(0)
    made = build_encoder(config_of(request.param))
    made(*random_view(6, 8, seed=9))
    return made.eval()


@pytest.mark.parametrize("garbage", [1e6, float("nan"), float("inf")])
def test_what_unseen_joints_hold_changes_nothing(encoder: nn.Module, garbage: float) -> None:
    view = random_view(4, 6, seen_rate=0.5)
    clean = encoder(*view).f["hand"]
    assert torch.equal(encoder(torch.where(view.seen[..., None], view.xy, garbage), view.seen).f["hand"], clean)


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_a_batch_of_one_is_its_row_of_a_larger_batch(encoder: nn.Module, frames: int) -> None:
    view = random_view(3, frames)
    whole = encoder(*view).f["hand"]
    assert whole.shape == (3, ENCODER.width)
    for b in range(3):
        one = encoder(view.xy[b : b + 1], view.seen[b : b + 1]).f["hand"]
        torch.testing.assert_close(one, whole[b : b + 1], rtol=1e-4, atol=1e-5)


def test_a_clip_that_shows_nothing_is_zero_and_learns_without_nan(encoder: nn.Module) -> None:
    encoder.train()
    view = random_view(4, 5)
    view.seen[2] = False
    found = encoder(*view)
    assert found.has["hand"].tolist() == [True, True, False, True]
    assert not found.f["hand"][2].any()
    found.whole().square().sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in encoder.parameters())


def loop(xy: Tensor, seen: Tensor, clip: int, frame: int, swifter: float) -> list[float]:
    """One frame's features, joint by joint."""
    places, movements, flags = [], [], []
    for joint in range(xy.shape[2]):
        on = bool(seen[clip, frame, joint])
        was = frame > 0 and bool(seen[clip, frame - 1, joint])
        for axis in range(2):
            now = float(xy[clip, frame, joint, axis])
            places.append(now if on else 0.0)
            movements.append(swifter * (now - float(xy[clip, frame - 1, joint, axis])) if on and was else 0.0)
        flags.append(float(on))
    return [*places, *movements, *flags]


@pytest.mark.parametrize("swifter", [1.0, 10.0])
def test_features_by_hand_agree_with_the_loop(swifter: float) -> None:
    view = random_view(3, 4, seed=5, seen_rate=0.7)
    found = described(*view, swifter)
    assert found.shape == (3, 4, JOINT_COUNT * FEATURES)
    for clip in range(3):
        for frame in range(4):
            torch.testing.assert_close(found[clip, frame], torch.tensor(loop(*view, clip, frame, swifter)))


def test_a_hand_stands_at_its_wrist_and_needs_it() -> None:
    view = random_view(2, 5, seed=3, seen_rate=0.6)
    hand = view.xy[:, :, LEFT_HAND], view.seen[:, :, LEFT_HAND]
    xy, seen = from_wrist(*hand)
    assert torch.equal(seen, hand[1] & hand[1][:, :, :1])
    torch.testing.assert_close(xy + view.xy[:, :, [LEFT_HAND.start]], hand[0])
    moved = from_wrist(hand[0] + 0.25, hand[1])[0]
    torch.testing.assert_close(moved, xy)


@pytest.mark.parametrize("stride", [1, 2, 3])
@given(st.integers(1, 9), st.integers(0, 2**18 - 1))
def test_a_stride_keeps_a_joint_where_one_of_its_frames_shows_it(stride: int, length: int, bits: int) -> None:
    seen = [[bool(bits >> (2 * frame + joint) & 1) for joint in range(2)] for frame in range(length)]
    groups = [seen[first : first + stride] for first in range(0, length, stride)]
    wanted = [[any(frame[joint] for frame in group) for joint in range(2)] for group in groups]
    assert strided(torch.tensor([seen]), stride).tolist() == [wanted]


@pytest.mark.parametrize("length", [1, 2, 7, 8])
def test_st_gcn_leaves_out_frames_where_it_grows_wider(length: int) -> None:
    config = replace(ENCODER, network="st_gcn", joint_widths=(4, 4, 8), part_widths=(8, 16))
    encoder = StGcn(config).eval()
    assert [cast(StGcnBlock, block).stride for block in encoder.layers] == [1, 1, 2, 1, 2]
    seen: list[int] = []
    encoder.layers[-1].register_forward_hook(lambda module, inputs, made: seen.append(made.shape[1]))
    encoder(*random_view(2, length))
    assert seen == [math.ceil(math.ceil(length / 2) / 2)]


def test_weights_of_the_network_before_its_strides_are_refused() -> None:
    encoder = StGcn(config_of("st_gcn"))
    before = {name.replace("layers.", "blocks."): value for name, value in encoder.state_dict().items()}
    with pytest.raises(RuntimeError, match=r"Missing key.*layers"):
        encoder.load_state_dict(before)


def test_hands_pass_one_stack_of_convolutions() -> None:
    encoder = ConvGru(config_of("conv_gru")).eval()
    view, taken = random_view(2, 6), list[Tensor]()
    encoder.hand.register_forward_hook(lambda module, inputs, made: taken.append(inputs[0]))
    encoder(*view)
    right, left = taken[0].chunk(2)
    for side, hand in ((right, RIGHT_HAND), (left, LEFT_HAND)):
        torch.testing.assert_close(side, described(*from_wrist(view.xy[:, :, hand], view.seen[:, :, hand])))


def test_the_whole_body_hangs_together_and_is_its_mirror_image() -> None:
    assert len(WHOLE_GRAPH.bones) == JOINT_COUNT - 1
    assert {child for _, child in WHOLE_GRAPH.bones} == set(range(JOINT_COUNT)) - {TRUNK.start}
    for pairs in (WHOLE_GRAPH.bones, WHOLE_GRAPH.links):
        joined = {frozenset(pair) for pair in pairs}
        assert {frozenset((MIRROR[one], MIRROR[other])) for one, other in joined} == joined


@pytest.mark.parametrize("network", BASELINES)
def test_a_baseline_is_trained_reported_and_asked(network: str, trained: Trained, tmp_path: Path) -> None:
    recipe, run, report = write_recipe(tmp_path, ""), tmp_path / "run", tmp_path / "test.json"
    words = ["--config", str(recipe), "--data", str(trained.pack)]
    options = ["--encoder.network", network, "--finetune.head.branches", "[joint]", "--finetune.head.parts", "[hand]"]
    assert main(["finetune", *words, *options, "--init", "none", "--out", str(run)]) == 0
    evaluate = ["evaluate", "--model", str(run), "--data", str(trained.pack), "--split", "test", "--json", str(report)]
    assert main(evaluate) == 0
    assert json.loads(report.read_text())["clips"] > 0
