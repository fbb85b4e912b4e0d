"""How a step's cost grows with T, B, K, k and classes: one thing at a time, from the recipe's own size.

python benchmarks/growth.py --config small --threads 1 --json growth.json --picture growth.png
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn import functional as F

from twinsign.bench.measure import Bench, Step
from twinsign.cli.commands.bench import CLIPS
from twinsign.distributed import fastest_device
from twinsign.files import write_bytes, write_json
from twinsign.nn.classifier import Classifier
from twinsign.nn.features import fixed_views
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.report.html import png
from twinsign.report.trends import learning_curve
from twinsign.runs.recipe import Recipe, load_recipe
from twinsign.synthetic.corpus import synthetic_corpus
from twinsign.train.precision import seconds_of

FACTORS = (0.5, 2, 4)
CLASSES = (100, 1_000, 10_000)


def recipes(base: Recipe) -> Iterator[tuple[str, float, int, Recipe]]:
    """What grows, by which factor, to what, and the recipe that has it so."""
    chosen, objective = base.pretrain, base.objective
    for factor in FACTORS:
        frames, batch = round(factor * chosen.frames), round(factor * chosen.batch_size)
        bank, near = round(factor * objective.bank_size), round(factor * objective.neighbours)
        yield "frames T", factor, frames, replace(base, pretrain=replace(chosen, frames=frames))
        yield "batch B", factor, batch, replace(base, pretrain=replace(chosen, batch_size=batch))
        yield "bank K", factor, bank, replace(base, objective=replace(objective, bank_size=bank))
        yield "neighbours k", factor, near, replace(base, objective=replace(objective, neighbours=near))


def fine_tuning(bench: Bench, classes: int) -> Callable[[], None]:
    """Forward and backward of a classifier of that many classes."""
    model = Classifier(bench.recipe.encoder, bench.recipe.finetune.head, classes).to(bench.device)
    chosen = bench.recipe.finetune
    view, *_ = fixed_views(bench.recipe.windows, chosen.frames)(bench.clips(chosen.batch_size))
    labels = torch.arange(len(view.xy), device=bench.device) % classes

    def run() -> None:
        with bench.autocast():
            logits = model(view)
        F.cross_entropy(logits.float(), labels).backward()

    return run


def measure(base: Recipe, pack: Pack, steps: int) -> list[dict[str, Any]]:
    """Time of each setting over the recipe's own, one beside the other, printed as they come."""
    device, rows = fastest_device(), []

    def add(what: str, factor: float, value: int, own: Callable[[], None], run: Callable[[], None]) -> None:
        pairs = []
        for number in range(steps + 1):  # the first does not count
            pair = [seconds_of(one, device, 1, 0)[0] for one in (own, run)]
            pairs += [pair] if number else []
        ratios = sorted(other / mine for mine, other in pairs)
        row = {"what": what, "factor": factor, "value": value, "ms": round(1000 * min(other for _, other in pairs), 1)}
        rows.append(row | {"ratio": round(median(ratios), 3), "least": ratios[0], "most": ratios[-1]})
        print(rows[-1], flush=True)

    own = Step(Bench(base, pack, device)).run
    for what, factor, value, recipe in recipes(base):
        if recipe.objective.neighbours <= recipe.objective.bank_size:
            add(what, factor, value, own, Step(Bench(recipe, pack, device)).run)
    few = fine_tuning(Bench(base, pack, device), CLASSES[0])
    for classes in CLASSES:
        bench = Bench(base, pack, device)
        add("classes (fine-tuning)", classes / CLASSES[0], classes, few, fine_tuning(bench, classes))
    return rows


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="small")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with TemporaryDirectory() as folder:
        write_pack(synthetic_corpus(CLIPS).samples, Path(folder) / "clips.pack")
        rows = measure(load_recipe(given.config), Pack(Path(folder) / "clips.pack"), given.steps)
    if given.json:
        write_json(given.json, rows)
    if given.picture:
        points: dict[float, dict[str, tuple[float, float, float]]] = {}
        for row in rows:
            points.setdefault(row["factor"], {})[row["what"]] = (row["ratio"], row["least"], row["most"])
        points[1] = dict.fromkeys(points[FACTORS[0]], (1.0, 1.0, 1.0))
        steps = [(x, series) for x, series in sorted(points.items()) if x in (1, *FACTORS)]
        figure = learning_curve(steps, x_label="times the recipe's own", y_label="time of a step, of its own", log=True)
        write_bytes(given.picture, png(figure))


if __name__ == "__main__":
    main()
