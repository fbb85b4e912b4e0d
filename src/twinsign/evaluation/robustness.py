"""How accuracy falls as recordings get worse: one curve per kind of perturbation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.evaluation.evaluate import report_context
from twinsign.evaluation.metrics import ClipScores, accuracy_report, true_class_ranks
from twinsign.evaluation.scoring import compute_logits
from twinsign.evaluation.significance import mcnemar
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection, EvaluationScope, LabelledRows, clip_ids, labelled_rows
from twinsign.pose.corruptions import PERTURBATIONS
from twinsign.runs.models import EVALUATION_BATCH, load_classifier, viewer_of
from twinsign.runs.run import Run, load_run
from twinsign.views.batches import collate_recordings
from twinsign.views.clips import Clips

RESAMPLES = 500
"""Bootstrap resamples of each point's per-class interval."""
Tick = Callable[[str], None]


def robustness(
    model: str | Path, clips: ClipSelection, splits: list[str] | None, kinds: Sequence[str], seed: int, tick: Tick
) -> dict[str, Any]:
    """Accuracy of a classifier on these splits (None: all) under perturbations of their recordings.

    `curves` has each kind's points: level, accuracies with intervals, change of top-1, McNemar's p against level 0.
    """
    run, pack = load_run(model), Pack(clips.data)
    classifier = load_classifier(run).to(fastest_device())
    data = labelled_rows(pack, pack.select(splits, clips.where), run.labels)
    kinds, ids, viewer = resolve_kinds(kinds), clip_ids(pack, data.rows), viewer_of(run)

    def report_at(kind: str, level: float) -> tuple[dict[str, Any], NDArray[np.bool_]]:
        tick(f"{kind} {level:g}")
        logits = compute_logits(classifier, perturbed(run, pack, data, kind, level, seed), viewer)
        scored = ClipScores(ids, run.labels, data.labels, logits)
        return accuracy_report(scored, resamples=RESAMPLES), true_class_ranks(scored) == 0

    clean, right = report_at(next(iter(PERTURBATIONS)), 0.0)
    curves: dict[str, Any] = {kind: {"unit": PERTURBATIONS[kind].unit, "points": []} for kind in kinds}
    for kind in kinds:
        for level in PERTURBATIONS[kind].levels:
            report, still_right = report_at(kind, level)
            point = {name: report[name] for name in ("per_instance", "per_class", "interval95")}
            change = round(report["per_instance"]["top1"] - clean["per_instance"]["top1"], 2)
            p = mcnemar(int((right & ~still_right).sum()), int((still_right & ~right).sum()))
            curves[kind]["points"].append({"level": level, **point, "change": change, "p": p})
    context = report_context(run, pack, data, EvaluationScope(splits, clips.where), len(run.labels))
    return {**clean, "curves": curves, **context, "damage_seed": seed}


def resolve_kinds(kinds: Sequence[str]) -> list[str]:
    """These kinds of perturbation without repeats, all for none; raises InputError for an unknown one."""
    for kind in kinds:
        if kind not in PERTURBATIONS:
            raise InputError(f"kind {kind!r}", f"some of {', '.join(PERTURBATIONS)}")
    return list(dict.fromkeys(kinds)) or list(PERTURBATIONS)


def perturbed(run: Run, pack: Pack, data: LabelledRows, kind: str, level: float, seed: int) -> Iterator[Clips]:
    """The clips in batches, perturbed; random numbers depend on (seed, kind, level, row) alone."""
    number = list(PERTURBATIONS).index(kind)
    for start in range(0, len(data.rows), EVALUATION_BATCH):
        recordings = []
        for row in data.rows[start : start + EVALUATION_BATCH].tolist():
            random = np.random.default_rng([seed, number, round(1000 * level), row])
            recordings.append(PERTURBATIONS[kind].apply(pack.recording(row), level, random))
        yield collate_recordings(recordings, run.recipe.read)
