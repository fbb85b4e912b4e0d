"""Bootstrap reports over clips and seeds, and tests of whether one model beats another: McNemar's and sign flips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.evaluation.metrics import KINDS as KINDS
from twinsign.evaluation.metrics import (
    TOP_NAMES,
    TOPS,
    ClipScores,
    calibration_error,
    intervals_in_percent,
    means_in_percent,
    percent,
    true_class_ranks,
)

RESAMPLES = 2000
FLIPS = 10_000
_FLIPS_AT_ONCE = 200
_TOLERANCE = 1e-9


def bootstrap_report(
    sides: Sequence[NDArray[np.float64]],
    labels: NDArray[np.int64],
    names: Sequence[str] = TOP_NAMES,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Means per instance and per class (those present) of K named values in percent, with 95 % percentile intervals.

    `sides` (S N K each) hold the values of N clips with these labels (N) for S seeds; several are added up, so a
    difference of two models is one side and the other's negative. Each resample draws clips, and the seeds of each
    side, with replacement; a clip is drawn with all its values.
    """
    classes, position = np.unique(labels, return_inverse=True)
    random, drawn = np.random.default_rng(seed), []
    for _ in range(resamples):
        values = sum(side[random.integers(len(side), size=len(side))].mean(axis=0) for side in sides)
        weight = random.multinomial(len(labels), np.full(len(labels), 1 / len(labels)))
        drawn.append(_weighted_means(np.asarray(values), position, weight))
    low, high = np.percentile(np.stack(drawn), [2.5, 97.5], axis=0)  # 2 K
    means = sum(_weighted_means(side.mean(axis=0), position, np.ones(len(labels))) for side in sides)
    return {
        **means_in_percent(np.asarray(means), names),
        "clips": len(labels),
        "classes": len(classes),
        "interval95": intervals_in_percent(low, high, names),
    }


def _weighted_means(
    values: NDArray[np.float64], classes: NDArray[np.int64], weight: NDArray[Any]
) -> NDArray[np.float64]:
    """Weighted means (2 K) of values (N K): over clips, and over the classes (N) of their clips' means."""
    count = np.bincount(classes, weight)
    sums = np.stack([np.bincount(classes, column) for column in (values * weight[:, None]).T], axis=1)
    by_class = sums[count > 0] / count[count > 0, None]
    return np.stack([sums.sum(axis=0) / count.sum(), by_class.mean(axis=0)])


def _top_hits(runs: Sequence[ClipScores]) -> NDArray[np.float64]:
    """Whether each clip is right within the top 1, 2 and 5 (S N 3), as 0 or 1; InputError for different clips."""
    if len({(tuple(scored.ids), scored.labels.tobytes()) for scored in runs}) != 1:
        raise InputError("scores of different clips", "the same clips with the same labels, in the same order")
    return np.stack([np.stack([true_class_ranks(scored) < top for top in TOPS], axis=1) for scored in runs]).astype(
        float
    )


def report_over_seeds(runs: Sequence[ClipScores], *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Mean accuracies of several seeds in percent, with 95 % intervals by bootstrap over seeds and clips.

    Raises InputError where the seeds were scored on different clips.
    """
    hits = _top_hits(runs)
    return {
        **bootstrap_report([hits], runs[0].labels, resamples=resamples, seed=seed),
        "label_count": len(runs[0].glosses),
        "ece": percent(float(np.mean([calibration_error(scored) for scored in runs]))),
        "seeds": len(runs),
        "per_instance_top1_by_seed": [percent(value) for value in hits[:, :, 0].mean(axis=1)],
    }


def compare(
    a: Sequence[ClipScores], b: Sequence[ClipScores], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Accuracies of two models, one entry per seed each, and the differences A - B with 95 % intervals, in points.

    Intervals: a paired bootstrap over clips and, with several seeds, over each model's seeds. All scores are `aligned`;
    raises InputError where their clips differ.
    """
    labels, hits = a[0].labels, np.split(_top_hits([*a, *b]), [len(a)])
    difference = bootstrap_report([hits[0], -hits[1]], labels, resamples=resamples, seed=seed)
    _, position = np.unique(labels, return_inverse=True)
    means = [_weighted_means(side.mean(axis=0), position, np.ones(len(labels))) for side in hits]
    return {
        "clips": difference["clips"],
        "classes": difference["classes"],
        "a": means_in_percent(means[0]) | {"seeds": len(a)},
        "b": means_in_percent(means[1]) | {"seeds": len(b)},
        "difference": {kind: difference[kind] for kind in KINDS},
        "interval95": difference["interval95"],
        **_top1_test(*(side[..., 0] for side in hits)),
    }


def _top1_test(a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, Any]:
    """McNemar's test of top-1 hits (S N) for one seed each, else the sign-flip test of the clips' means over seeds."""
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    if len(a) > 1 or len(b) > 1:
        return {"sign_flip": {"p": sign_flip(mean_a - mean_b), "flips": FLIPS}}
    only_a, only_b = int((mean_a > mean_b).sum()), int((mean_b > mean_a).sum())
    return {"mcnemar": {"only_a": only_a, "only_b": only_b, "p": mcnemar(only_a, only_b)}}


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p-value of McNemar's test (1947), from the clips that one model alone gets right.

    The binomial tail with probability 1/2 in whole numbers; SciPy's takes 0.7 s to import.
    """
    discordant, tail, term = only_a + only_b, 0, 1
    for hits in range(min(only_a, only_b) + 1):
        tail += term
        term = term * (discordant - hits) // (hits + 1)
    return float(min(1.0, 2 * tail / (1 << discordant)))


def sign_flip(differences: NDArray[np.float64], flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p-value of the mean of paired differences (N), by random changes of the clips' signs (Fisher 1935).

    The observed signs count as one draw. With differences of -1, 0, 1 it estimates `mcnemar`; with means over seeds a
    clip keeps all its seeds together.
    """
    different = differences[np.abs(differences) > _TOLERANCE]
    observed, random, extreme = abs(different.sum()), np.random.default_rng(seed), 1
    for start in range(0, flips, _FLIPS_AT_ONCE):
        signs = random.choice((-1.0, 1.0), size=(min(_FLIPS_AT_ONCE, flips - start), len(different)))
        extreme += int((np.abs(signs @ different) >= observed - _TOLERANCE).sum())
    return extreme / (flips + 1)
