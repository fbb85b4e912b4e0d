"""What Lightning runs at each step: pre-training and fine-tuning as tasks."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from twinsign.errors import InputError
from twinsign.optim import optimiser_and_schedule
from twinsign.recipe import ClassifyConfig, OptimiserConfig, PretrainConfig
from twinsign.recognise.classify import Classifier
from twinsign.recognise.embed import test_view
from twinsign.ssl.pretrain import Pretrainer
from twinsign.views.augment import random_view
from twinsign.views.batches import generator_at
from twinsign.views.clips import Clips

ACCURACY_EVERY = 10
"""Steps between measurements of the InfoNCE accuracy."""


class Task(pl.LightningModule):
    """What both trainings share: the optimiser and random numbers that depend on (seed, step) alone."""

    def __init__(self, module: torch.nn.Module, optimiser: OptimiserConfig, seed: int) -> None:
        super().__init__()
        self.module, self.optimiser, self.seed = module, optimiser, seed
        self.epochs, self.epoch_steps = 1, 1

    def trained(self) -> torch.nn.Module:
        """The part that the optimiser moves."""
        return self.module

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser, its schedule stepped once a batch."""
        # Asking the trainer for its length here would set up the loader before its place in the order is restored.
        steps = self.epochs * self.epoch_steps
        optimiser, schedule = optimiser_and_schedule(self.trained(), self.optimiser, steps, self.epoch_steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_batch_start(self, batch: Clips, batch_idx: int) -> None:
        """Seed dropout by the step, so that resuming needs no generator's state."""
        torch.manual_seed(generator_at(self.seed, 0, self.global_step, self.global_rank).initial_seed())

    def draws(self) -> torch.Generator:
        """This step's generator of augmentations."""
        return generator_at(self.seed, 1, self.global_step, self.global_rank)

    def checked(self, loss: Tensor) -> Tensor:
        """The loss; InputError at one that is no longer a number, looked at every few steps (it costs a wait)."""
        if self.global_step % ACCURACY_EVERY == 0 and not bool(torch.isfinite(loss)):
            found = f"a loss of {loss.item()} at step {self.global_step}"
            raise InputError(found, "a finite loss", hint="Lower the learning rate, or set optimiser.clip.")
        return loss


class PretrainTask(Task):
    """Self-supervised pre-training of a Pretrainer."""

    module: Pretrainer

    def __init__(self, module: Pretrainer, config: PretrainConfig, seed: int) -> None:
        super().__init__(module, config.optimiser, seed)
        self.config = config

    def trained(self) -> torch.nn.Module:
        """The query branches."""
        return self.module.query

    def training_step(self, batch: Clips, batch_idx: int) -> Tensor:
        """Two views, the loss, the keys into the banks."""
        draws = self.draws()
        views = [random_view(batch, self.config.augment, self.config.frames, draws) for _ in range(2)]
        out = self.module(*views)
        count = len(batch)
        self.log("loss", out.loss.detach(), on_step=True, on_epoch=True, prog_bar=True, batch_size=count)
        self.log_dict(out.terms, on_step=False, on_epoch=True, batch_size=count)
        if batch_idx % ACCURACY_EVERY == 0:
            right = self.module.contrast_accuracy(out)
            self.log("infonce_top1", 100 * right, on_step=False, on_epoch=True, prog_bar=True, batch_size=count)
        self.module.enqueue(out.keys)
        return self.checked(out.loss)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """The optimiser's step, then the keys follow the queries."""
        super().optimizer_step(*args, **kwargs)
        self.module.update_keys()


class ClassifyTask(Task):
    """Fine-tuning of a Classifier; per-instance top-1 on val each epoch."""

    module: Classifier

    def __init__(self, module: Classifier, config: ClassifyConfig, seed: int) -> None:
        super().__init__(module, config.optimiser, seed)
        self.config = config

    def training_step(self, batch: Clips, batch_idx: int) -> Tensor:
        """One view, cross entropy of the joined logits."""
        logits = self.module(random_view(batch, self.config.augment, self.config.frames, self.draws()))
        loss = F.cross_entropy(logits.float(), batch.label, label_smoothing=self.config.label_smoothing)
        right = 100 * (logits.argmax(dim=1) == batch.label).float().mean()
        self.log("loss", loss.detach(), on_step=True, on_epoch=True, prog_bar=True, batch_size=len(batch))
        self.log("train_top1", right, on_step=False, on_epoch=True, batch_size=len(batch))
        return self.checked(loss)

    def validation_step(self, batch: Clips, batch_idx: int) -> None:
        """Top-1 and loss on the test view."""
        logits = self.module(test_view(self.config.frames)(batch)).float()
        right = 100 * (logits.argmax(dim=1) == batch.label).float().mean()
        self.log("val_top1", right, prog_bar=True, batch_size=len(batch))
        self.log("val_loss", F.cross_entropy(logits, batch.label), batch_size=len(batch))
