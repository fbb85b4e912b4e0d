"""Optimisers and learning-rate schedules of a recipe (paper, Sec. IV-A)."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from twinsign.runs.recipe import OptimiserConfig


def optimiser_and_schedule(
    module: nn.Module, config: OptimiserConfig, steps: int, steps_per_epoch: int
) -> tuple[Optimizer, LambdaLR]:
    """The optimiser of a module's trainable parameters and its schedule, stepped once a batch (paper, Sec. IV-A)."""
    trainable = [value for value in module.parameters() if value.requires_grad]
    # In mixed precision the trainer refuses to clip before a fused step.
    fused = config.clip is None and _can_fuse(trainable)
    optimiser: Optimizer
    if config.name == "sgd":
        optimiser = SGD(
            trainable,
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=fused,
        )
    else:
        groups = [
            {"params": [value for value in trainable if value.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [value for value in trainable if value.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = AdamW(groups, lr=config.lr, fused=fused)
    return optimiser, LambdaLR(optimiser, lambda step: rate(config, step, steps, steps_per_epoch))


def rate(config: OptimiserConfig, step: int, steps: int, steps_per_epoch: int) -> float:
    """The factor on the learning rate before this step (paper, Sec. IV-A; cosine and warm-up: ours)."""
    warm = config.warmup * steps
    rise = min(1.0, (step + 1) / warm) if warm >= 1 else 1.0
    if config.schedule == "cosine":
        return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps))))
    passed = sum(step >= milestone * steps_per_epoch for milestone in config.milestones)
    return float(rise * config.gamma**passed)


def _can_fuse(parameters: list[nn.Parameter]) -> bool:
    return all(value.device.type in ("cpu", "cuda") and torch.is_floating_point(value) for value in parameters)
