"""The baselines: what is unseen changes nothing, features against a loop, and one that trains from end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import ENCODER, random_view, write_recipe
from torch import Tensor, nn
from trained import Trained

from twinsign.cli import main
from twinsign.nn.baselines import described
from twinsign.nn.encoder import EncoderConfig
from twinsign.nn.networks import encoder_of
from twinsign.pose.layout import HAND_WRIST, JOINT_COUNT, MIRROR, TRUNK, WHOLE_GRAPH

BASELINES = ("conv_gru", "st_gcn")


def config_of(network: str) -> EncoderConfig:
    return replace(ENCODER, network=network)  # type: ignore[arg-type]


@pytest.fixture(params=BASELINES)
def encoder(request: pytest.FixtureRequest) -> nn.Module:
    """A tiny baseline whose norms have seen some data, in evaluation mode."""
    torch.manual_seed(0)
    made = encoder_of(config_of(request.param))
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


def loop(xy: Tensor, seen: Tensor, clip: int, frame: int) -> list[float]:
    """One frame's features, joint by joint."""

    def places(at: int) -> list[tuple[list[float], bool]]:
        found = [(xy[clip, at, j].tolist(), bool(seen[clip, at, j])) for j in range(*TRUNK.indices(JOINT_COUNT))]
        for first, wrist in ((0, HAND_WRIST["right"]), (21, HAND_WRIST["left"])):
            for joint in range(first, first + 21):
                both = bool(seen[clip, at, joint] and seen[clip, at, wrist])
                found.append(((xy[clip, at, joint] - xy[clip, at, wrist]).tolist(), both))
            found.append((xy[clip, at, wrist].tolist(), bool(seen[clip, at, wrist])))
        return found

    now = places(frame)
    before = places(frame - 1) if frame else [(place, False) for place, _ in now]
    still = [value for place, on in now for value in (place if on else [0.0, 0.0])]
    moved = [
        one - other if on and was else 0.0
        for (place, on), (last, was) in zip(now, before, strict=True)
        for one, other in zip(place, last, strict=True)
    ]
    return [*still, *moved, *seen[clip, frame].float().tolist()]


def test_features_by_hand_agree_with_the_loop() -> None:
    view = random_view(3, 4, seed=5, seen_rate=0.7)
    found = described(*view)
    for clip in range(3):
        for frame in range(4):
            torch.testing.assert_close(found[clip, frame], torch.tensor(loop(*view, clip, frame)))


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
