"""The rates of a recipe on this machine: pre-training by stages, views, embedding, one clip, reading a pack."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import torch
from torch import nn

from twinsign.bench.clock import Stages, most_resident_mb
from twinsign.bench.count import kernels_of, reference_gflop
from twinsign.nn.classifier import branch_features
from twinsign.nn.features import fixed_views
from twinsign.nn.networks import compile_encoders
from twinsign.pack.open import Pack
from twinsign.runs.models import EVALUATION_BATCH
from twinsign.runs.recipe import Recipe
from twinsign.ssl.contrast import PretrainOutput
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train.optim import optimiser_and_schedule
from twinsign.train.precision import seconds_of, wait
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipReader, generator_at
from twinsign.views.clips import Clips

ONE_CLIP = 64
"""Frames of the clip whose latency is measured."""
LATENCY_RUNS = 40
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Bench:
    """What is measured: a recipe on the clips of a pack, this many timed steps after some that do not count."""

    recipe: Recipe
    pack: Pack
    device: torch.device
    steps: int = 10
    warm_up: int = 3
    compiled: bool = False
    limit: float = 30.0
    """Seconds after which each measurement ends, with fewer steps if need be."""

    def autocast(self) -> torch.autocast:
        """Mixed precision as the recipe's trainer has it."""
        dtype = AUTOCAST.get(self.recipe.trainer.precision)
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)

    def reader(self) -> ClipReader:
        """All clips of the pack that show a hand."""
        return ClipReader(self.pack, self.pack.usable.nonzero()[0], self.recipe.read)

    def clips(self, count: int) -> Clips:
        """Cropped clips on the device, the pack's in turn."""
        reader = self.reader()
        return reader.__getitems__([number % len(reader) for number in range(count)]).to(self.device)


class Step:
    """One pre-training step after another, its stages timed; banks are filled first, for empty ones cost less."""

    def __init__(self, bench: Bench) -> None:
        recipe, self.bench, self.number = bench.recipe, bench, 0
        torch.manual_seed(0)
        self.model = Pretrainer(recipe.encoder, recipe.objective).to(bench.device)
        for bank in (bank for name in self.model.query for bank in self.model.banks_of(name).values()):
            bank.slots.copy_(nn.functional.normalize(torch.randn_like(bank.slots), dim=1))
            bank.valid.fill_(True)
        self.optimiser, _ = optimiser_and_schedule(self.model.query, recipe.pretrain.optimiser, 1000, 100)
        self.batch, self.stages = bench.clips(recipe.pretrain.batch_size), Stages(bench.device)
        if bench.compiled:
            compile_encoders(self.model)
        self.model.embed_keys = self.stages.timed("keys", self.model.embed_keys)  # type: ignore[method-assign]
        self.model.embed_queries = self.stages.timed("queries", self.model.embed_queries)  # type: ignore[method-assign]

    def learn(self) -> PretrainOutput:
        """Views, losses and gradients of a step."""
        chosen, draws = self.bench.recipe.pretrain, generator_at(0, self.number)
        with self.stages.stage("views"):
            query, key = (random_view(self.batch, chosen.augment, chosen.frames, draws) for _ in range(2))
        with self.stages.stage("forward"), self.bench.autocast():
            out: PretrainOutput = self.model(query, key)
        with self.stages.stage("backward"):
            out.loss.backward()
        return out

    def run(self) -> None:
        """A whole step."""
        self.number += 1
        with self.stages.stage("step"):
            out = self.learn()
            with self.stages.stage("optimiser"):
                self.optimiser.step()
                self.optimiser.zero_grad()
            with self.stages.stage("banks"):
                self.model.enqueue(out.keys)
            with self.stages.stage("momentum"):
                self.model.update_keys()


