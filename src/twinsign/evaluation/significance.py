"""Whether one model is better than another on the same clips: McNemar's test and a paired bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.evaluation.bootstrap import redrawn, weighted_means
from twinsign.evaluation.metrics import TOPS, Scored, percent, ranks

KINDS = ("per_instance", "per_class")
RESAMPLES = 2000
FLIPS = 10_000
_FLIPS_AT_ONCE = 200
_ALMOST = 1e-9


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p-value that clips which one model alone gets right fall to either alike (McNemar 1947).

    The binomial tail with probability 1/2 in whole numbers, so exact for few clips and for many.
    """
    discordant, tail, term = only_a + only_b, 0, 1
    for hits in range(min(only_a, only_b) + 1):
        tail += term
        term = term * (discordant - hits) // (hits + 1)
    return float(min(1.0, 2 * tail / (1 << discordant)))


def sign_flip(differences: NDArray[np.float64], flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p-value of the mean of paired differences (N) when each clip's sign were a coin's (Fisher 1935).

    A seeded draw of sign changes, the given one counted among them. With differences of -1, 0, 1 it estimates
    `mcnemar`; with means over seeds a clip keeps all its seeds together.
    """
    different = differences[np.abs(differences) > _ALMOST]
    observed, random, extreme = abs(different.sum()), np.random.default_rng(seed), 1
    for start in range(0, flips, _FLIPS_AT_ONCE):
        signs = random.choice((-1.0, 1.0), size=(min(_FLIPS_AT_ONCE, flips - start), len(different)))
        extreme += int((np.abs(signs @ different) >= observed - _ALMOST).sum())
    return extreme / (flips + 1)


def compare(
    ours: Sequence[Scored], theirs: Sequence[Scored], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Accuracies of two models, a file a seed each, and the differences A - B with 95 % intervals, in points.

    Intervals: a paired bootstrap; a clip is drawn with all its results in both models, and with several seeds each
    side's seeds are drawn too. All files are `aligned`; InputError where their clips differ.
    """
    if len({(tuple(one.ids), one.labels.tobytes()) for one in (*ours, *theirs)}) != 1:
        raise InputError("models scored on different clips", "the same clips with the same labels, in the same order")
    labels = ours[0].labels
    classes, place = np.unique(labels, return_inverse=True)
    hits = [_hits(side) for side in (ours, theirs)]  # 2 x (S N 3)
    random, drawn = np.random.default_rng(seed), []
    for _ in range(resamples):
        one, other = (side[random.integers(len(side), size=len(side))].mean(axis=0) for side in hits)
        drawn.append(weighted_means(one - other, place, redrawn(random, len(labels))))
    low, high = np.percentile(np.stack(drawn), [2.5, 97.5], axis=0)  # 2 3
    means = [weighted_means(side.mean(axis=0), place) for side in hits]
    difference = means[0] - means[1]
    return {
        "clips": len(labels),
        "classes": len(classes),
        "a": _as_report(means[0]) | {"seeds": len(ours)},
        "b": _as_report(means[1]) | {"seeds": len(theirs)},
        "difference": _as_report(difference),
        "interval95": {
            f"{kind}.top{top}": [percent(low[i, j]), percent(high[i, j])]
            for i, kind in enumerate(KINDS)
            for j, top in enumerate(TOPS)
        },
        **_tests(hits[0], hits[1]),
    }


def _hits(side: Sequence[Scored]) -> NDArray[np.float64]:
    return np.stack([np.stack([ranks(one) < top for top in TOPS], axis=1) for one in side]).astype(float)


def _tests(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> dict[str, Any]:
    """McNemar's test of top-1 for a file a side, else the sign-flip test of the clips' means over seeds."""
    one, other = ours[..., 0].mean(axis=0), theirs[..., 0].mean(axis=0)
    if len(ours) > 1 or len(theirs) > 1:
        return {"sign_flip": {"p": sign_flip(one - other), "flips": FLIPS}}
    only_a, only_b = int((one > other).sum()), int((other > one).sum())
    return {"mcnemar": {"only_a": only_a, "only_b": only_b, "p": mcnemar(only_a, only_b)}}


def _as_report(means: NDArray[np.float64]) -> dict[str, Any]:
    return {kind: {f"top{top}": percent(means[i, j]) for j, top in enumerate(TOPS)} for i, kind in enumerate(KINDS)}
