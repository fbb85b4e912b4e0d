"""Ours against the usual form of the same step (benchmarks/reference.py), in turn in one run; medians of the ratios.

python benchmarks/versus_reference.py --config small --threads 1 2
python benchmarks/versus_reference.py --config paper --batch_size 16 --threads 1 2 --steps 3
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from reference import reference_of

from twinsign.bench.measure import Bench, Step
from twinsign.bench.profiling import reference_gflop
from twinsign.cli.commands.bench import CLIPS
from twinsign.distributed import fastest_device
from twinsign.files import write_json
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.runs.recipe import Precision, Recipe, load_recipe
from twinsign.synthetic.corpus import synthetic_corpus
from twinsign.train.precision import clock_of, faster_precision, gemm_gflops, seconds_of

OURS: tuple[Precision, ...] = ("32-true", "bf16-mixed")


def steps_of(recipe: Recipe, pack: Pack, device: torch.device, ours: Sequence[Precision] = OURS) -> dict[str, Step]:
    """The usual form in float32, and ours in these precisions, each with a model of its own."""
    made = {}
    for name, precision in (("usual 32-true", "32-true"), *((f"ours {one}", one) for one in ours)):
        chosen = replace(recipe, trainer=replace(recipe.trainer, precision=precision))
        made[name] = Step(Bench(chosen, pack, device))
    usual = made["usual 32-true"]
    for pair in (usual.model.query, usual.model.key):
        for branch in pair.values():
            branch.encoder = reference_of(branch.encoder).to(device)
    usual.model.key.requires_grad_(False)
    usual.optimiser.param_groups.clear()
    usual.optimiser.add_param_group({"params": list(usual.model.query.parameters())})
    return made


def compare(recipe: Recipe, pack: Pack, threads: int, rounds: int) -> dict[str, object]:
    """Clips a second of each, and ours over the usual form, round by round."""
    torch.set_num_threads(threads)
    device = fastest_device()
    peaks, size = gemm_gflops(device), recipe.pretrain.batch_size
    ours = OURS if faster_precision(peaks) == "bf16-mixed" else OURS[:1]  # emulated, mixed precision takes minutes
    made = steps_of(recipe, pack, device, ours)
    gflop = reference_gflop(made["ours 32-true"].learn, made["ours 32-true"].model) / size
    spent: dict[str, list[float]] = {name: [] for name in made}
    for number in range(rounds + 1):  # the first does not count
        for name, step in made.items():
            found = seconds_of(step.run, device, 1, 0, clock=clock_of(device))
            spent[name] += found if number else []
            print(f"threads {threads}, round {number}, {name}: {found[0]:.2f} s", file=sys.stderr, flush=True)
    usual = spent["usual 32-true"]
    rates = {name: size / median(values) for name, values in spent.items()}
    share = {name: rates[name] * gflop / peaks["bfloat16" if "bf16" in name else "float32"] for name in rates}
    return {
        "threads": threads,
        "gemm_gflops": peaks,
        "gflop_per_sequence": round(gflop, 3),
        "sequences_per_s": {name: round(rate, 3) for name, rate in rates.items()},
        "of_gemm_peak": {name: round(value, 3) for name, value in share.items()},
        "ratio": {
            name: round(median(theirs / mine for theirs, mine in zip(usual, values, strict=True)), 3)
            for name, values in spent.items()
        },
    }


def main() -> None:
    """Parse, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="small")
    parser.add_argument("--batch_size", type=int)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    recipe = load_recipe(given.config)
    size = given.batch_size or recipe.pretrain.batch_size
    recipe = replace(recipe, pretrain=replace(recipe.pretrain, batch_size=size))
    with TemporaryDirectory() as folder:
        write_pack(synthetic_corpus(CLIPS).samples, Path(folder) / "clips.pack")
        pack = Pack(Path(folder) / "clips.pack")
        found = [compare(recipe, pack, threads, given.steps) for threads in given.threads]
    for one in found:
        print(one)
    if given.json:
        write_json(given.json, found)


if __name__ == "__main__":
    main()
