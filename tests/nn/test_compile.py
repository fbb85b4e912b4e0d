"""A compiled encoder against the eager one, in mixed precision, where compilers have gone wrong (needs C++)."""

from __future__ import annotations

import copy
import shutil

import pytest
import torch
from helpers.tiny_configs import ENCODER, random_view
from torch import Tensor, nn

from twinsign.nn.encoder import Encoder
from twinsign.nn.networks import compile_encoders
from twinsign.views.clips import View


def learn(encoder: Encoder, view: View, mixed: bool) -> Tensor:
    """Features and gradients of a training step, end to end."""
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        features = encoder(*view).whole()
    weights = torch.randn(features.shape, generator=torch.Generator().manual_seed(2))
    (features.float() * weights).sum().backward()
    grads = [value.grad.flatten() for value in encoder.parameters() if value.grad is not None]
    return torch.cat([features.detach().float().flatten(), *grads])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's compiler has many of its own
def test_it_errs_no_more_than_the_eager_one_does() -> None:
    if shutil.which("g++") is None and shutil.which("clang++") is None:
        pytest.skip("no C++ compiler on this machine")
    torch.manual_seed(0)
    eager, view = Encoder(ENCODER), random_view(6, 8, seed=1)
    compiled, mixed = copy.deepcopy(eager), copy.deepcopy(eager)
    compile_encoders(nn.ModuleDict({"joint": compiled}))
    assert list(compiled.state_dict()) == list(eager.state_dict())
    exact = learn(eager, view, mixed=False)
    errors = [(learn(one, view, mixed=True) - exact).norm() / exact.norm() for one in (mixed, compiled)]
    assert errors[1] < 1.5 * errors[0]  # NaN fails
