"""Frozen encoders compared inside the train split, so that val and test stay unseen: settings are chosen by this.

    python benchmarks/inside_train.py RUN … --data PACK --json F [--where wlasl100=1] [--share 0.8 --count 3]

The train clips fall into five folds (`pack/subset.py`: copies of a clip stay together). Each is named by a linear layer
and by the nearest neighbours among the other four; `none` is the random encoder of --config. The encoders may have seen
all of these clips without labels, as a pre-training does; a RUN that whitens its vectors does so for the neighbours.
Differences from the first RUN are paired by clip.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twinsign.errors import InputError
from twinsign.evaluation.metrics import ClipScores, accuracy_report
from twinsign.evaluation.retrieve import knn_scores
from twinsign.evaluation.significance import compare
from twinsign.files import write_json
from twinsign.nn.features import drawn_views, embed, fixed_views, joint_embedding
from twinsign.pack.open import Pack
from twinsign.pack.selection import LabelledRows, clip_ids, select_labelled_training
from twinsign.pack.subset import held_out
from twinsign.runs.models import NO_PRETRAINING, control_encoders, evaluation_loader, load_encoders, load_whitening
from twinsign.runs.recipe import ClassifyConfig, Recipe, load_recipe
from twinsign.runs.run import load_run
from twinsign.train.linear import FEATURE_ROUND, fit_layers
from twinsign.views.batches import ClipReader, seeded_generator

FOLDS, VIEWS, RESAMPLES, SEED = 5, 2, 4000, 0
Scorer = Callable[[NDArray[np.int64], NDArray[np.int64]], Tensor]
"""From places of training and of asked clips (A) to the latter's score of each class (A C)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="RUN")
    parser.add_argument("--data", required=True)
    parser.add_argument("--where", nargs="*", default=[])
    parser.add_argument("--config", default="small")
    parser.add_argument("--share", type=float, help="of a clip in a window; the RUN's own unless told")
    parser.add_argument("--count", type=int, help="of windows")
    parser.add_argument("--json", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    pack = Pack(given.data)
    data, glosses = select_labelled_training(pack, given.where, 1.0, 0)
    folds = folds_of(pack, data)
    report: dict[str, Any] = {"clips": len(data.rows), "glosses": len(glosses), "folds": FOLDS, "seed": SEED}
    report |= {"split_hash": pack.split_hash(data.rows), "where": given.where, "found": []}
    changes = {name: getattr(given, name) for name in ("share", "count") if getattr(given, name) is not None}
    ids, first = clip_ids(pack, data.rows), dict[str, ClipScores]()
    for model in given.models:
        recipe, encoders, digest = loaded(model, given.config, changes, pack, data)
        fixed, views = features_of(encoders, pack, data, recipe)
        whitening = nn.Identity() if model == NO_PRETRAINING else load_whitening(load_run(model))
        ways = {
            "linear": partial(by_layer, fixed, views, torch.from_numpy(data.labels), len(glosses), recipe.linear),
            "knn": partial(
                by_neighbours, whitening(joint_embedding(fixed)), torch.from_numpy(data.labels), len(glosses)
            ),
        }
        for way, scorer in ways.items():
            scored = ClipScores(ids, glosses, data.labels, crossed(scorer, folds))
            found = {"model": model, "run_digest": digest, "by": way, "windows": asdict(recipe.windows)}
            found |= compared(scored, first.setdefault(way, scored))
            report["found"].append(found)
            print(found, flush=True)
    write_json(given.json, report)


def loaded(
    model: str, config: str, changes: Mapping[str, Any], pack: Pack, data: LabelledRows
) -> tuple[Recipe, nn.ModuleDict, str | None]:
    """A RUN's recipe with such windows, encoders and digest, or a recipe's random encoders; no RUN that read labels."""
    if model == NO_PRETRAINING:
        recipe = _with_windows(load_recipe(config), changes)
        return recipe, control_encoders(recipe, ClipReader(pack, data.rows, recipe.read), SEED), None
    run = load_run(Path(model))
    if run.kind == "classifier":
        raise InputError("a classifier, whose encoders know the labels", "a RUN of pretrain", file=run.path)
    return _with_windows(run.recipe, changes), load_encoders(run), run.digest()


def _with_windows(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    return replace(recipe, windows=replace(recipe.windows, **changes))


def folds_of(pack: Pack, data: LabelledRows) -> NDArray[np.int64]:
    """The fold (N) that holds each clip out."""
    found = np.zeros(len(data.rows), np.int64)
    for fold in range(FOLDS):
        found[np.isin(data.rows, held_out(pack, data.rows, FOLDS, fold))] = fold
    return found


def features_of(
    encoders: nn.ModuleDict, pack: Pack, data: LabelledRows, recipe: Recipe
) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """Features by branch (N D) as tests see the clips, and of augmented views."""
    config = recipe.linear
    viewers = [fixed_views(recipe.windows, config.frames)]
    drawn = partial(drawn_views, config.augment, config.frames)
    viewers += [drawn(seeded_generator(SEED, FEATURE_ROUND, number)) for number in range(VIEWS)]
    fixed, *views = (embed(encoders, evaluation_loader(pack, data.rows, recipe), viewer)[0] for viewer in viewers)
    return fixed, views


def by_layer(
    fixed: dict[str, Tensor],
    views: list[dict[str, Tensor]],
    labels: Tensor,
    classes: int,
    config: ClassifyConfig,
    learnt: NDArray[np.int64],
    asked: NDArray[np.int64],
) -> Tensor:
    """Logits of the asked clips by layers trained on the learnt ones' views in turn, by the recipe of `linear`."""
    torch.manual_seed(SEED)
    layers = nn.ModuleDict({name: nn.Linear(feature.shape[1], classes) for name, feature in fixed.items()})

    def logits(features: dict[str, Tensor]) -> Tensor:
        return torch.stack([layer(features[name]) for name, layer in layers.items()]).sum(dim=0)

    def view(epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        return {name: one[learnt] for name, one in views[epoch % len(views)].items()}, labels[learnt]

    fit_layers(layers, logits, view, len(learnt), config, SEED)
    with torch.no_grad():
        return logits({name: feature[asked] for name, feature in fixed.items()})


def by_neighbours(
    unit: Tensor, labels: Tensor, classes: int, learnt: NDArray[np.int64], asked: NDArray[np.int64]
) -> Tensor:
    """Scores of the asked clips by their nearest neighbours."""
    return knn_scores(unit[asked], unit[learnt], labels[learnt], classes)


def crossed(scorer: Scorer, folds: NDArray[np.int64]) -> NDArray[np.float32]:
    """Scores (N C) of every clip by those of the other folds."""
    order, found = [], []
    for fold in np.unique(folds):
        learnt, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        order.append(asked)
        found.append(scorer(learnt, asked).numpy())
    scores: NDArray[np.float32] = np.concatenate(found)[np.argsort(np.concatenate(order))]
    return scores


def compared(scored: ClipScores, first: ClipScores) -> dict[str, Any]:
    """Top-1 with Wilson's interval, and what it is above the first's: bootstrap over clips, McNemar's p."""
    report, paired = accuracy_report(scored), compare([scored], [first], resamples=RESAMPLES)
    return {
        "top1": report["per_instance"]["top1"],
        "interval95": report["interval95"]["per_instance.top1"],
        "change": paired["difference"]["per_instance"]["top1"],
        "change95": paired["interval95"]["per_instance.top1"],
        "p": paired["mcnemar"]["p"],
    }


if __name__ == "__main__":
    main()
