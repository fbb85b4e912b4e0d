"""Training on Lightning: pre-training and fine-tuning tasks, their callbacks, and one `fit` that resumes.

The only room that knows the Trainer: loops, devices, precision, progress bars and loggers are Lightning's.
"""

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
from pytorch_lightning.callbacks import Callback, RichProgressBar
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
from twinsign.train.launch import on_all_devices, take_threads
from twinsign.train.tasks import CHECKPOINT_KEY, ClassifyModule, PretrainModule, TrainingModule
from twinsign.train.watch import Watch
from twinsign.views.batches import ClipLoader

__all__ = [
    "ClassifyModule",
    "Journal",
    "PretrainModule",
    "TrainingModule",
    "can_resume",
    "fit",
    "load_best",
    "on_all_devices",
    "quiet",
    "take_threads",
]


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
    """Train in `out`, going on from its last checkpoint where there is one; StoppedError after a signal.

    Where a launcher has started several processes, all call this together.
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
        _go_on(task, train, last)
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
        precision="32-true" if config.precision == "auto" else config.precision,  # `prepare.settled` chooses
        max_epochs=epochs,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=clip,
        callbacks=[*callbacks, *([RichProgressBar()] if config.progress else [])],
        logger=TensorBoardLogger(str(out), name="", version="tensorboard"),
        default_root_dir=str(out),
        enable_checkpointing=False,
        enable_progress_bar=config.progress,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=min(50, len(task.batches)),
    )


def _strategy(task: TrainingModule) -> Strategy | str:
    """Data parallel where there are several processes: banks and statistics are alike already, and not sent around."""
    if rank_info().world_size == 1:
        return "auto"
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # until torch 2.12
    chosen: dict[str, Any] = {buffers: False, "find_unused_parameters": not task.all_used()}
    return DDPStrategy(gradient_as_bucket_view=True, **chosen)


def _environment() -> ClusterEnvironment:
    """Who says which process this is: nobody, torchrun (or `launch`, in its words), or srun."""
    if rank_info().world_size == 1:
        return LightningEnvironment()
    # Re-queueing is the batch script's choice: a stopped training ends with 128 and the signal's number.
    return TorchElasticEnvironment() if "RANK" in os.environ else SLURMEnvironment(auto_requeue=False)


def can_resume(out: Path) -> bool:
    """Whether a training was begun in this folder and left a checkpoint."""
    return (out / CHECKPOINTS / LAST).is_file()


def _go_on(task: TrainingModule, train: ClipLoader, last: Path) -> None:
    """Put the order of clips where the checkpoint left it; InputError where it is damaged or of another company."""
    try:
        saved: dict[str, Any] = torch.load(last, map_location="cpu", mmap=True, weights_only=True)
        ours = saved.get(CHECKPOINT_KEY, {"batches": saved["global_step"]})
    except Exception as error:  # whatever a damaged pickle raises
        hint = "Delete it to begin anew."
        raise InputError(f"a damaged checkpoint ({error})", "a checkpoint of this run", file=last, hint=hint) from error
    then, now = ours.get("together", {"processes": 1, "accumulate": 1}), task.together()
    if then != now:
        found, wanted = (f"{one['processes']} processes, accumulate {one['accumulate']}" for one in (now, then))
        hint = "Other numbers would make other batches: set trainer.devices and trainer.accumulate as before."
        raise InputError(found, f"{wanted}, as the checkpoint", file=last, hint=hint)
    train.go_to(ours["batches"])


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
    """Put the weights of the best epoch on val back into the task."""
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
