"""What mixed precision changes: each term, and the gradient, of one step in bfloat16 and float16 against float32.

    python benchmarks/numerics.py --config small --data PACK [--model RUN] [--json numerics.json]

The same views, weights, banks and (no) dropout in each. To judge a difference by, the same step in float32 with every
joint moved by a thousandth of its crop.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twinsign.files import write_json
from twinsign.pack.open import Pack
from twinsign.runs.recipe import Recipe, load_recipe
from twinsign.runs.run import load_run
from twinsign.ssl.pretrain import Pretrainer
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipReader, seeded_generator
from twinsign.views.clips import View

KINDS = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32, joints moved by 0.001": None}
MOVED = 0.001


def learn(model: Pretrainer, views: tuple[View, View], dtype: torch.dtype | None) -> tuple[dict[str, Tensor], Tensor]:
    """Terms and the whole gradient of a step; without a dtype in float32."""
    one = copy.deepcopy(model)
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        out = one(*views)
    out.loss.backward()
    grads = [value.grad.flatten() for value in one.query.parameters() if value.grad is not None]
    return {"loss": out.loss.detach(), **out.terms}, torch.cat(grads)


def moved(view: View) -> View:
    """Every joint elsewhere by a thousandth of its crop, one deviation."""
    noise = torch.randn(view.xy.shape, generator=torch.Generator().manual_seed(1))
    return View(view.xy + MOVED * noise, view.seen)


def started(recipe: Recipe, run: str | None) -> Pretrainer:
    """A model without dropout, its queries and keys those of the RUN, if any."""
    torch.manual_seed(0)
    model = Pretrainer(replace(recipe.encoder, dropout=0.0), recipe.objective)
    if run:
        tensors = load_run(run).weights()
        for pair in (model.query, model.key):
            for name, branch in pair.items():
                for part, theirs in (("encoder", f"encoders.{name}."), ("heads", f"heads.{name}.")):
                    mine = {key.removeprefix(theirs): value for key, value in tensors.items() if key.startswith(theirs)}
                    getattr(branch, part).load_state_dict(mine)
    return model


def measure(recipe: Recipe, pack: Pack, run: str | None) -> dict[str, Any]:
    """Relative differences of terms, and of the gradient, from float32."""
    reader = ClipReader(pack, pack.usable.nonzero()[0], recipe.read)
    model, chosen, draws = started(recipe, run), recipe.pretrain, torch.Generator().manual_seed(0)

    def two(number: int) -> tuple[View, View]:
        batch = reader.__getitems__(torch.randint(len(reader), (chosen.batch_size,), generator=draws).tolist())
        own = seeded_generator(0, number)
        return tuple(random_view(batch, chosen.augment, chosen.frames, own) for _ in range(2))  # type: ignore[return-value]

    for number in range(-(-recipe.objective.bank_size // chosen.batch_size)):
        with torch.no_grad():
            model.enqueue(model.embed_keys(two(number)[1]))
    views = two(10_000)
    exact, slope = learn(model, views, None)
    found: dict[str, Any] = {"float32": {name: round(float(value), 4) for name, value in exact.items()}}
    for kind, dtype in KINDS.items():
        terms, other = learn(model, views if dtype else tuple(map(moved, views)), dtype)  # type: ignore[arg-type]
        row = {name: float((value - exact[name]).abs() / exact[name].abs()) for name, value in terms.items()}
        row["gradient"] = float((other - slope).norm() / slope.norm())
        row["cosine"] = float(torch.nn.functional.cosine_similarity(other.double(), slope.double(), dim=0))
        found[kind] = {name: float(f"{value:.3g}") for name, value in row.items()}
    return found


def main() -> None:
    """Parse, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="small")
    parser.add_argument("--data", required=True)
    parser.add_argument("--model")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measure(load_recipe(given.config), Pack(given.data), given.model)
    for kind, row in found.items():
        print(kind, row)
    if given.json:
        write_json(given.json, found)


if __name__ == "__main__":
    main()
