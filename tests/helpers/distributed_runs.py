"""What several processes do together, and one process alone does the same way, to be compared."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import DoublePrecision
from torch import Tensor, nn
from torch import distributed as dist

from helpers import tiny_configs
from twinsign import distributed
from twinsign.nn.norm import BatchNorm, sync_batchnorm
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection
from twinsign.pose.layout import HANDS, TRUNK
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import Run
from twinsign.ssl.config import FUSED, ObjectiveConfig
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train import protocols
from twinsign.train.callbacks import Checkpoints, Journal
from twinsign.train.fit import fit
from twinsign.train.monitor import Monitor
from twinsign.train.tasks import PretrainModule
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader
from twinsign.views.clips import View

Result = dict[str, Any]
OBJECTIVES = {
    "paper": replace(tiny_configs.OBJECTIVE, bank_size=23),
    "released": replace(
        tiny_configs.OBJECTIVE,
        bank_size=23,
        heads=(FUSED, "hand", "trunk"),
        head_bank_sizes={"hand": 11, "trunk": 11},
        anchors=(FUSED,),
        consistency_top=5,
        consistency_query_temperature=0.05,
        weights={"joint": 1.0, "motion": 1.0},
    ),
}
"""Banks that no batch fills evenly; of the released kind also two sizes."""
BATCHES = (16, 16, 13, 16)
"""Clips of all processes in each step: the third is a part of a batch."""
STEPS = 10
"""Of the trainings below: two epochs."""


class CutError(Exception):
    """Stands for whatever ends a training between two steps."""


def alike(tensors: dict[str, Tensor]) -> bool:
    """Whether every process holds the same bits."""
    flat = torch.cat([value.detach().double().flatten() for value in tensors.values()])
    return bool((distributed.all_gather(flat[None]) == flat).all())


def views(step: int, clips: int) -> tuple[View, View]:
    """This process's part of two views; the first clips show no trunk, the last no hand: processes differ in both."""
    found = []
    for number in range(2):
        view = tiny_configs.random_view(clips, 6, seed=10 * step + number)
        seen = view.seen.clone()
        seen[: clips // 3, :, TRUNK] = False
        seen[-2:, :, HANDS] = False
        mine = distributed.share(clips, distributed.rank_info().rank, distributed.world_size())
        found.append(View(torch.where(seen[..., None], view.xy, 0.0)[mine], seen[mine]))
    return found[0], found[1]


@contextmanager
def doubled() -> Iterator[None]:
    """Let float() leave float64 alone: rounding grows tenfold a step through ReLUs, maxima and sharp softmaxes."""
    to_float = Tensor.float

    def float_or_more(self: Tensor) -> Tensor:
        return self if self.dtype == torch.float64 else to_float(self)

    def widened(_: DoublePrecision, clips: Any) -> Any:
        return replace(clips, xy=clips.xy.double())  # Lightning's own refuses frozen dataclasses.

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "float", float_or_more)
        patch.setattr(DoublePrecision, "convert_input", widened)
        yield


def method(objective: ObjectiveConfig, dtype: torch.dtype = torch.float64) -> Result:
    """Steps of the method without any trainer: losses, gradients of all clips, banks."""
    torch.manual_seed(0)
    model = Pretrainer(tiny_configs.ENCODER, objective).to(dtype)
    sync_batchnorm(model, True)
    optimiser = torch.optim.SGD(model.query.parameters(), lr=0.05, momentum=0.9)
    losses, gradients = [], {}
    for step, clips in enumerate(BATCHES):
        out = model(*(View(view.xy.to(dtype), view.seen) for view in views(step, clips)))
        optimiser.zero_grad()
        out.loss.backward()
        for value in model.query.parameters():
            value.grad = distributed.all_reduce_mean(value.grad)
        losses.append(distributed.all_reduce_mean(torch.stack([out.loss.detach(), *out.terms.values()])))
        accuracy = model.contrast_accuracy(out)
        optimiser.step()
        model.enqueue(out.keys, clips)
        model.update_keys()
        gradients = {name: value.grad.clone() for name, value in model.query.named_parameters()}
    state = model.state_dict()
    return {"losses": losses, "accuracy": accuracy, "gradients": gradients, "state": state, "alike": alike(state)}


