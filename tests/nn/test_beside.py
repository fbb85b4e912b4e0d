"""Networks side by side: each computes what it does alone."""

from __future__ import annotations

from dataclasses import replace

import torch

from twinsign.nn.baselines import ConvGru
from twinsign.nn.beside import SideBySide, side_by_side
from twinsign.nn.classifier import Classifier
from twinsign.nn.config import PARTS, EncoderConfig, HeadConfig
from twinsign.nn.networks import build_encoder, check_features
from twinsign.pose.layout import HANDS, TRUNK
from twinsign.runs.recipe import load_recipe, recipe_from
from twinsign.views.clips import View

SMALL = EncoderConfig(
    joint_widths=(8,), part_widths=(16,), temporal_blocks=1, feed_forward={"hand": 16, "trunk": 16}, heads=2, depth=1
)
GRU = EncoderConfig(network="conv_gru", joint_widths=(8, 8), part_widths=(24,))


def poses() -> tuple[torch.Tensor, torch.Tensor]:
    """Four clips: all of a body, no trunk, no hand, nothing."""
    generator = torch.Generator().manual_seed(0)
    xy, seen = torch.rand(4, 12, 49, 2, generator=generator), torch.ones(4, 12, 49, dtype=torch.bool)
    seen[1, :, TRUNK] = False
    seen[2, :, HANDS] = False
    seen[3] = False
    return xy, seen


def test_features_stand_side_by_side_and_parts_are_shown_where_either_network_shows_them() -> None:
    both = build_encoder(replace(SMALL, beside=GRU)).eval()
    first, second = side_by_side(both)
    assert isinstance(second, ConvGru)
    features, one, other = (network(*poses()) for network in (both, first, second))
    check_features(features, both)
    for part in PARTS:
        assert torch.equal(features.f[part], torch.cat([one.f[part], other.f[part]], dim=1))
    assert features.has["hand"].tolist() == [True, True, True, False], "the second one's feature is of all joints"
    assert features.has["trunk"].tolist() == one.has["trunk"].tolist() == [True, False, True, False]


def test_one_layer_on_both_adds_their_logits() -> None:
    head = HeadConfig(branches=("joint",))
    whole = Classifier(replace(SMALL, beside=replace(GRU, beside=SMALL)), head, 5).eval()
    view = View(*poses())
    logits, start = torch.zeros(4, 5), 0
    for network in side_by_side(whole.encoders["joint"]):
        alone = Classifier({"joint": network}, head, 5).eval()
        alone.fc["joint"].weight.data = whole.fc["joint"].weight[:, start : start + network.width]
        alone.fc["joint"].bias.data.zero_()
        logits, start = logits + alone(view), start + network.width
    assert torch.allclose(whole(view), logits + whole.fc["joint"].bias, atol=1e-5)
    assert len(side_by_side(whole.encoders["joint"])) == 3
    assert isinstance(whole.encoders["joint"], SideBySide)


def test_a_recipe_names_networks_beside_each_other_and_those_without_stay_as_they_were() -> None:
    recipe = load_recipe("demo")
    assert "beside" not in recipe.as_dict()["encoder"]
    wider = replace(recipe, encoder=replace(recipe.encoder, beside=GRU))
    assert recipe_from(wider.as_dict()) == wider
    nested = replace(wider, encoder=replace(wider.encoder, beside=replace(GRU, beside=SMALL)))
    assert recipe_from(nested.as_dict()) == nested
