"""What a training leaves on its way: checkpoints to go on from, and a row an epoch in metrics.jsonl."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback

from twinsign.errors import InputError
from twinsign.files import atomic, write_text
from twinsign.runs.run import METRICS, read_metrics
from twinsign.train.tasks import TrainingModule
from twinsign.train.watch import Watch

LAST = "last.ckpt"
"""The checkpoint that a training resumes from."""


class WholeFiles(TorchCheckpointIO):
    """Checkpoints that are whole or absent, written where they will stand: a node's own /tmp may be small."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write under a temporary name, then rename; InputError where that fails."""
        try:
            with atomic(path) as temporary, temporary.open("wb") as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch wraps some errors of the file in its own
            cause = error if isinstance(error, OSError) else error.__context__ or error
            hint = "What was saved before is as it was: make room, and the same command resumes."
            raise InputError(f"no way to write ({cause})", "room for a checkpoint", file=path, hint=hint) from error


class Checkpoints(Callback):
    """last.ckpt every so many steps and at each epoch's end, best.ckpt where val top-1 rises; each whole or absent."""

    def __init__(self, folder: Path, every: int, watch: Watch) -> None:
        self.folder, self.every, self.watch, self.best = folder, every, watch, -math.inf
        self.step = 0

    def state_dict(self) -> dict[str, Any]:
        """The best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best = state_dict["best"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Know the step resumed from."""
        self.step = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Save every so many steps, and when asked to stop; only after a step, never amid its batches."""
        stepped, self.step = trainer.global_step > self.step, trainer.global_step
        last = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch  # The epoch's end saves, after its validation.
        if not stepped or last:
            return
        if self.watch.ending or (self.every and self.step % self.every == 0):
            self._save(trainer, LAST)
        self.watch.stop_if_asked(self.step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the best epoch's weights."""
        value = trainer.callback_metrics.get("val_top1")
        if value is not None and float(value) > self.best:
            self.best = float(value)
            self._save(trainer, "best.ckpt")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save at each epoch's end."""
        self._save(trainer, LAST)
        if trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self.watch.stop_if_asked(self.step)

    def _save(self, trainer: pl.Trainer, name: str) -> None:
        """Every process takes part in saving; the first alone writes."""
        self.watch.look()
        self.watch.check_weights()
        trainer.save_checkpoint(self.folder / name, weights_only=False)


class Journal(Callback):
    """metrics.jsonl: a row an epoch, and what `measure` finds every so many epochs."""

    def __init__(self, out: Path, measure: Callable[[], dict[str, float]] | None = None, every: int = 0) -> None:
        self.out, self.measure, self.every = out, measure, every
        self.started, self.before = time.monotonic(), 0.0

    def state_dict(self) -> dict[str, Any]:
        """The minutes so far."""
        return {"minutes": self.minutes()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Count on from there."""
        self.before = state_dict["minutes"]

    def minutes(self) -> float:
        """Minutes of training up to now, those before a resumption among them."""
        return self.before + (time.monotonic() - self.started) / 60

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
        task: TrainingModule = pl_module  # type: ignore[assignment]
        means = {k: round(v, 5) for k, v in (task.averages.means() | task.validated.means()).items()}
        task.averages.clear()
        if not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            logger.log_metrics({f"epoch/{name}": value for name, value in means.items()}, trainer.global_step)
        row: dict[str, Any] = {"step": trainer.global_step, "epoch": trainer.current_epoch, **means}
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        row["minutes"] = round(self.minutes(), 3)
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if self.measure and self.every and (last or (trainer.current_epoch + 1) % self.every == 0):
            row |= self.measure()
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
