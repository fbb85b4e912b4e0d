"""The command `bench`: how fast a recipe is on this machine.

twinsign bench --config small --threads 1 --json bench.json
"""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twinsign import __version__
from twinsign.cli.console import console, errors, print_table, save_report
from twinsign.cli.options import OptionalWords
from twinsign.errors import InputError
from twinsign.runs.recipe import Precision, Recipe
from twinsign.synthetic.corpus import SyntheticConfig

CLIPS = SyntheticConfig(glosses=16, signers=20, clips_per_signer_gloss=1)
"""What is read, viewed and embedded without --data."""


def bench(
    recipe: Recipe,
    data: OptionalWords,
    threads: int | None = None,
    precision: Precision | None = None,
    batch_size: int | None = None,
    frames: int | None = None,
    steps: int = 10,
    compile: bool = False,
    json: Path | None = None,
) -> None:
    """Measure a recipe on this machine: the pre-training step by stages, views, embedding, reading, and the peak.

    Args:
        data: Packs to read. Default: generated clips.
        threads: CPU threads. Default: torch's own choice.
        precision: 32-true, bf16-mixed, 16-mixed or auto. Default: the recipe's.
        batch_size: Clips per step. Default: the recipe's.
        frames: T. Default: the recipe's.
        steps: Number of timed steps, after three that do not count; fewer where these take more than half a minute.
        compile: Whether torch compiles the encoders first (minutes on a CPU).
    """
    import torch

    from twinsign.bench.measure import AUTOCAST, Bench, embedding, pretraining, reading, viewing
    from twinsign.distributed import fastest_device
    from twinsign.pack.open import Pack
    from twinsign.pack.write import write_pack
    from twinsign.synthetic.corpus import synthetic_corpus
    from twinsign.train.precision import TYPES, faster_precision, gemm_gflops

    options = {"threads": threads, "precision": precision, "batch_size": batch_size, "frames": frames}
    recipe = _override(recipe, steps, **options)
    if recipe.trainer.threads:
        torch.set_num_threads(recipe.trainer.threads)
    device, chosen = fastest_device(), recipe.trainer.precision
    with TemporaryDirectory() as folder, console.status("matrix products") as status:
        autocast = AUTOCAST.get(chosen, torch.float32)  # peaks of float16 are those of bfloat16
        types = TYPES if chosen == "auto" else (torch.bfloat16 if autocast == torch.float16 else autocast,)
        peaks = gemm_gflops(device, types=types)
        recipe = recipe.in_precision(faster_precision(peaks)) if chosen == "auto" else recipe
        rates = ", ".join(f"{name} {rate:,.0f} GFLOP/s" for name, rate in peaks.items())
        errors.print(f"matrix products: {rates}", highlight=False)  # each figure at once: all take a minute or two
        if not data:
            status.update("generating clips")
            write_pack(synthetic_corpus(CLIPS).samples, Path(folder) / "clips.pack")
        settings = Bench(recipe, Pack(data or [Path(folder) / "clips.pack"]), device, steps, compiled=compile)
        dtype = "bfloat16" if recipe.trainer.precision in AUTOCAST else "float32"
        results: dict[str, Any] = {"gemm_gflops": peaks}
        measures = {"pack_read": reading, "views": viewing, "embed": embedding}
        for name, measure in (measures | {"pretrain_step": partial(pretraining, peak=peaks[dtype])}).items():
            status.update(name.replace("_", " "))
            results[name] = measure(settings)
            key = next(key for key in results[name] if key.endswith("_per_s"))
            rate = f"{results[name][key]:.4g} {key.removesuffix('_per_s')}/s"
            errors.print(f"{name.replace('_', ' ')}: {rate}", highlight=False)
    results["env"] = _environment(recipe, device, compile, data)
    _print_results(results, dtype)
    save_report(results, json)


def _override(recipe: Recipe, steps: int, **options: Any) -> Recipe:
    """The recipe with the options that are not None; InputError where a number is out of range."""
    for name, value in {**options, "steps": steps}.items():
        least = 2 if name == "steps" else 1
        if isinstance(value, int) and value < least:
            raise InputError(f"{name} {value}", f"{least} or more")
    pretrain = {name: value for name, value in options.items() if value is not None}
    trainer = {name: pretrain.pop(name) for name in ("threads", "precision") if name in pretrain}
    trainer_config, pretrain_config = replace(recipe.trainer, **trainer), replace(recipe.pretrain, **pretrain)
    return replace(recipe, trainer=trainer_config, pretrain=pretrain_config)


def _environment(recipe: Recipe, device: Any, compiled: bool, data: list[str]) -> dict[str, Any]:
    import numpy as np
    import torch

    return {
        "twinsign": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "device": device.type,
        "name": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
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
    units = [unit for unit in ("avx512_bf16", "amx_bf16") if unit in facts.get("flags", "").split()]
    return ", ".join([facts.get("model name", platform.machine()), *units])


def _print_results(results: dict[str, Any], dtype: str) -> None:
    step, embedded, read, env = (results[name] for name in ("pretrain_step", "embed", "pack_read", "env"))
    clip = embedded["one_clip_ms"]
    waits = ", ".join(f"{name} {count}" for name, count in step["waits"].items()) or "none"
    rows = {
        f"matrix products, {dtype}": f"{results['gemm_gflops'][dtype]:,.0f} GFLOP/s",
        "pre-training": f"{step['sequences_per_s']:.4g} clips/s",
        "operations": f"{step['gflop_per_sequence']:.4g} GFLOP per clip",
        "share of the products' peak": f"{100 * step['of_gemm_peak']:.1f} %",
        "stages, ms per step": ", ".join(f"{name} {value:.4g}" for name, value in step["stages_ms"].items()),
        "kernels per step; waits": f"{step['kernels']}; {waits}",
        f"embedding, {env['windows']} windows per clip": f"{embedded['sequences_per_s']:.4g} clips/s",
        f"one clip of {clip['frames']} frames": f"{clip['median']:.4g} ms, 95 % under {clip['p95']:.4g}",
        "views": f"{results['views']['views_per_s']:.4g} clips/s",
        "pack, cropped; poses alone": f"{read['clips_per_s']:.4g}; {read['poses_per_s']:.4g} clips/s",
        "most memory": f"{max(step['peak_memory_mb'], embedded['peak_memory_mb']):,.0f} MB",
    }
    title = f"{env['name']}: {env['threads']} threads, {env['precision']}, {env['batch_size']} x {env['frames']} frames"
    print_table(title, ["", " "], rows.items(), show_header=False)
