"""A CUDA machine in at most eight minutes: parity, steps at the paper's size, feeding, resuming, two processes.

python benchmarks/gpu.py [--json gpu.json] [--seconds 480]      on a GPU, the recipe `paper`
python benchmarks/gpu.py --small                                the same in small, on a CPU, in a minute or two

What fails is reported with its error, and what there is no time for is left out; the other parts go on. No GPU has been
measured with it yet (docs/speed.md).
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from reference import reference_of
from safetensors.torch import load_file
from torch import distributed as dist

from twinsign.bench.measure import Bench, Step
from twinsign.bench.profiling import peak_memory_mb, reference_gflop
from twinsign.cli.commands.bench import CLIPS
from twinsign.distributed import fastest_device
from twinsign.files import write_json
from twinsign.nn.config import EncoderConfig
from twinsign.nn.norm import sync_batchnorm
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.runs.recipe import Precision, Recipe, load_recipe
from twinsign.ssl.pretrain import Pretrainer
from twinsign.synthetic.corpus import synthetic_corpus
from twinsign.train.launch import start
from twinsign.train.precision import gemm_gflops, seconds_of
from twinsign.train.prepare import training_loader
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipReader
from twinsign.views.clips import View

BATCHES, SMALL_BATCHES = (64, 128, 256), (4, 8)
WAYS = {"eager": None, "compiled": "default", "CUDA graphs": "reduce-overhead"}
"""How encoders run, and the mode of torch.compile."""
PARITY = {"loss": 1e-4, "gradient": 0.03}
"""Most relative differences in float32: rounding, and for gradients the few ReLUs and maxima that it flips."""
STEPS = 6


@dataclass(frozen=True)
class Job:
    """What is measured on what; `until` is when no further measurement begins."""

    recipe: Recipe
    pack: Path
    folder: Path
    device: torch.device
    batches: tuple[int, ...]
    until: float

    def step(self, batch_size: int) -> Step:
        """The recipe's step with batches of this size, in bfloat16 on a GPU."""
        pretrain = replace(self.recipe.pretrain, batch_size=batch_size)
        return Step(Bench(replace(self.recipe, pretrain=pretrain), Pack(self.pack), self.device))


def parity(job: Job) -> dict[str, float]:
    """Our network on the device against the usual form (benchmarks/reference.py) on the CPU, both in float32.

    Relative differences of the loss and, as vectors, of its gradients by the query's coordinates.
    """
    recipe = load_recipe("demo")
    recipe = replace(recipe, encoder=replace(recipe.encoder, dropout=0.0))  # draws would differ
    step = Step(Bench(recipe, Pack(job.pack), torch.device("cpu")))
    found = []
    for device, usual in ((torch.device("cpu"), True), (job.device, False)):
        model = Pretrainer(recipe.encoder, recipe.objective)
        model.load_state_dict(step.model.state_dict())
        for branch in [*model.query.values(), *model.key.values()] if usual else []:
            branch.encoder = reference_of(branch.encoder)  # type: ignore[arg-type]
        generator = torch.Generator().manual_seed(0)
        config = recipe.pretrain
        views = [random_view(step.batch, config.augment, config.frames, generator) for _ in range(2)]
        query, key = (View(view.xy.to(device).requires_grad_(), view.seen.to(device)) for view in views)
        loss = model.to(device)(query, key).loss
        (gradient,) = torch.autograd.grad(loss, query.xy)
        found.append((loss.detach().cpu(), gradient.cpu()))
    (loss, gradient), (other, other_gradient) = found
    result = {
        "loss": float((loss - other).abs() / loss.abs()),
        "gradient": float((gradient - other_gradient).norm() / gradient.norm()),
    }
    if any(value > PARITY[name] for name, value in result.items()):
        raise RuntimeError(f"{result}; at most {PARITY}")
    return result


def one_step(job: Job, batch_size: int, mode: str | None, peak: float) -> dict[str, float]:
    """Rate, share of the device's own peak and memory of the step."""
    if job.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(job.device)
    step = job.step(batch_size)
    gflop = reference_gflop(step.learn, step.model)
    step.model.zero_grad()
    if mode is not None:
        for branch in [*step.model.query.values(), *step.model.key.values()]:
            branch.encoder.compile(mode=mode)  # type: ignore[union-attr]
    seconds = median(seconds_of(step.run, job.device, STEPS, 3, job.until - time.monotonic()))
    return {
        "clips_per_s": round(batch_size / seconds, 1),
        "of_gemm_peak": round(gflop / seconds / peak, 3),
        "memory_mb": peak_memory_mb(job.device),
    }


