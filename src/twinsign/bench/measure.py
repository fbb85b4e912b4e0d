"""The rates of a recipe on this machine: pre-training by stages, views, embedding, one clip, reading a pack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import torch
from torch import nn

from twinsign.bench.profiling import StageTimer, count_kernels, host_waits, peak_memory_mb, reference_gflop
from twinsign.nn.classifier import branch_features
from twinsign.nn.features import fixed_views
from twinsign.nn.networks import compile_encoders
from twinsign.pack.open import Pack
from twinsign.runs.models import EVALUATION_BATCH
from twinsign.runs.recipe import Recipe
from twinsign.ssl.contrast import PretrainOutput
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train.optim import optimiser_and_schedule
from twinsign.train.precision import clock_of, seconds_of
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipReader, seeded_generator
from twinsign.views.clips import Clips

LATENCY_FRAMES = 64
"""Frames of the clip whose latency is measured."""
LATENCY_RUNS = 40
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Bench:
    """What is measured: a recipe on the clips of a pack, with `steps` timed steps after `warm_up` others."""

    recipe: Recipe
    pack: Pack
    device: torch.device
    steps: int = 10
    warm_up: int = 3
    compiled: bool = False
    limit: float = 30.0
    """Seconds after which each measurement ends, with fewer steps if need be."""

    def seconds(self, run: Callable[[], Any], device: torch.device | None = None) -> list[float]:
        """Seconds of each timed run of a function."""
        device = device or self.device
        return seconds_of(run, device, self.steps, self.warm_up, self.limit, clock_of(device))

    def autocast(self) -> torch.autocast:
        """Mixed precision as the recipe's trainer has it."""
        dtype = AUTOCAST.get(self.recipe.trainer.precision)
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)

    def reader(self) -> ClipReader:
        """All clips of the pack that show a hand."""
        return ClipReader(self.pack, self.pack.usable.nonzero()[0], self.recipe.read)

    def clips(self, count: int) -> Clips:
        """`count` cropped clips on the device: the pack's, repeated if need be."""
        reader = self.reader()
        return reader.__getitems__([number % len(reader) for number in range(count)]).to(self.device)


class Step:
    """The pre-training step of a recipe, its stages timed; its banks are full, as empty ones cost less."""

    def __init__(self, bench: Bench) -> None:
        recipe, self.bench, self.number = bench.recipe, bench, 0
        torch.manual_seed(0)
        self.model = model = Pretrainer(recipe.encoder, recipe.objective).to(bench.device)
        for bank in (bank for name in model.query for bank in model.banks_of(name).values()):
            bank.slots.copy_(nn.functional.normalize(torch.randn_like(bank.slots), dim=1))
            bank.valid.fill_(True)
        self.optimiser, _ = optimiser_and_schedule(model.query, recipe.pretrain.optimiser, 1000, 100)
        self.batch, self.timer = bench.clips(recipe.pretrain.batch_size), StageTimer(bench.device)
        if bench.compiled:
            compile_encoders(model)
        model.enqueue = self.timer.stage("banks")(model.enqueue)  # type: ignore[method-assign]
        model.update_keys = self.timer.stage("momentum")(model.update_keys)  # type: ignore[method-assign]
        model.embed_keys = self.timer.stage("keys")(model.embed_keys)  # type: ignore[method-assign]
        model.embed_queries = self.timer.stage("queries")(model.embed_queries)  # type: ignore[method-assign]

    def learn(self) -> PretrainOutput:
        """Views, losses and gradients of a step."""
        config, generator = self.bench.recipe.pretrain, seeded_generator(0, self.number)
        with self.timer.stage("views"):
            query, key = (random_view(self.batch, config.augment, config.frames, generator) for _ in range(2))
        with self.timer.stage("forward"), self.bench.autocast():
            out: PretrainOutput = self.model(query, key)
        with self.timer.stage("backward"):
            out.loss.backward()
        return out

    def run(self) -> None:
        """A whole step."""
        self.number += 1
        with self.timer.stage("step"):
            out = self.learn()
            with self.timer.stage("optimiser"):
                self.optimiser.step()
                self.optimiser.zero_grad()
            self.model.update(out)


