"""What several processes cost: bytes a step (computed), clips a second on this machine (measured), many GPUs (a model).

python benchmarks/scaling.py volume --config paper
python benchmarks/scaling.py measure --config demo --processes 1 2 --steps 20
python benchmarks/scaling.py model --config paper --step_seconds 0.25
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from twinsign import distributed
from twinsign.nn.norm import BatchNorm
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.runs.recipe import Recipe, load_recipe
from twinsign.ssl.pretrain import Pretrainer
from twinsign.synthetic.corpus import SyntheticConfig, synthetic_corpus
from twinsign.train.callbacks import Journal
from twinsign.train.fit import fit
from twinsign.train.launch import start
from twinsign.train.prepare import training_loader
from twinsign.train.tasks import PretrainModule
from twinsign.views.batches import ClipReader

FLOAT, DOUBLE = 4, 8
GPUS = (1, 8, 64, 512, 1000)
WARM = 3
"""Steps before the clock starts."""


def volume(recipe: Recipe) -> dict[str, int]:
    """Bytes that a process hands to each exchange of a step, and how many exchanges there are."""
    with torch.device("meta"):
        model = Pretrainer(recipe.encoder, recipe.objective)
    norms = [one for one in model.query.modules() if isinstance(one, BatchNorm)]
    channels = sum(one.num_features for one in norms)
    heads = len(recipe.objective.branches) * len(recipe.objective.heads)
    each = recipe.objective.width + 1
    inputs = 2 * len(recipe.objective.branches)  # a norm on coordinates has no gradient to hand on
    return {
        "trained parameters": sum(one.numel() for one in model.query.parameters()),
        "gradients": FLOAT * sum(one.numel() for one in model.query.parameters()),
        "norms forwards": 2 * sum(DOUBLE * (2 * one.num_features + 1) for one in norms),  # queries and keys
        "norms backwards": FLOAT * 2 * (channels - sum(one.num_features for one in norms if one.eps == 0.1)),
        "norm exchanges": 3 * len(norms) - inputs,
        "keys of a process": FLOAT * recipe.pretrain.batch_size * heads * each,
        "banks": sum(FLOAT * one.slots.numel() for name in model.query for one in model.banks_of(name).values()),
        "checkpoint": checkpoint_bytes(model, recipe),
    }


def checkpoint_bytes(model: Pretrainer, recipe: Recipe) -> int:
    """Weights, keys, banks, and one number (SGD) or two (AdamW) of the optimiser a weight."""
    moments = 1 if recipe.pretrain.optimiser.name == "sgd" else 2
    trained = sum(one.numel() for one in model.query.parameters())
    return FLOAT * (sum(one.numel() for one in model.state_dict().values()) + moments * trained)


class Clocked(PretrainModule):
    """A pre-training that notes when each step ends."""

    ends: list[tuple[float, float]]

    def on_train_batch_end(self, *_: Any) -> None:
        """Note it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.ends.append((time.perf_counter(), time.process_time()))


def clocked(pack: str, recipe: Recipe, steps: int, out: str) -> dict[str, float]:
    """Median seconds a step, by the clock and of this process's work, and clips a second of all processes."""
    opened = Pack(pack)
    torch.manual_seed(0)
    model = Pretrainer(recipe.encoder, recipe.objective)
    each = recipe.pretrain.batch_size * distributed.rank_info().world_size
    rows = np.resize(np.flatnonzero(opened.usable), (steps + WARM) * each)  # one epoch, so that nothing else is timed
    loader = training_loader(ClipReader(opened, rows, recipe.read), recipe.pretrain.batch_size, 0, recipe)
    task = Clocked(model, recipe.pretrain, 0)
    task.ends = []
    fit(task, loader, None, Path(out), recipe.trainer, 1, None, Journal(Path(out)))
    seconds, busy = np.median(np.diff(task.ends, axis=0)[WARM:], axis=0).tolist()
    return {"seconds": seconds, "cpu_seconds": busy, "clips_per_s": each / seconds}


def measure(recipe: Recipe, processes: list[int], steps: int) -> list[dict[str, Any]]:
    """Weak scaling on this machine, norms together and apart: the batch of a process stays, one thread each."""
    found: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder:
        corpus = SyntheticConfig(clips_per_signer_gloss=1, glosses=8, signers=10)
        write_pack(synthetic_corpus(corpus).samples, Path(folder) / "P")
        for count, together in [(one, both) for one in processes for both in (True, False)[:one]]:
            trainer = replace(recipe.trainer, devices=count, sync_norms=together, threads=1, save_every=0)
            chosen = replace(recipe, trainer=replace(trainer, accelerator="cpu", progress=False))
            arguments = (str(Path(folder) / "P"), chosen, steps, str(Path(folder) / f"{count}{together}"))
            timed = start(count, clocked, arguments)
            found.append({"processes": count, "sync_norms": together, **timed, "load": os.getloadavg()[0]})
    return found


def model_of(recipe: Recipe, step_seconds: float, bandwidth: float, latency: float) -> list[dict[str, float]]:
    """A step of N GPUs: computing, gradients by ring (half hidden behind the backward pass), norms and keys (not)."""
    bytes_of, rows = volume(recipe), []
    for count in GPUS:
        ring = 2 * (count - 1) / count / bandwidth
        gradients = bytes_of["gradients"] * ring + (2 * np.log2(count) * latency if count > 1 else 0)
        sums = (bytes_of["norms forwards"] + bytes_of["norms backwards"]) * ring
        waits = bytes_of["norm exchanges"] * 2 * np.log2(count) * latency
        keys = bytes_of["keys of a process"] * (count - 1) / bandwidth
        total = step_seconds + max(0.0, gradients - step_seconds / 2) + sums + waits + keys
        clips = recipe.pretrain.batch_size * count
        rows.append(
            {
                "gpus": count,
                "gradients_ms": 1e3 * gradients,
                "norms_ms": 1e3 * (sums + waits),
                "keys_ms": 1e3 * keys,
                "step_ms": 1e3 * total,
                "efficiency": step_seconds / total,
                "clips_per_s": clips / total,
                "steps_until_bank_is_full": recipe.objective.bank_size / clips,
                "days_for_1e9_clips_100_epochs": 1e11 / (clips / total) / 86400,
            }
        )
    return rows


def main() -> None:
    """The three parts as commands; JSON on standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("volume", "measure", "model"))
    parser.add_argument("--config", default="paper")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch_size", type=int, help="Clips of a process and step; the recipe's unless told.")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--step_seconds", type=float, default=0.25, help="Of one GPU alone.")
    parser.add_argument("--bandwidth", type=float, default=25e9, help="Bytes a second and GPU between machines.")
    parser.add_argument("--latency", type=float, default=10e-6, help="Seconds a hop.")
    given = parser.parse_args()
    recipe = load_recipe(given.config)
    if given.batch_size:
        recipe = replace(recipe, pretrain=replace(recipe.pretrain, batch_size=given.batch_size))
    found: Any
    if given.part == "volume":
        found = volume(recipe)
    elif given.part == "measure":
        found = {"cores": os.cpu_count(), "torch": torch.__version__, "steps": given.steps, "config": given.config}
        found["rows"] = measure(recipe, given.processes, given.steps)
    else:
        found = model_of(recipe, given.step_seconds, given.bandwidth, given.latency)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
