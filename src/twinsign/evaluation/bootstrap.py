"""One report of several seeds of the same experiment on the same clips, and the bootstrap over clips and classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.evaluation.metrics import TOPS, Scored, calibration_error, percent, ranks


def report_over_seeds(runs: Sequence[Scored], *, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """The report of the seeds' mean, its 95 % intervals by bootstrap over seeds and clips, in percent.

    Raises InputError where the seeds saw different clips.
    """
    if len({tuple(one.ids) for one in runs}) != 1:
        raise InputError("seeds on different clips", "the same clips in the same order")
    labels = runs[0].labels
    hits = np.stack([np.stack([ranks(one) < top for top in TOPS], axis=1) for one in runs]).astype(float)  # S N 3
    classes, place = np.unique(labels, return_inverse=True)
    random = np.random.default_rng(seed)
    drawn: list[NDArray[np.float64]] = []
    for _ in range(resamples):
        chosen = hits[random.integers(len(runs), size=len(runs))].mean(axis=0)
        drawn.append(weighted_means(chosen, place, redrawn(random, len(labels))))
    centre = weighted_means(hits.mean(axis=0), place)  # 2 3
    low, high = np.percentile(np.stack(drawn), [2.5, 97.5], axis=0)
    kinds = ("per_instance", "per_class")
    return {
        **{kind: {f"top{top}": percent(centre[i, j]) for j, top in enumerate(TOPS)} for i, kind in enumerate(kinds)},
        "clips": len(labels),
        "classes": len(classes),
        "label_count": len(runs[0].glosses),
        "interval95": {
            f"{kind}.top{top}": [percent(low[i, j]), percent(high[i, j])]
            for i, kind in enumerate(kinds)
            for j, top in enumerate(TOPS)
        },
        "ece": percent(float(np.mean([calibration_error(one) for one in runs]))),
        "seeds": len(runs),
        "per_instance_top1_by_seed": [percent(value) for value in hits[:, :, 0].mean(axis=1)],
    }


def redrawn(random: np.random.Generator, clips: int) -> NDArray[np.int64]:
    """How often each of N clips (N) comes up in N draws with replacement: one bootstrap sample."""
    return random.multinomial(clips, np.full(clips, 1 / clips))


def weighted_means(
    values: NDArray[np.float64], classes: NDArray[np.int64], weight: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Weighted mean of values (N K) over clips, and over the classes (N) that occur of their clips': (2 K)."""
    weight = np.ones(len(values)) if weight is None else weight
    count = np.bincount(classes, weight)
    sums = np.stack([np.bincount(classes, column) for column in (values * weight[:, None]).T], axis=1)
    by_class = sums[count > 0] / count[count > 0, None]
    return np.stack([sums.sum(axis=0) / count.sum(), by_class.mean(axis=0)])
