"""Learning rates step by step, and which parameters are decayed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from twinsign.runs.recipe import OptimiserConfig
from twinsign.train.optim import optimiser_and_schedule, rate


def rates(config: OptimiserConfig, steps: int, per_epoch: int) -> list[float]:
    """The learning rates that a training really uses."""
    optimiser, schedule = optimiser_and_schedule(nn.Linear(2, 2), config, steps, per_epoch)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


def test_the_papers_steps() -> None:
    found = rates(OptimiserConfig(lr=0.01, milestones=(50, 100)), 150 * 3, 3)
    assert found[: 50 * 3] == [0.01] * 150
    assert found[50 * 3 : 100 * 3] == pytest.approx([0.001] * 150)
    assert found[100 * 3 :] == pytest.approx([0.0001] * 150)


def test_cosine_with_warm_up() -> None:
    config = OptimiserConfig(lr=2.0, schedule="cosine", warmup=0.25)
    found = rates(config, 40, 10)
    for step, value in enumerate(found):
        rise = min(1.0, (step + 1) / 10)
        assert value == pytest.approx(2.0 * rise * (1 + math.cos(math.pi * step / 40)) / 2)
    assert found[0] > 0
    assert rate(config, 40, 40, 10) == pytest.approx(0)
    assert rate(config, 99, 40, 10) == pytest.approx(0)


@pytest.mark.parametrize("schedule", ["steps", "cosine"])
def test_one_step_in_all(schedule: str) -> None:
    config = OptimiserConfig(schedule=schedule, warmup=0.1)  # type: ignore[arg-type]
    assert rate(config, 0, 1, 1) == pytest.approx(1)


def test_decay_of_weights_only_under_adamw() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    optimiser, _ = optimiser_and_schedule(module, OptimiserConfig(name="adamw", weight_decay=0.1), 10, 5)
    assert isinstance(optimiser, AdamW)
    decayed, spared = optimiser.param_groups
    assert [value.ndim for value in decayed["params"]] == [2]
    assert (decayed["weight_decay"], spared["weight_decay"], len(spared["params"])) == (0.1, 0.0, 3)


def test_sgd_has_the_recipes_numbers_and_skips_what_is_frozen() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    module[0].requires_grad_(False)
    optimiser, _ = optimiser_and_schedule(module, OptimiserConfig(momentum=0.8, weight_decay=0.3), 10, 5)
    assert isinstance(optimiser, SGD)
    (group,) = optimiser.param_groups
    assert (group["momentum"], group["weight_decay"], group["lr"]) == (0.8, 0.3, 0.01)
    assert [value.data_ptr() for value in group["params"]] == [v.data_ptr() for v in module[1].parameters()]


def test_schedule_survives_in_its_state() -> None:
    config = OptimiserConfig(schedule="cosine")
    wanted = rates(config, 10, 5)
    module = nn.Linear(2, 2)
    optimiser, schedule = optimiser_and_schedule(module, config, 10, 5)
    for _ in range(4):
        optimiser.step()
        schedule.step()
    again, resumed = optimiser_and_schedule(module, config, 10, 5)
    again.load_state_dict(optimiser.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    found = []
    for _ in range(4, 10):
        found.append(again.param_groups[0]["lr"])
        again.step()
        resumed.step()
    assert found == wanted[4:]
    assert torch.isfinite(module.weight).all()


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_fused_unless_gradients_are_clipped(name: str) -> None:
    for clip, fused in ((None, True), (1.0, False)):
        optimiser, _ = optimiser_and_schedule(nn.Linear(2, 2), OptimiserConfig(name=name, clip=clip), 10, 5)  # type: ignore[arg-type]
        assert bool(optimiser.defaults["fused"]) is fused
