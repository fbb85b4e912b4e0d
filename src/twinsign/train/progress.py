"""How far a training is: step, loss, clips a second and the time left; a moving line, or a line a minute in a log."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twinsign.terminal import errors
from twinsign.train.tasks import TrainingModule

REFRESH = 0.5
"""Seconds between two looks at the loss, for each of which a GPU has to be waited for."""
LOG_EVERY = 60.0
"""Seconds between two lines where they do not go to a terminal."""


class ProgressLine(Callback):
    """Shows the progress of a training on stderr in 80 columns: on a terminal one line, elsewhere one a minute."""

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
        self.every = REFRESH if errors.is_terminal else LOG_EVERY

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the line, from the step that the training resumes from."""
        self.first = trainer.global_step
        self.total = self.task.epochs * self.task.steps_per_epoch()
        self.started = self.since = time.monotonic()
        if trainer.is_global_zero:
            self.line = self.progress.add_task("", total=self.total, completed=trainer.global_step, status="")
            self.progress.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Move the line on, or write one; loss and rate of the time since the last."""
        self.clips += self.task.place[1]
        seconds = time.monotonic() - self.since
        if not trainer.is_global_zero or seconds < self.every or self.task.latest is None:
            return
        status = f"loss {float(self.task.latest.values[0]):.3g}  {self.clips / seconds:.3g} clips/s "
        epoch = f"epoch {min(trainer.current_epoch + 1, self.task.epochs)} of {self.task.epochs}"
        if errors.is_terminal:
            self.progress.update(self.line, description=epoch, completed=trainer.global_step, status=status)
        else:
            steps = f"step {trainer.global_step} of {self.total}"
            errors.print(
                f"{epoch}  {steps}  {status} {self.time_left(trainer.global_step)}", highlight=False, soft_wrap=True
            )
        self.clips, self.since = 0, time.monotonic()

    def time_left(self, step: int) -> str:
        """The time that the steps which are left take at the mean pace since the start, in words."""
        pace = (time.monotonic() - self.started) / max(1, step - self.first)
        return f"{timedelta(seconds=round(pace * (self.total - step)))} left"

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the line away."""
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Take the line away."""
        self.progress.stop()