def norm(rows: int = 13) -> Result:
    """BatchNorm of rows far from 0, forwards and backwards, twice; every process with its share."""
    torch.manual_seed(0)
    x, weight = 100 + torch.randn(rows, 3, 5), torch.randn(rows, 3, 5)
    mine = distributed.share(rows, distributed.rank_info().rank, distributed.world_size())
    ours = BatchNorm(5)
    sync_batchnorm(ours, True)
    nn.init.uniform_(ours.weight)
    leaf = x[mine].requires_grad_()
    for _ in range(2):
        out = ours(leaf)
    (out * weight[mine]).sum().backward()
    assert leaf.grad is not None
    gradients = [distributed.all_reduce_sum(value.grad) for value in ours.parameters() if value.grad is not None]
    both = torch.cat([out.detach(), leaf.grad], dim=2)
    return {"rows": distributed.all_gather(both, rows), "gradients": gradients, "state": ours.state_dict()}


def exchange() -> Result:
    """Sums, rows in order, the first's values."""
    place = distributed.rank_info()
    mine = torch.arange(7)[distributed.share(7, place.rank, place.world_size)]
    values = torch.full((2,), float(place.rank))
    distributed.broadcast([values])
    return {"rows": distributed.all_gather(mine, 7), "sum": distributed.all_reduce_sum(mine.sum()), "first": values}


def training(pack: Path, recipe: Recipe, out: Path, *, drop_last: bool = False) -> Result:
    """The trainer itself, over epochs that end in a part of a batch."""
    opened, place = Pack(pack), distributed.rank_info()
    torch.manual_seed(0)
    model = Pretrainer(recipe.encoder, recipe.objective)
    part = (place.rank, place.world_size)
    size = recipe.pretrain.batch_size * place.world_size
    batches = ClipBatchSampler(39, size, shuffle=True, drop_last=drop_last, part=part)
    rows = np.flatnonzero(opened.usable)[:39]
    loader = ClipLoader(ClipReader(opened, rows, recipe.read), batches)
    clipped = replace(recipe.pretrain.optimiser, clip=1.0)
    task = PretrainModule(model, replace(recipe.pretrain, optimiser=clipped), 0)
    fit(task, loader, None, out, recipe.trainer, 2, clipped.clip, Journal(out))
    return {"state": model.state_dict(), "alike": alike(model.state_dict())}


def finetuning(pack: Path, recipe: Recipe, out: Path) -> Result:
    """The whole protocol, RUN and all; what is evaluated and written is of ordinary precision."""
    finish = protocols._finish_classifier

    def rounded(run: Run, classifier: nn.Module, *rest: Any) -> Run:
        return finish(run, classifier.to(torch.float32), *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocols, "_finish_classifier", rounded)
        protocols.finetune(recipe, "none", ClipSelection([pack]), out, page=False)
    return {}


def cut_and_resumed(pack: Path, recipe: Recipe, out: Path, cut: bool) -> Result:
    """A training; with `cut` it ends after its third checkpoint, and the same one goes on."""
    save, left = Checkpoints._save, [3]

    def counted(self: Checkpoints, trainer: pl.Trainer, name: str) -> None:
        save(self, trainer, name)
        left[0] -= 1
        if left[0] == 0:
            raise CutError

    if cut:
        Checkpoints._save = counted  # type: ignore[method-assign]
        with suppress(CutError):
            protocols.pretrain(recipe, [pack], out, page=False)
        Checkpoints._save = save  # type: ignore[method-assign]
    protocols.pretrain(recipe, [pack], out, page=False)
    return {"cut": left[0] == 0}


def work(tasks: dict[str, tuple[Callable[..., Result], tuple[Any, ...], dict[str, Any]]]) -> dict[str, Result]:
    """Every named task in turn."""
    torch.set_num_threads(1)
    if distributed.rank_info().world_size > 1:
        dist.init_process_group("gloo")
    Monitor.__call__ = lambda _: {}  # type: ignore[method-assign]
    with doubled():
        return {name: run(*args, **kwargs) for name, (run, args, kwargs) in tasks.items()}


def fail() -> None:
    """The second process is killed while the first waits for it."""
    if distributed.rank_info().rank == 0:
        time.sleep(600)
    os.kill(os.getpid(), signal.SIGKILL)
