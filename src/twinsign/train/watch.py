"""Ends a training in time: at a loss that is no number, with the batch to look at, and when it is asked to stop."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from twinsign import distributed
from twinsign.errors import InputError, StoppedError
from twinsign.files import write_json
from twinsign.pack.open import Pack
from twinsign.train.tasks import STOPS, Report, TrainingModule

BAD_BATCH = "bad_batch.json"
"""The clips of the batch that broke a training, and of the one before it."""
LARGEST_LOSS = 1e4
"""A loss beyond has exploded: InfoNCE's is at most 2 / tau + log K, about 40; a cross entropy starts at log C."""


class Watch(Callback):
    """Looks at each batch's values when the next one has been computed, so that no device waits for a look."""

    def __init__(self, task: TrainingModule, pack: Pack, out: Path) -> None:
        self.task, self.pack, self.out = task, pack, out
        self.pending: Report | None = None
        self.before: Report | None = None
        self.ending: signal.Signals | None = None
        """The signal that ends the training after this step; the same on every process."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take signals over from the trainer, which gives them back when it ends."""
        if trainer.is_global_zero:
            (self.out / BAD_BATCH).unlink(missing_ok=True)
        if threading.current_thread() is threading.main_thread():
            for number in STOPS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    signal.signal(number, self._asked)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any, **__: Any) -> None:
        """Look at the batch before."""
        self.look()
        self.pending = self.task.latest

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the last batch."""
        self.look()

    def look(self) -> None:
        """Take the latest values into the epoch's means; InputError at a loss that is no number or has exploded."""
        if self.pending is None:
            return
        report, self.pending = self.pending, None
        values = report.values.tolist()
        loss = values[0]
        if not abs(loss) <= LARGEST_LOSS:
            self._stop_at(f"a loss of {loss:.6g}", report)
        self.task.averages.add(dict(zip(report.names, values, strict=False)), report.clips)
        stops = [number for number, share in zip(STOPS, values[len(report.names) :], strict=True) if share > 0]
        self.ending = self.ending or (stops[0] if stops else None)
        self.before = report

    def check_weights(self) -> None:
        """InputError where a weight is no number: a gradient can break where the loss did not."""
        weights = [value.detach() for value in self.task.trained().parameters()]
        if not bool(torch.stack(torch._foreach_norm(weights)).isfinite().all()):
            report, self.before = self.before, None
            if report is not None:
                self._stop_at("weights that are no numbers", report)

    def stop_if_asked(self, step: int) -> None:
        """StoppedError, once the checkpoint is written, where a signal came."""
        if self.ending is not None:
            raise StoppedError(self.ending, step)

    def _stop_at(self, problem: str, report: Report) -> None:
        reports = [entry for entry in (report, self.before) if entry is not None]
        batches = [(entry.number, distributed.all_gather(entry.rows, entry.clips).tolist()) for entry in reports]
        file = self.out / BAD_BATCH
        if self.task.global_rank == 0:
            clips = [
                {"batch": number, "clips": [self.pack.name_of(row) for row in rows if row >= 0]}
                for number, rows in batches
            ]
            write_json(file, {"found": problem, "batch": report.number, "batches": clips})
        raise InputError(
            f"{problem} at batch {report.number}",
            f"a loss that is finite and below {LARGEST_LOSS:.0e}",
            hint=f"Its clips are in {file}. Lower the learning rate, or set optimiser.clip.",
        )

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.task.stop_by is not None:
            raise KeyboardInterrupt  # the second Ctrl-C: at once, without another checkpoint
        self.task.stop_by = number
