"""Counts of operations against the usual form's own count, and what makes a host wait."""

from __future__ import annotations

import pytest
import torch
from helpers import reference_module
from helpers.tiny_configs import ENCODER, OBJECTIVE, random_view
from torch.utils.flop_counter import FlopCounterMode

from twinsign.bench.count import kernels_of, reference_gflop
from twinsign.nn.encoder import Encoder
from twinsign.ssl.pretrain import Pretrainer


@pytest.mark.parametrize("backward", [True, False])
def test_operations_are_those_of_the_usual_form(backward: bool) -> None:
    own, view = Encoder(ENCODER), random_view(3, 8)
    other = reference_module.load().reference_of(own)

    def run(encoder: torch.nn.Module) -> None:
        with torch.set_grad_enabled(backward):
            out = encoder(*view).whole().sum()
            if backward:
                out.backward()

    with FlopCounterMode(display=False) as counter:
        run(other)
    # torch's counter knows no fused attention on a CPU: two products of T x T x width a block, and their gradients
    attention = sum(2 * 2 * 3 * 8**2 * width * ENCODER.depth for width in (2 * ENCODER.width, ENCODER.width))
    whole = counter.get_total_flops() + attention * (3 if backward else 1)
    assert reference_gflop(lambda: run(own), own) == pytest.approx(whole / 1e9, rel=0.002)


def test_a_pretraining_step_never_makes_the_host_wait() -> None:
    torch.manual_seed(0)
    model = Pretrainer(ENCODER, OBJECTIVE)
    views = [random_view(4, 8, seed) for seed in (0, 1)]

    def step() -> None:
        out = model(*views)
        out.loss.backward()
        model.enqueue(out.keys)
        model.update_keys()

    found = kernels_of(step)
    assert found.waiting() == {}
    assert sum(found.counts.values()) > 1000
    assert kernels_of(lambda: float(torch.ones(1))).waiting() == {"_local_scalar_dense": 1}
    assert kernels_of(lambda: torch.ones(3).nonzero()).waiting() == {"nonzero": 1}
