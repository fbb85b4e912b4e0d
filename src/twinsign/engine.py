"""Training on Lightning: pre-training and fine-tuning tasks, their callbacks, and one `fit` that resumes.

The only file that knows the Trainer: loops, devices, precision, checkpoints, progress bars and loggers are Lightning's.
"""

from __future__ import annotations

import json
import logging
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from twinsign.errors import InputError
from twinsign.files import atomic, write_text
from twinsign.optim import optimiser_and_schedule
from twinsign.recipe import ClassifyConfig, OptimiserConfig, PretrainConfig, TrainerConfig
from twinsign.recognise.classify import Classifier
from twinsign.recognise.embed import test_view
from twinsign.run import CHECKPOINTS, METRICS, read_metrics
from twinsign.ssl.pretrain import Pretrainer
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipLoader, generator_at
from twinsign.views.clips import Clips

ACCURACY_EVERY = 10
"""Steps between measurements of the InfoNCE accuracy."""


class Task(pl.LightningModule):
    """What both trainings share: the optimiser and random numbers that depend on (seed, step) alone."""

    def __init__(self, module: torch.nn.Module, optimiser: OptimiserConfig, seed: int) -> None:
        super().__init__()
        self.module, self.optimiser, self.seed = module, optimiser, seed

    def trained(self) -> torch.nn.Module:
        """The part that the optimiser moves."""
        return self.module

    def configure_optimizers(self) -> Any:
        """The recipe's optimiser, its schedule stepped once a batch."""
        steps = int(self.trainer.estimated_stepping_batches)
        per_epoch = max(1, int(self.trainer.num_training_batches))
        optimiser, schedule = optimiser_and_schedule(self.trained(), self.optimiser, steps, per_epoch)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_batch_start(self, batch: Clips, batch_idx: int) -> None:
        """Seed dropout by the step, so that resuming needs no generator's state."""
        torch.manual_seed(generator_at(self.seed, 0, self.global_step, self.global_rank).initial_seed())

    def draws(self) -> torch.Generator:
        """This step's generator of augmentations."""
        return generator_at(self.seed, 1, self.global_step, self.global_rank)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Stop at a loss that is no longer a number."""
        loss = self.trainer.callback_metrics.get("loss")
        if self.global_step % ACCURACY_EVERY == 0 and loss is not None and not bool(torch.isfinite(loss)):
            found = f"a loss of {float(loss)} at step {self.global_step}"
            raise InputError(found, "a finite loss", hint="Lower the learning rate, or set optimiser.clip.")


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
        loss: Tensor = out.loss
        return loss

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
        return loss

    def validation_step(self, batch: Clips, batch_idx: int) -> None:
        """Top-1 and loss on the test view."""
        logits = self.module(test_view(self.config.frames)(batch)).float()
        right = 100 * (logits.argmax(dim=1) == batch.label).float().mean()
        self.log("val_top1", right, prog_bar=True, batch_size=len(batch))
        self.log("val_loss", F.cross_entropy(logits, batch.label), batch_size=len(batch))


class Checkpoints(Callback):
    """last.ckpt every so many steps and at each epoch's end; best.ckpt where val top-1 rises. Each is whole or absent."""

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every, self.best = folder, every, -math.inf

    def state_dict(self) -> dict[str, Any]:
        """The best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best = state_dict["best"]

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Save every so many steps."""
        if self.every and trainer.global_step % self.every == 0:
            self._save(trainer, "last.ckpt")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the best epoch's weights."""
        value = trainer.callback_metrics.get("val_top1")
        if value is not None and float(value) > self.best:
            self.best = float(value)
            self._save(trainer, "best.ckpt")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save at each epoch's end."""
        self._save(trainer, "last.ckpt")

    def _save(self, trainer: pl.Trainer, name: str) -> None:
        with atomic(self.folder / name) as temporary:
            trainer.save_checkpoint(temporary)
            if not trainer.is_global_zero:
                temporary.touch()


class Journal(Callback):
    """metrics.jsonl: a row an epoch, and what `measure` finds every so many epochs."""

    def __init__(self, out: Path, measure: Callable[[], dict[str, float]] | None = None, every: int = 0) -> None:
        self.out, self.measure, self.every = out, measure, every
        self.started = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Drop rows past the step resumed from, and note it."""
        if not trainer.is_global_zero:
            return
        rows = [row for row in read_metrics(self.out) if row["step"] <= trainer.global_step]
        if trainer.global_step:
            rows.append({"step": trainer.global_step, "resumed_from_step": trainer.global_step})
        self.write_all(rows)

    def write_all(self, rows: list[dict[str, Any]]) -> None:
        """Write these rows, in place of what was there."""
        write_text(self.out / METRICS, "".join(json.dumps(row) + "\n" for row in rows))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch's row."""
        if not trainer.is_global_zero:
            return
        row: dict[str, Any] = {"step": trainer.global_step, "epoch": trainer.current_epoch}
        row |= {k: round(float(v), 5) for k, v in trainer.callback_metrics.items() if not k.endswith("_step")}
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        row["minutes"] = round((time.monotonic() - self.started) / 60, 3)
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if self.measure and self.every and (last or (trainer.current_epoch + 1) % self.every == 0):
            row |= self.measure()
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def fit(
    task: Task,
    train: ClipLoader,
    val: ClipLoader | None,
    out: Path,
    config: TrainerConfig,
    epochs: int,
    clip: float | None,
    journal: Journal,
) -> None:
    """Train in `out`, going on from its last checkpoint where there is one (ours)."""
    quiet()
    if config.threads:
        torch.set_num_threads(config.threads)
    checkpoints = out / CHECKPOINTS
    callbacks: list[Callback] = [journal, Checkpoints(checkpoints, config.save_every)]
    callbacks += [RichProgressBar()] if config.progress else []
    trainer = pl.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        precision=config.precision,
        max_epochs=epochs,
        gradient_clip_val=clip,
        callbacks=callbacks,
        logger=TensorBoardLogger(str(out), name="", version="tensorboard"),
        default_root_dir=str(out),
        enable_checkpointing=False,
        enable_progress_bar=config.progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=min(50, len(train)),
    )
    last = checkpoints / "last.ckpt"
    # Checkpoints are this run's own; states of callbacks and loops need more than tensors.
    trainer.fit(task, train, val, ckpt_path=str(last) if last.is_file() else None, weights_only=False)
    if trainer.interrupted:
        raise KeyboardInterrupt


def load_best(task: Task, out: Path) -> None:
    """Put the weights of the best epoch on val back into the task."""
    best = out / CHECKPOINTS / "best.ckpt"
    if best.is_file():
        task.load_state_dict(torch.load(best, map_location="cpu", weights_only=False)["state_dict"])


def quiet() -> None:
    """Silence Lightning's start-up lines and its advice about worker processes (reading a pack needs none)."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.accelerators.cuda").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
