"""Stages, memory, counts of operations against the usual form's own count, and what makes a host wait."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from helpers import reference_module
from helpers.tiny_configs import ENCODER, OBJECTIVE, random_view
from torch.utils.flop_counter import FlopCounterMode

from twinsign.bench.profiling import StageTimer, count_kernels, host_waits, most_resident_mb, reference_gflop
from twinsign.nn.encoder import Encoder
from twinsign.ssl.pretrain import Pretrainer

CPU = torch.device("cpu")


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

    kernels = count_kernels(step)
    assert host_waits(kernels) == {}
    assert kernels.total() > 1000
    assert host_waits(count_kernels(lambda: float(torch.ones(1)))) == {"_local_scalar_dense": 1}
    assert host_waits(count_kernels(lambda: torch.ones(3).nonzero())) == {"nonzero": 1}


def test_stages_are_medians_in_milliseconds() -> None:
    timer = StageTimer(CPU)
    timer.seconds = {"a": [9.0, 0.1, 0.3, 0.2], "b": [9.0, 0.004]}
    assert timer.milliseconds(1) == {"a": 200.0, "b": 4.0}
    run = timer.stage("c")(lambda first, second=0: first + second)
    assert run(3, second=4) == 7
    assert run(3) == 3
    assert len(timer.seconds["c"]) == 2


def test_memory_is_this_processs_own() -> None:
    before = most_resident_mb()
    held = bytearray(200_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert most_resident_mb() >= max(before, 200)
    fresh = subprocess.run(
        [sys.executable, "-c", "from twinsign.bench.profiling import most_resident_mb; print(most_resident_mb())"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert float(fresh.stdout) < most_resident_mb()
