"""The command `bench`: how fast a recipe is on this machine.

twinsign bench --config small --threads 1 --json bench.json
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from rich.table import Table

from twinsign import __version__
from twinsign.bench.measure import AUTOCAST, Bench, embedding, pretraining, reading, viewing
from twinsign.cli.console import OK, console, errors
from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.files import write_json
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.runs.recipe import Precision, Recipe
from twinsign.synthetic.corpus import SyntheticConfig, synthetic_corpus
from twinsign.train.precision import TYPES, faster_precision, gemm_gflops

CLIPS = SyntheticConfig(glosses=16, signers=20, clips_per_signer_gloss=1)
"""What is read, viewed and embedded where no pack is named."""


def bench(
    recipe: Recipe,
    data: list[str],
    threads: int | None = None,
    precision: Precision | None = None,
    batch_size: int | None = None,
    frames: int | None = None,
    steps: int = 10,
    compile: bool = False,
    json: Path | None = None,
) -> int:
    """Measure a recipe on this machine: the pre-training step by stages, views, embedding, reading, and the peak.

    Args:
        threads: CPU threads; torch's own choice unless told.
        precision: 32-true, bf16-mixed, 16-mixed or auto; the recipe's unless told.
        batch_size: Clips a step; the recipe's unless told.
        frames: T; the recipe's unless told.
        steps: Timed steps, after three that do not count; fewer where these take more than half a minute.
        compile: Whether torch compiles the encoders first (minutes on a CPU).
        json: Where to write the figures as JSON.
    """
    recipe = _as_told(recipe, threads, precision, batch_size, frames)
    if steps < 2:
        raise InputError(f"{steps} steps", "2 or more")
    if recipe.trainer.threads:
        torch.set_num_threads(recipe.trainer.threads)
    device = fastest_device()
    with TemporaryDirectory() as folder, console.status("matrix products") as status:
        asked_for = recipe.trainer.precision
        types = TYPES if asked_for == "auto" else (AUTOCAST.get(asked_for, torch.float32),)
        peaks = gemm_gflops(device, types=[torch.bfloat16 if one == torch.float16 else one for one in types])
        recipe = recipe.in_precision(faster_precision(peaks)) if asked_for == "auto" else recipe
        _tell("matrix products", ", ".join(f"{name} {rate:,.0f} GFLOP/s" for name, rate in peaks.items()))
        if not data:
            status.update("generating clips")
            write_pack(synthetic_corpus(CLIPS).samples, Path(folder) / "clips.pack")
        opened = Pack(data or [Path(folder) / "clips.pack"])
        asked = Bench(recipe, opened, device, steps, compiled=compile)
        found: dict[str, Any] = {"gemm_gflops": peaks}
        dtype = "bfloat16" if recipe.trainer.precision in AUTOCAST else "float32"
        tasks: dict[str, Callable[[Bench], dict[str, Any]]] = {"pack_read": reading, "views": viewing}
        tasks |= {"embed": embedding, "pretrain_step": partial(pretraining, peak=peaks[dtype])}
        for name, measure in tasks.items():
            status.update(name.replace("_", " "))
            found[name] = measure(asked)
            rate = next(f"{value:.4g} {key.removesuffix('_per_s')}/s" for key, value in found[name].items()
                        if key.endswith("_per_s"))  # fmt: skip
            _tell(name.replace("_", " "), rate)
    found["env"] = _environment(recipe, device, compile, data)
    _show(found, dtype)
    if json:
        write_json(json, found)
    return OK


def _tell(name: str, rate: str) -> None:
    """A figure as soon as it is there: the whole takes a minute or two."""
    errors.print(f"{name}: {rate}", markup=False, highlight=False)


def _as_told(
    recipe: Recipe, threads: int | None, precision: Precision | None, batch_size: int | None, frames: int | None
) -> Recipe:
    for name, value in (("threads", threads), ("batch_size", batch_size), ("frames", frames)):
        if value is not None and value < 1:
            raise InputError(f"{name} {value}", "1 or more")
    trainer = replace(
        recipe.trainer,
        threads=threads or recipe.trainer.threads,
        precision=precision or recipe.trainer.precision,
    )
    own = recipe.pretrain
    pretrain = replace(own, batch_size=batch_size or own.batch_size, frames=frames or own.frames)
    return replace(recipe, trainer=trainer, pretrain=pretrain)


def _environment(recipe: Recipe, device: torch.device, compiled: bool, data: list[str]) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "twinsign": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "device": device.type,
        "name": name,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "precision": recipe.trainer.precision,
        "batch_size": recipe.pretrain.batch_size,
        "frames": recipe.pretrain.frames,
        "windows": recipe.windows.count,
        "compiled": compiled,
        "data": data or "generated",
    }


def _processor() -> str:
    """The processor's name and its matrix units, where Linux tells them."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    facts = dict(reversed([[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]))
    units = [one for one in ("avx512_bf16", "amx_bf16") if one in facts.get("flags", "").split()]
    return ", ".join([facts.get("model name", platform.machine()), *units])


def _show(found: dict[str, Any], dtype: str) -> None:
    step, env = found["pretrain_step"], found["env"]
    title = f"{env['name']}: {env['threads']} threads, {env['precision']}, {env['batch_size']} x {env['frames']} frames"
    table = Table(title=title, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    peak = found["gemm_gflops"][dtype]
    alone = found["embed"]["one_clip_ms"]
    stages = ", ".join(f"{name} {value:.4g}" for name, value in step["stages_ms"].items())
    read = found["pack_read"]
    waits = ", ".join(f"{name} {count}" for name, count in step["waits"].items()) or "none"
    for name, value in (
        (f"matrix products, {dtype}", f"{peak:,.0f} GFLOP/s"),
        ("pre-training", f"{step['sequences_per_s']:.4g} clips/s"),
        ("operations", f"{step['gflop_per_sequence']:.4g} GFLOP a clip"),
        ("of the products' peak", f"{100 * step['of_gemm_peak']:.1f} %"),
        ("stages, ms a step", stages),
        ("kernels a step; waits", f"{step['kernels']}; {waits}"),
        (f"embedding, {env['windows']} windows a clip", f"{found['embed']['sequences_per_s']:.4g} clips/s"),
        (f"one clip of {alone['frames']} frames, so too", f"{alone['median']:.4g} ms, 95 % under {alone['p95']:.4g}"),
        ("views", f"{found['views']['views_per_s']:.4g} clips/s"),
        (
            "pack, cropped; poses alone",
            f"{read['clips_per_s']:.4g}; {read['poses_per_s']:.4g} clips/s",
        ),
        ("most memory", f"{max(step['peak_memory_mb'], found['embed']['peak_memory_mb']):,.0f} MB"),
    ):
        table.add_row(name, value)
    console.print(table)
