"""The training loop: Lightning's Trainer, which resumes; devices, precision, progress bars and loggers are its own."""

from __future__ import annotations

import inspect
import logging
import os
import signal
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch.nn.parallel import DistributedDataParallel

from twinsign.distributed import rank_info
from twinsign.errors import InputError, StoppedError
from twinsign.nn.networks import compile_encoders
from twinsign.nn.norm import sync_batchnorm
from twinsign.runs.recipe import TrainerConfig
from twinsign.runs.run import CHECKPOINTS
from twinsign.train.callbacks import LAST, Checkpoints, Journal, WholeFiles
from twinsign.train.progress import ProgressLine
from twinsign.train.tasks import CHECKPOINT_KEY, TrainingModule
from twinsign.train.watch import Watch
from twinsign.views.batches import ClipLoader


def fit(
    task: TrainingModule,
    train: ClipLoader,
    val: ClipLoader | None,
    out: Path,
    config: TrainerConfig,
    epochs: int,
    clip: float | None,
    journal: Journal,
) -> None:
    """Train in `out`, resuming from its last checkpoint if there is one; StoppedError after a signal.

    In distributed training every process calls this.
    """
    quiet()
    task.epochs, task.batches, task.accumulate = epochs, train.batches, config.accumulate
    folder = out / CHECKPOINTS
    watch = Watch(task, train.reader.pack, out)
    trainer = _trainer(task, out, config, epochs, clip, [watch, journal, Checkpoints(folder, config.save_every, watch)])
    last = folder / LAST
    if rank_info().first:
        for leftover in folder.glob(".*.tmp"):  # of a process that was killed while it wrote
            leftover.unlink()
    if last.is_file():
        _restore_order(task, train, last)
    sync_batchnorm(task.module, config.sync_norms)
    if config.compile:
        compile_encoders(task.module)
    try:
        _run(trainer, task, train, val, last)
    finally:
        sync_batchnorm(task.module, False)
    if task.stop_by is not None:  # too late for a step of its own: the last checkpoint is that of the last step
        raise StoppedError(task.stop_by, trainer.global_step)


def _trainer(
    task: TrainingModule, out: Path, config: TrainerConfig, epochs: int, clip: float | None, callbacks: list[Callback]
) -> pl.Trainer:
    return pl.Trainer(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy=_strategy(task),
        plugins=[_environment(), WholeFiles()],
        precision="32-true" if config.precision == "auto" else config.precision,  # resolved before
        max_epochs=epochs,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=clip,
        callbacks=[*callbacks, *([ProgressLine(task)] if config.progress else [])],
        logger=TensorBoardLogger(str(out), name="", version="tensorboard"),
        default_root_dir=str(out),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=min(50, len(task.batches)),
    )


def _strategy(task: TrainingModule) -> Strategy | str:
    """Data parallel where there are several processes: banks and statistics are alike already, and not sent around."""
    if rank_info().world_size == 1:
        return "auto"
    parameters = inspect.signature(DistributedDataParallel.__init__).parameters
    buffers = (
        "forward_sync_buffers" if "forward_sync_buffers" in parameters else "broadcast_buffers"
    )  # until torch 2.12
    options: dict[str, Any] = {buffers: False, "find_unused_parameters": not task.all_used()}
    return DDPStrategy(gradient_as_bucket_view=True, **options)


def _environment() -> ClusterEnvironment:
    """Who says which process this is: nobody, torchrun (or `launch`, in its words), or srun."""
    if rank_info().world_size == 1:
        return LightningEnvironment()
    # Re-queueing is the batch script's choice: a stopped training ends with 128 and the signal's number.
    return TorchElasticEnvironment() if "RANK" in os.environ else SLURMEnvironment(auto_requeue=False)


def can_resume(out: Path) -> bool:
    """Return whether a training in this folder has left a checkpoint."""
    return (out / CHECKPOINTS / LAST).is_file()


def _restore_order(task: TrainingModule, train: ClipLoader, last: Path) -> None:
    """Put the order of clips where the checkpoint left it; InputError if it is damaged or does not fit."""
    try:
        checkpoint: dict[str, Any] = torch.load(last, map_location="cpu", mmap=True, weights_only=True)
        state = checkpoint.get(CHECKPOINT_KEY, {"batches": checkpoint["global_step"]})
    except Exception as error:  # whatever a damaged pickle raises
        hint = "Delete it to start over."
        raise InputError(f"a damaged checkpoint ({error})", "a checkpoint of this run", file=last, hint=hint) from error
    before, now = state.get("together", {"processes": 1, "accumulate": 1}), task.step_size()
    if before != now:
        problem, wanted = (f"{size['processes']} processes, accumulate {size['accumulate']}" for size in (now, before))
        hint = "Other numbers would make other batches: set trainer.devices and trainer.accumulate as before."
        raise InputError(problem, f"{wanted}, as the checkpoint", file=last, hint=hint)
    train.go_to(state["batches"])


def _run(trainer: pl.Trainer, task: TrainingModule, train: ClipLoader, val: ClipLoader | None, last: Path) -> None:
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        # Tensors and plain values are all that its states are made of: a checkpoint from elsewhere runs no code.
        trainer.fit(task, train, val, ckpt_path=str(last) if last.is_file() else None, weights_only=True)
    except SystemExit as stop:  # Lightning ends the process after Ctrl-C, and ignores further ones.
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, interrupt)
        raise KeyboardInterrupt from stop


def load_best(task: TrainingModule, out: Path) -> None:
    """Load the weights of the best epoch on val."""
    best = out / CHECKPOINTS / "best.ckpt"
    if best.is_file():
        task.load_state_dict(torch.load(best, map_location="cpu", weights_only=True)["state_dict"])


def quiet() -> None:
    """Silence Lightning's start-up lines and its advice about worker processes (reading a pack needs none)."""
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.accelerators.cuda").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*You defined a `validation_step` but have no `val_dataloader`.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
