"""What Lightning runs at each step: pre-training and fine-tuning as tasks."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from twinsign import distributed
from twinsign.nn.classifier import Classifier
from twinsign.nn.config import PARTS
from twinsign.nn.features import fixed_views
from twinsign.nn.norm import statistics
from twinsign.runs.recipe import ClassifyConfig, OptimiserConfig, PretrainConfig, Recipe
from twinsign.ssl.config import FUSED
from twinsign.ssl.contrast import PretrainOutput
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train.averages import Averages
from twinsign.train.optim import optimiser_and_schedule
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipBatchSampler, seeded_generator
from twinsign.views.clips import Clips, View

ACCURACY_EVERY = 10
"""Batches between measurements of the InfoNCE accuracy."""
STOPS = (signal.SIGINT, signal.SIGTERM)
"""Signals that end a training after the step."""
CHECKPOINT_KEY = "twinsign"
"""Our own entry in a checkpoint."""


class Report(NamedTuple):
    """A batch's number, rows (B), clips over all processes, and named values (n), the same on every process.

    After the named ones stand the share of processes that each of `STOPS` has reached.
    """

    number: int
    rows: Tensor
    clips: int
    names: tuple[str, ...]
    values: Tensor


class TrainingModule(pl.LightningModule):
    """What both trainings share: the optimiser and random numbers that depend on (seed, batch number) alone."""

    def __init__(self, module: torch.nn.Module, optimiser: OptimiserConfig, seed: int) -> None:
        super().__init__()
        self.module, self.optimiser, self.seed = module, optimiser, seed
        self.epochs, self.accumulate, self.batches = 1, 1, ClipBatchSampler(1, 1, shuffle=False)
        self.number, self.place = 0, (0, 1)
        self.averages, self.validated = Averages(), Averages()
        self.latest: Report | None = None
        self.stop_by: int | None = None
        """The signal that this process got."""

    def trained(self) -> torch.nn.Module:
        """The part that the optimiser moves."""
        return self.module

    def all_used(self) -> bool:
        """Whether every trained parameter takes part in the loss."""
        return True

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser, its schedule stepped once a step."""
        # Asking the trainer for its length here would set up the loader before its place in the order is restored.
        steps = self.steps_per_epoch()
        optimiser, schedule = optimiser_and_schedule(self.trained(), self.optimiser, self.epochs * steps, steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def steps_per_epoch(self) -> int:
        """Return the number of optimiser steps in an epoch."""
        return math.ceil(len(self.batches) / self.accumulate)

    def on_train_batch_start(self, batch: Clips, batch_idx: int) -> None:
        """Seed dropout by the batch's number and the process, so that resuming needs no generator's state."""
        self.number = self.current_epoch * len(self.batches) + batch_idx
        self.place = self.batches.place(batch_idx)
        torch.manual_seed(seeded_generator(self.seed, 0, self.number, self.global_rank).initial_seed())

    def views(self, batch: Clips, config: PretrainConfig | ClassifyConfig, count: int) -> list[View]:
        """Augmented views, drawn for the batch of all processes, whoever has which of its clips."""
        draws = seeded_generator(self.seed, 1, self.number)
        return [random_view(batch, config.augment, config.frames, draws, self.place) for _ in range(count)]

    def to_step(self, loss: Tensor, batch_idx: int) -> Tensor:
        """The loss as it counts in its step: the trainer divides by `accumulate`, also where a last step has fewer."""
        first = batch_idx - batch_idx % self.accumulate
        return loss * (self.accumulate / min(self.accumulate, len(self.batches) - first))

    def report(self, batch: Clips, values: Mapping[str, Tensor]) -> None:
        """Note a batch's values, the mean over the processes of each (of the loss first), and who was asked to stop."""
        stops = torch.tensor([float(self.stop_by == number) for number in STOPS], device=batch.xy.device)
        vector = distributed.all_reduce_mean(
            torch.cat([torch.stack([value.detach().float() for value in values.values()]), stops])
        )
        self.log("loss", vector[0], on_step=True, on_epoch=False, prog_bar=True, batch_size=len(batch))
        self.latest = Report(self.number, batch.index, self.place[1], tuple(values), vector)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Where the training stands, and by how many processes it came there."""
        checkpoint[CHECKPOINT_KEY] = {
            "batches": self.number + 1,
            "sums": self.averages.sums,
            "together": self.step_size(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The means of the epoch so far."""
        self.averages.sums = dict(checkpoint.get(CHECKPOINT_KEY, {}).get("sums", {}))

    def step_size(self) -> dict[str, int]:
        """Return the numbers of processes and batches that make one optimiser step."""
        return {"processes": self.batches.part[1], "accumulate": self.accumulate}


class PretrainModule(TrainingModule):
    """Self-supervised pre-training of a Pretrainer."""

    module: Pretrainer

    def __init__(self, module: Pretrainer, config: PretrainConfig, seed: int) -> None:
        super().__init__(module, config.optimiser, seed)
        self.config = config
        self.outputs: list[PretrainOutput] = []
        """Of the step's batches so far."""

    def trained(self) -> torch.nn.Module:
        """The query branches."""
        return self.module.query

    def all_used(self) -> bool:
        """Whether the heads look at both parts."""
        heads = {*self.module.objective.heads}
        return FUSED in heads or {*PARTS} <= heads

    def training_step(self, batch: Clips, batch_idx: int) -> Tensor:
        """Return the loss of two views; their keys enter the banks after the optimiser's step."""
        out: PretrainOutput = self.module(*self.views(batch, self.config, 2))
        values = {"loss": out.loss, **out.terms}
        if batch_idx % ACCURACY_EVERY == 0:
            values["infonce_top1"] = 100 * self.module.contrast_accuracy(out)
        self.report(batch, values)
        self.outputs.append(out._replace(loss=out.loss.detach(), queries={}, total=self.place[1]))
        return self.to_step(out.loss, batch_idx)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take the optimiser's step, then update memory banks and key encoders."""
        super().optimizer_step(*args, **kwargs)
        self.module.update(*self.outputs)
        self.outputs = []


class ClassifyModule(TrainingModule):
    """Fine-tuning of a Classifier; per-instance top-1 on val each epoch."""

    module: Classifier

    def __init__(self, module: Classifier, recipe: Recipe, seed: int) -> None:
        super().__init__(module, recipe.finetune.optimiser, seed)
        self.config = recipe.finetune
        self.fixed_views = fixed_views(recipe.windows, self.config.frames)
        self.scored = torch.zeros(3, dtype=torch.float64)
        """Of val so far, on this process: right guesses, summed loss, clips."""

    def all_used(self) -> bool:
        """Whether the classifier looks at both parts."""
        return {*PARTS} <= {*self.module.head.parts}

    def training_step(self, batch: Clips, batch_idx: int) -> Tensor:
        """One view, cross entropy of the joined logits."""
        logits = self.module(*self.views(batch, self.config, 1)).float()
        each = self.place[1] / distributed.world_size()  # the mean over the processes is the mean over all clips
        smoothing = self.config.label_smoothing
        loss = F.cross_entropy(logits, batch.label, label_smoothing=smoothing, reduction="sum") / each
        right = (logits.argmax(dim=1) == batch.label).sum()
        self.report(batch, {"loss": loss, "train_top1": 100 * right / each})
        return self.to_step(loss, batch_idx)

    def on_validation_epoch_start(self) -> None:
        """Start counting; norms that were not shared become the first process's, as they are saved."""
        self.scored = torch.zeros_like(self.scored)
        distributed.broadcast(statistics(self.module))

    def validation_step(self, batch: Clips, batch_idx: int) -> None:
        """Top-1 and loss on the test views."""
        logits = self.module(*self.fixed_views(batch)).float()
        right = (logits.argmax(dim=1) == batch.label).sum()
        loss = F.cross_entropy(logits, batch.label, reduction="sum")
        self.scored += torch.stack([right, loss, torch.tensor(len(batch), device=loss.device)]).double().cpu()

    def on_validation_epoch_end(self) -> None:
        """Top-1 in percent and loss over all processes' clips."""
        right, loss, clips = distributed.all_reduce_sum(self.scored.to(self.device)).tolist()
        means = {"val_top1": 100 * right / clips, "val_loss": loss / clips}
        self.validated.clear()
        self.validated.add(means, 1)
        self.log_dict({name: torch.tensor(value) for name, value in means.items()}, prog_bar=True)