def pretraining(bench: Bench, peak: float) -> dict[str, Any]:
    """Rate, stages, operations and kernels of the pre-training step, and its share of the peak (GFLOP/s)."""
    step, size = Step(bench), bench.recipe.pretrain.batch_size
    gflop = reference_gflop(step.learn, step.model) / size
    kernels = count_kernels(step.run)
    step.timer.seconds.clear()
    steps = len(bench.seconds(step.run))
    stages = step.timer.milliseconds(-steps)
    stages["losses"] = round(stages.pop("forward") - stages["keys"] - stages["queries"], 3)
    rate = 1000 * size / stages.pop("step")
    return {
        "steps": steps,
        "sequences_per_s": round(rate, 2),
        "gflop_per_sequence": round(gflop, 4),
        "of_gemm_peak": round(rate * gflop / peak, 4),
        "stages_ms": dict(sorted(stages.items(), key=lambda stage: -stage[1])),
        "kernels": kernels.total(),
        "waits": host_waits(kernels),
        "weights": sum(value.numel() for value in step.model.query.parameters()),
        "peak_memory_mb": peak_memory_mb(bench.device),
    }


def viewing(bench: Bench) -> dict[str, Any]:
    """Rate of views: what augmenting a batch once costs."""
    config = bench.recipe.pretrain
    batch, generator = bench.clips(config.batch_size), seeded_generator(0, 0)
    seconds = median(bench.seconds(lambda: random_view(batch, config.augment, config.frames, generator)))
    return {"views_per_s": round(len(batch) / seconds, 1), "batch_ms": round(1000 * seconds, 3)}


def embedding(bench: Bench) -> dict[str, Any]:
    """Rate of frozen encoders on batches, and the latency of one clip of 64 frames."""
    recipe, device = bench.recipe, bench.device
    torch.manual_seed(0)
    encoders = Pretrainer(recipe.encoder, recipe.objective).query_encoders().to(device).eval()
    if bench.compiled:
        compile_encoders(encoders)

    def embed(clips: Clips, frames: int) -> None:
        with torch.no_grad(), bench.autocast():
            branch_features(encoders, fixed_views(recipe.windows, frames)(clips))

    clip = bench.clips(1)
    limit, clock = bench.limit / 2, clock_of(device)
    latencies = seconds_of(lambda: embed(clip, LATENCY_FRAMES), device, LATENCY_RUNS, bench.warm_up, limit, clock)
    # two runs and one before them within the limit
    most = int(bench.limit / 8 / (recipe.windows.count * median(latencies)))
    clips = bench.clips(max(1, min(EVALUATION_BATCH, most)))
    seconds = seconds_of(lambda: embed(clips, recipe.pretrain.frames), device, bench.steps, 1, limit, clock)
    return {
        "sequences_per_s": round(len(clips) / median(seconds), 2),
        "one_clip_ms": {
            "median": round(1000 * median(latencies), 3),
            "p95": round(1000 * quantiles(latencies, n=20)[-1], 3),
            "frames": LATENCY_FRAMES,
        },
        "peak_memory_mb": peak_memory_mb(device),
    }


def reading(bench: Bench) -> dict[str, Any]:
    """Rates of reading random batches from the pack by one process: poses alone, and cropped as in training."""
    reader, size = bench.reader(), bench.recipe.pretrain.batch_size
    generator = torch.Generator().manual_seed(0)

    def draw() -> list[int]:
        return torch.randint(len(reader), (size,), generator=generator).tolist()

    poses = median(bench.seconds(lambda: bench.pack.flat(reader.rows[draw()]), CPU))
    cropped = median(bench.seconds(lambda: reader.__getitems__(draw()), CPU))
    return {
        "poses_per_s": round(size / poses, 1),
        "clips_per_s": round(size / cropped, 1),
        "mean_frames": round(float(bench.pack.frames[reader.rows].mean()), 1),
    }
