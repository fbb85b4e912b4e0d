"""Training on Lightning: pre-training and fine-tuning tasks, their callbacks, and one `fit` that resumes.

The only room that knows the Trainer: loops, devices, precision, checkpoints, progress bars and loggers are Lightning's.
"""

from __future__ import annotations

import logging
import signal
import warnings
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar
from pytorch_lightning.loggers import TensorBoardLogger

from twinsign.engine.callbacks import Checkpoints, Journal
from twinsign.engine.tasks import ClassifyTask, PretrainTask, Task
from twinsign.errors import InputError
from twinsign.recipe import TrainerConfig
from twinsign.run import CHECKPOINTS
from twinsign.views.batches import ClipLoader

__all__ = ["Checkpoints", "ClassifyTask", "Journal", "PretrainTask", "Task", "fit", "load_best", "quiet"]


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
    if config.devices != 1:
        raise InputError(f"trainer.devices {config.devices}", "1: several processes do not share their banks yet")
    if config.threads:
        torch.set_num_threads(config.threads)
    task.epochs, task.epoch_steps = epochs, len(train)
    checkpoints = out / CHECKPOINTS
    callbacks: list[Callback] = [journal, Checkpoints(checkpoints, config.save_every)]
    callbacks += [RichProgressBar()] if config.progress else []
    trainer = pl.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
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
    if last.is_file():
        train.go_to(torch.load(last, map_location="cpu", mmap=True, weights_only=False)["global_step"])
    _run(trainer, task, train, val, last)


def _run(trainer: pl.Trainer, task: Task, train: ClipLoader, val: ClipLoader | None, last: Path) -> None:
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        # Checkpoints are this run's own; states of callbacks and loops need more than tensors.
        trainer.fit(task, train, val, ckpt_path=str(last) if last.is_file() else None, weights_only=False)
    except SystemExit as stop:  # Lightning ends the process after Ctrl-C, and ignores further ones.
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, interrupt)
        raise KeyboardInterrupt from stop


def load_best(task: Task, out: Path) -> None:
    """Put the weights of the best epoch on val back into the task."""
    best = out / CHECKPOINTS / "best.ckpt"
    if best.is_file():
        task.load_state_dict(torch.load(best, map_location="cpu", weights_only=False)["state_dict"])


def quiet() -> None:
    """Silence Lightning's start-up lines and its advice about worker processes (reading a pack needs none)."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.accelerators.cuda").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*You defined a `validation_step` but have no `val_dataloader`.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
