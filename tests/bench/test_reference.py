"""The encoder's formulation against the usual one (benchmarks/reference.py): same outputs, same gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers import reference_module
from helpers.tiny_configs import ENCODER, random_view
from torch import Tensor, nn

from twinsign.nn.config import EncoderConfig
from twinsign.nn.encoder import Encoder
from twinsign.nn.gcn import GraphConv

SIZES = {"tiny": ENCODER, "deeper": replace(ENCODER, joint_widths=(8, 12, 12), part_widths=(16, 24), depth=2, heads=4)}


def pair(config: EncoderConfig, training: bool) -> tuple[Encoder, nn.Module]:
    """An encoder with weights off their starting values, and the usual form with the same."""
    torch.manual_seed(1)
    own = Encoder(config).double()
    with torch.no_grad():
        for value in own.parameters():
            value.add_(0.05 * torch.randn_like(value))
    return own.train(training), reference_module.load().reference_of(own).double().train(training)


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("training", [True, False])
def test_features_agree(size: str, training: bool) -> None:
    own, other = pair(SIZES[size], training)
    view = random_view(4, 9, seen_rate=0.5)
    ours, theirs = (one(view.xy.double(), view.seen) for one in (own, other))
    for part in ours.f:
        assert torch.allclose(ours.f[part], theirs.f[part], atol=1e-5)
        assert torch.equal(ours.has[part], theirs.has[part])


def test_gradients_agree() -> None:
    own, other = (one.float() for one in pair(ENCODER, True))
    view = random_view(4, 9)
    inputs = [view.xy.clone().requires_grad_() for _ in range(2)]
    for one, xy in zip((own, other), inputs, strict=True):
        one(xy, view.seen).whole().square().sum().backward()
    bound = 1e-5
    first, second = (one.grad for one in inputs)
    assert relative(first, second) < bound
    mine, theirs = own.net["hand"].joint_blocks[1], other.net["hand"].joints[1]
    graph: GraphConv = mine.conv
    weight = theirs.conv.conv.weight.grad.flatten(1)  # subsets * width, C
    width = graph.linear.weight.shape[0]
    assert relative(graph.linear.weight.grad, weight.view(4, width, -1).transpose(0, 1).flatten(1)) < bound
    qkv = own.transformer["hand"].blocks[0].qkv.weight.grad
    assert relative(qkv, other.transformer["hand"].blocks[0].self_attn.in_proj_weight.grad) < bound


def relative(one: Tensor | None, other: Tensor | None) -> float:
    assert one is not None
    assert other is not None
    return float((one - other).abs().max() / other.abs().max())
