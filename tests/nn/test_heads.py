"""The projection head."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from twinsign.nn.heads import Projector


def test_projector_is_an_mlp_onto_the_unit_sphere() -> None:
    torch.manual_seed(0)
    head, x = Projector(6, 10, 4), torch.randn(3, 6)
    state = head.state_dict()
    assert [tuple(value.shape) for value in state.values()] == [(10, 6), (10,), (4, 10), (4,)]
    first, bias, second, out = state.values()
    wanted = F.relu(x @ first.T + bias) @ second.T + out
    wanted = wanted / wanted.square().sum(dim=1, keepdim=True).sqrt()
    torch.testing.assert_close(head(x), wanted)


def test_projector_gives_float32_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = Projector(6, 10, 4)(torch.randn(3, 6))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
