"""How accuracy falls as recordings get worse: one curve a kind of damage (ours)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from twinsign.errors import InputError
from twinsign.evaluation.evaluate import EVALUATION_BATCH, clip_ids, logits_of, viewer_of
from twinsign.evaluation.metrics import Scored, accuracy_report, ranks
from twinsign.evaluation.significance import mcnemar
from twinsign.nn.classifier import Classifier
from twinsign.pack.open import Pack
from twinsign.pack.selection import Labelled
from twinsign.pose.perturb import PERTURBATIONS
from twinsign.report.figures import COLOURS, GREY
from twinsign.runs.run import Run
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


def spoilt(run: Run, pack: Pack, data: Labelled, kind: str, level: float, seed: int) -> Iterator[Clips]:
    """The clips in batches, spoilt; what is drawn depends on (seed, kind, level, row) alone."""
    place = list(PERTURBATIONS).index(kind)
    for start in range(0, len(data.rows), EVALUATION_BATCH):
        recordings = []
        for row in data.rows[start : start + EVALUATION_BATCH].tolist():
            random = np.random.default_rng([seed, place, round(1000 * level), row])
            recordings.append(PERTURBATIONS[kind].apply(pack.recording(row), level, random))
        yield clips_of(recordings, run.recipe.read)


def curves(
    run: Run, classifier: Classifier, pack: Pack, data: Labelled, kinds: Sequence[str], seed: int, tick: Tick
) -> dict[str, Any]:
    """Each kind's points: level, accuracies with intervals, change of top-1 and McNemar's p against none (ours)."""
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


def robustness_figure(report: Mapping[str, Any]) -> Figure:
    """A panel a kind: top-1 per instance with its 95 % interval against the level, from no damage on (ours)."""
    found = report["curves"]
    columns = min(3, len(found))
    lines = math.ceil(len(found) / columns)
    figure = Figure(figsize=(3.6 * columns + 0.4, 2.7 * lines), layout="constrained")
    start = {"level": 0.0, "per_instance": report["per_instance"], "interval95": report["interval95"]}
    for number, (kind, curve) in enumerate(found.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        axes.spines[["top", "right"]].set_visible(False)
        points = [start, *curve["points"]]
        levels, top1 = [one["level"] for one in points], [one["per_instance"]["top1"] for one in points]
        low, high = zip(*(one["interval95"]["per_instance.top1"] for one in points), strict=True)
        axes.fill_between(levels, low, high, color=COLOURS[5], alpha=0.3, linewidth=0)
        axes.plot(levels, top1, color=COLOURS[0], marker="o", markersize=4, linewidth=1.4)
        axes.axhline(top1[0], color=GREY, linewidth=0.8, linestyle=":")
        axes.set(ylim=(-3, 103), ylabel="top-1 (%)")
        axes.set_xlabel(curve["unit"], fontsize=9)
        axes.set_title(kind, loc="left", fontsize=11)
        axes.grid(color="#dddddd", linewidth=0.6)
    return figure