def fed(job: Job) -> dict[str, float]:
    """Clips a second where batches come from a pack, beside those of a batch that stays on the device."""
    size = job.batches[0]
    step, reader = job.step(size), ClipReader(Pack(job.pack), Pack(job.pack).usable.nonzero()[0], job.recipe.read)
    kept = median(seconds_of(step.run, job.device, STEPS, 2))
    rates = {"kept_clips_per_s": round(size / kept, 1)}
    for workers in (0, 4) if job.device.type == "cuda" else (0,):
        recipe = replace(job.recipe, trainer=replace(job.recipe.trainer, workers=workers))
        batches = _endless(training_loader(reader, size, 0, recipe))

        def run(batches: Iterator[Any] = batches) -> None:
            step.batch = next(batches).to(job.device)
            step.run()

        rates[f"fed_clips_per_s_{workers}_workers"] = round(size / median(seconds_of(run, job.device, STEPS, 3)), 1)
    return rates


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def resumed(job: Job) -> dict[str, float]:
    """A training that was stopped and went on, against one that was not: the largest difference of any weight."""
    words = [sys.executable, "-m", "twinsign", "pretrain", "--config", "demo", "--data", str(job.pack)]
    words += ["--pretrain.steps", "20", "--pretrain.batch_size", "16", "--trainer.save_every", "2"]
    words += ["--trainer.progress", "false"]
    runs = [job.folder / name for name in ("whole", "stopped")]
    subprocess.run([*words, "--out", str(runs[0])], check=True, capture_output=True)
    with subprocess.Popen([*words, "--out", str(runs[1])], stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (runs[1] / "checkpoints" / "last.ckpt").is_file():
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
    stopped = process.returncode
    subprocess.run([*words, "--out", str(runs[1])], check=True, capture_output=True)
    whole, other = (load_file(run / "weights.safetensors") for run in runs)
    differences = [float((whole[name].double() - other[name].double()).abs().max()) for name in whole]
    return {"exit_code_of_the_stop": stopped, "largest_difference": max(differences)}


def two_processes(job: Job) -> dict[str, float]:
    """Two processes on one device, gradients averaged by gloo: clips a second of both, and whether they agree."""
    found: dict[str, float] = start(2, _process, (replace(job, until=60.0),))
    return found


def _process(job: Job) -> dict[str, float]:
    torch.set_num_threads(max(1, torch.get_num_threads() // 2))
    dist.init_process_group("gloo")
    size = max(1, job.batches[0] // 2)
    step = job.step(size)
    sync_batchnorm(step.model, True)
    trained = list(step.model.query.parameters())

    def average(*_: Any) -> None:
        flat = torch.cat([value.grad.flatten() for value in trained if value.grad is not None])
        dist.all_reduce(flat)
        parts = flat.div_(2).split([value.numel() for value in trained if value.grad is not None])
        for value, part in zip([value for value in trained if value.grad is not None], parts, strict=True):
            value.grad = part.view_as(value)

    step.optimiser.register_step_pre_hook(average)
    seconds = median(seconds_of(step.run, job.device, STEPS, 2))
    sums = torch.stack([value.detach().double().sum() for value in trained]).cpu()
    every = [torch.empty_like(sums) for _ in range(2)]
    dist.all_gather(every, sums)
    dist.destroy_process_group()
    return {"clips_per_s": round(2 * size / seconds, 1), "weights_differ_by": float((every[0] - every[1]).abs().max())}


def parts(job: Job, small: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is measured, in this order."""
    yield "parity with the usual form on the CPU", partial(parity, job)
    dtype = "float32" if small else "bfloat16"
    peak = gemm_gflops(job.device, types=[getattr(torch, dtype)])[dtype]
    yield f"peak of matrix products, {dtype}, GFLOP/s", lambda: {"gflops": peak}
    yield "fed from a pack", partial(fed, job)
    yield "stopped and resumed", partial(resumed, job)
    yield "two processes on one device", partial(two_processes, job)
    for way in ["eager"] if small else WAYS:
        for size in job.batches:
            yield f"step, {way}, batch {size}", partial(one_step, job, size, WAYS[way], peak)


def main() -> None:
    """Parse, measure part by part, print each as it is there, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a tiny network, small batches, float32")
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    device, recipe = fastest_device(), load_recipe("demo" if given.small else "paper")
    if device.type == "cpu" and not given.small:
        parser.error("no GPU here; --small runs the same on a CPU")
    precision: Precision = "32-true" if given.small else "bf16-mixed"
    recipe = replace(recipe, trainer=replace(recipe.trainer, precision=precision))
    if given.small:
        recipe = replace(recipe, encoder=EncoderConfig(joint_widths=(8,), part_widths=(16,), heads=2, depth=1))
    until, found = time.monotonic() + given.seconds, {}
    with TemporaryDirectory() as name, suppress(KeyboardInterrupt):
        folder = Path(name)
        write_pack(synthetic_corpus(CLIPS).samples, folder / "clips.pack")
        job = Job(recipe, folder / "clips.pack", folder, device, SMALL_BATCHES if given.small else BATCHES, until)
        for part, run in parts(job, given.small):
            try:
                found[part] = run() if time.monotonic() < until else "left out: no time"
            except Exception as error:  # the other parts go on
                found[part] = f"failed: {type(error).__name__}: {error}"[:300]
            print(f"{part}: {found[part]}", flush=True)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"{where}, torch {torch.__version__}")
    if given.json:
        write_json(given.json, {"device": where, "torch": torch.__version__, **found})


if __name__ == "__main__":
    main()
