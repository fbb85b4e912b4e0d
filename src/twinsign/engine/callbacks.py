"""What a training leaves on its way: checkpoints to go on from, and a row an epoch in metrics.jsonl."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from twinsign.files import atomic, write_text
from twinsign.run import METRICS, read_metrics


class Checkpoints(Callback):
    """last.ckpt every so many steps and at each epoch's end, best.ckpt where val top-1 rises; each whole or absent."""

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
        last = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch  # The epoch's end saves, after its validation.
        if self.every and trainer.global_step % self.every == 0 and not last:
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
        if not trainer.is_global_zero:  # Every process takes part in saving; the first alone writes.
            trainer.save_checkpoint(self.folder / name, weights_only=False)
            return
        with atomic(self.folder / name) as temporary:
            trainer.save_checkpoint(temporary, weights_only=False)


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
        found = {k: round(float(v), 5) for k, v in trainer.callback_metrics.items()}
        row |= {k: v for k, v in found.items() if not k.endswith(("_step", "_epoch"))}
        row["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        row["minutes"] = round((time.monotonic() - self.started) / 60, 3)
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if self.measure and self.every and (last or (trainer.current_epoch + 1) % self.every == 0):
            row |= self.measure()
        with (self.out / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
