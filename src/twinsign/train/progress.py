"""One line that shows how far a training is: step, loss, clips a second and the time left."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twinsign.terminal import errors
from twinsign.train.tasks import TrainingModule

REFRESH = 0.5
"""Seconds between two looks at the loss, for each of which a GPU has to be waited for."""


class ProgressLine(Callback):
    """Shows the progress of a training on stderr, in 80 columns, where that is a terminal."""

    def __init__(self, task: TrainingModule) -> None:
        self.task = task
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=errors,
            disable=not errors.is_terminal,
            transient=True,
        )
        self.clips, self.since = 0, time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the line, from the step that the training resumes from."""
        if trainer.is_global_zero:
            total = self.task.epochs * self.task.steps_per_epoch()
            self.line = self.progress.add_task("", total=total, completed=trainer.global_step, status="")
            self.progress.start()
            self.since = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Move the line on; loss and rate twice a second."""
        self.clips += self.task.place[1]
        seconds = time.monotonic() - self.since
        if not self.progress.live.is_started or seconds < REFRESH or self.task.latest is None:
            return
        status = f"loss {float(self.task.latest.values[0]):.3g}  {self.clips / seconds:.3g} clips/s "
        epoch = f"epoch {min(trainer.current_epoch + 1, self.task.epochs)} of {self.task.epochs}"
        self.progress.update(self.line, description=epoch, completed=trainer.global_step, status=status)
        self.clips, self.since = 0, time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the line away."""
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Take the line away."""
        self.progress.stop()