def pretraining(bench: Bench, peak: float) -> dict[str, Any]:
    """Rate, stages, operations and kernels of the pre-training step, and its share of the peak (GFLOP/s)."""
    step, size = Step(bench), bench.recipe.pretrain.batch_size
    gflop = reference_gflop(step.learn, step.model) / size
    kernels = kernels_of(step.run)
    step.stages.spent.clear()
    timed = len(seconds_of(step.run, bench.device, bench.steps, bench.warm_up, bench.limit))
    stages = step.stages.milliseconds(-timed)
    stages["losses"] = round(stages.pop("forward") - stages["keys"] - stages["queries"], 3)
    rate = 1000 * size / stages.pop("step")
    return {
        "steps": timed,
        "sequences_per_s": round(rate, 2),
        "gflop_per_sequence": round(gflop, 4),
        "of_gemm_peak": round(rate * gflop / peak, 4),
        "stages_ms": {name: stages[name] for name in sorted(stages, key=lambda one: -stages[one])},
        "kernels": sum(kernels.counts.values()),
        "waits": kernels.waiting(),
        "weights": sum(value.numel() for value in step.model.query.parameters()),
        "peak_memory_mb": peak_memory_mb(bench.device),
    }


def viewing(bench: Bench) -> dict[str, Any]:
    """Views of a batch: what augmenting it once costs."""
    chosen = bench.recipe.pretrain
    batch, draws = bench.clips(chosen.batch_size), generator_at(0, 0)
    spent = seconds_of(
        lambda: random_view(batch, chosen.augment, chosen.frames, draws),
        bench.device,
        bench.steps,
        bench.warm_up,
        bench.limit,
    )
    return {"views_per_s": round(len(batch) / median(spent), 1), "batch_ms": round(1000 * median(spent), 3)}


def embedding(bench: Bench) -> dict[str, Any]:
    """Frozen encoders: clips a second in batches, and one clip of 64 frames alone."""
    recipe = bench.recipe
    torch.manual_seed(0)
    encoders = Pretrainer(recipe.encoder, recipe.objective).query_encoders().to(bench.device).eval()
    if bench.compiled:
        compile_encoders(encoders)

    def features(clips: Clips, frames: int) -> None:
        with torch.no_grad(), bench.autocast():
            branch_features(encoders, fixed_views(recipe.windows, frames)(clips))

    alone = bench.clips(1)
    once = seconds_of(lambda: features(alone, ONE_CLIP), bench.device, LATENCY_RUNS, bench.warm_up, bench.limit / 2)
    most = int(bench.limit / 8 / (recipe.windows.count * median(once)))  # two runs and one before them within the limit
    many = bench.clips(max(1, min(EVALUATION_BATCH, most)))
    spent = seconds_of(lambda: features(many, recipe.pretrain.frames), bench.device, bench.steps, 1, bench.limit / 2)
    return {
        "sequences_per_s": round(len(many) / median(spent), 2),
        "one_clip_ms": {
            "median": round(1000 * median(once), 3),
            "p95": round(1000 * quantiles(once, n=20)[-1], 3),
            "frames": ONE_CLIP,
        },
        "peak_memory_mb": peak_memory_mb(bench.device),
    }


def reading(bench: Bench) -> dict[str, Any]:
    """Random batches from the pack by one process: poses alone, and cropped as in training."""
    reader, size = bench.reader(), bench.recipe.pretrain.batch_size
    draws = torch.Generator().manual_seed(0)

    def drawn() -> list[int]:
        return torch.randint(len(reader), (size,), generator=draws).tolist()

    cpu = torch.device("cpu")
    poses = seconds_of(lambda: bench.pack.flat(reader.rows[drawn()]), cpu, bench.steps, bench.warm_up, bench.limit)
    cropped = seconds_of(lambda: reader.__getitems__(drawn()), cpu, bench.steps, bench.warm_up, bench.limit)
    frames = float(bench.pack.frames[reader.rows].mean())
    return {
        "poses_per_s": round(size / median(poses), 1),
        "clips_per_s": round(size / median(cropped), 1),
        "mean_frames": round(frames, 1),
    }


def peak_memory_mb(device: torch.device) -> float:
    """The most memory so far: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        wait(device)
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    return most_resident_mb()
