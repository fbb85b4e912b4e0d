"""How accuracy falls as recordings get worse: one curve a kind of damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.evaluation.evaluate import context_of
from twinsign.evaluation.metrics import Scored, accuracy_report, ranks
from twinsign.evaluation.scoring import logits_of
from twinsign.evaluation.significance import mcnemar
from twinsign.nn.classifier import Classifier
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection, EvaluationScope, LabelledRows, clip_ids, labelled_rows
from twinsign.pose.perturb import PERTURBATIONS
from twinsign.runs.models import (
    EVALUATION_BATCH,
    load_classifier,
    viewer_of,
)
from twinsign.runs.run import Run, load_run
from twinsign.views.batches import clips_of
from twinsign.views.clips import Clips

RESAMPLES = 500
"""Of each point's per-class interval."""
Tick = Callable[[str], None]


def checked(kinds: Sequence[str]) -> list[str]:
    """These kinds of damage, or all; InputError names an unknown one."""
    for kind in kinds:
        if kind not in PERTURBATIONS:
            raise InputError(f"kind {kind!r}", f"some of {', '.join(PERTURBATIONS)}")
    return list(dict.fromkeys(kinds)) or list(PERTURBATIONS)


def spoilt(run: Run, pack: Pack, data: LabelledRows, kind: str, level: float, seed: int) -> Iterator[Clips]:
    """The clips in batches, spoilt; what is drawn depends on (seed, kind, level, row) alone."""
    place = list(PERTURBATIONS).index(kind)
    for start in range(0, len(data.rows), EVALUATION_BATCH):
        recordings = []
        for row in data.rows[start : start + EVALUATION_BATCH].tolist():
            random = np.random.default_rng([seed, place, round(1000 * level), row])
            recordings.append(PERTURBATIONS[kind].apply(pack.recording(row), level, random))
        yield clips_of(recordings, run.recipe.read)


def curves(
    run: Run, classifier: Classifier, pack: Pack, data: LabelledRows, kinds: Sequence[str], seed: int, tick: Tick
) -> dict[str, Any]:
    """Each kind's points: level, accuracies with intervals, change of top-1 and McNemar's p against none."""
    ids, viewer = clip_ids(pack, data.rows), viewer_of(run)

    def scored(kind: str, level: float) -> Scored:
        tick(f"{kind} {level:g}")
        logits = logits_of(classifier, spoilt(run, pack, data, kind, level, seed), viewer)
        return Scored(ids, run.labels, data.labels, logits)

    whole = scored(next(iter(PERTURBATIONS)), 0.0)
    right, found = ranks(whole) == 0, {}
    clean = accuracy_report(whole, resamples=RESAMPLES)
    for kind in kinds:
        points = []
        for level in PERTURBATIONS[kind].levels:
            spoiled = scored(kind, level)
            report, still = accuracy_report(spoiled, resamples=RESAMPLES), ranks(spoiled) == 0
            point = {name: report[name] for name in ("per_instance", "per_class", "interval95")}
            change = round(report["per_instance"]["top1"] - clean["per_instance"]["top1"], 2)
            lost, won = int((right & ~still).sum()), int((still & ~right).sum())
            points.append({"level": level, **point, "change": change, "p": mcnemar(lost, won)})
        found[kind] = {"unit": PERTURBATIONS[kind].unit, "points": points}
    return {**clean, "curves": found}


def robustness(
    model: str | Path, clips: ClipSelection, splits: list[str] | None, kinds: Sequence[str], seed: int, tick: Tick
) -> dict[str, Any]:
    """Accuracy of a classifier on the named splits (None: all) as their recordings are spoilt, kind by kind."""
    run, pack = load_run(model), Pack(clips.data)
    classifier = load_classifier(run).to(fastest_device())
    data = labelled_rows(pack, pack.select(splits, clips.where), run.labels)
    report = curves(run, classifier, pack, data, checked(kinds), seed, tick)
    context = context_of(run, pack, data, EvaluationScope(splits, clips.where), len(run.labels))
    return {**report, **context, "damage_seed": seed}
