"""The classifier: one linear layer a branch on summed parts, joined by sum or mean."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.tiny_configs import ENCODER, random_view

from twinsign.nn.classifier import Classifier, all_features, branch_features
from twinsign.nn.config import HeadConfig
from twinsign.views.clips import View, motion


def made(head: HeadConfig) -> Classifier:
    torch.manual_seed(0)
    return Classifier(ENCODER, head, classes=5).eval()


@pytest.mark.parametrize("branches", [("joint", "motion"), ("joint",), ("motion",)])
@pytest.mark.parametrize("parts", [("hand", "trunk"), ("hand",), ("trunk",)])
@pytest.mark.parametrize("join", ["sum", "mean"])
def test_logits_by_hand(branches: tuple[str, ...], parts: tuple[str, ...], join: str) -> None:
    model, view = made(HeadConfig(branches, parts, join)), random_view(3, 6)  # type: ignore[arg-type]
    rows = []
    for name in branches:
        found = model.encoders[name](*(motion(*view) if name == "motion" else view))
        feature = sum(found.f[part] for part in parts)
        rows.append(feature @ model.fc[name].weight.T + model.fc[name].bias)
    wanted = sum(rows) / (len(rows) if join == "mean" else 1)
    torch.testing.assert_close(model(view), wanted)
    assert set(model.encoders) == set(branches)


@torch.no_grad()
def test_a_batch_of_one_and_a_clip_without_a_hand() -> None:
    model, view = made(HeadConfig()), random_view(3, 6)
    torch.testing.assert_close(model(View(view.xy[1:2], view.seen[1:2])), model(view)[1:2])
    nothing = model(View(view.xy, torch.zeros_like(view.seen)))
    wanted = sum(layer.bias for layer in model.fc.values())
    torch.testing.assert_close(nothing, wanted.expand(3, 5))


def test_gradients_reach_every_branch() -> None:
    model = Classifier(replace(ENCODER, dropout=0.1), HeadConfig(), classes=5)
    model(random_view(4, 6)).square().sum().backward()
    for name in ("joint", "motion"):
        assert model.fc[name].weight.grad.any()
        assert model.encoders[name].net["hand"].joint_blocks[0].conv.linear.weight.grad.any()


@torch.no_grad()
def test_a_view_without_a_part_does_not_count() -> None:
    model, one, other = made(HeadConfig()), random_view(2, 5), random_view(2, 5, seed=1)
    other.seen[:, :, :42] = False
    alone, both = (all_features(model.encoders, views)["joint"] for views in ([one], [one, other]))
    torch.testing.assert_close(both.f["hand"], alone.f["hand"])
    trunk = all_features(model.encoders, [other])["joint"].f["trunk"]
    torch.testing.assert_close(both.f["trunk"], (alone.f["trunk"] + trunk) / 2)
    assert both.has["hand"].all()
    nothing = all_features(model.encoders, [other, other])["joint"]
    assert not nothing.has["hand"].any()
    assert not nothing.f["hand"].any()


def test_features_are_the_branches_own() -> None:
    model, view = made(HeadConfig()), random_view(2, 5)
    found = branch_features(model.encoders, [view], ("hand",))
    torch.testing.assert_close(found["joint"], model.encoders["joint"](*view).f["hand"])
