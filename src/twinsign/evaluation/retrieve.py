"""Looking a sign up in a dictionary: how high the right gloss stands in the ranked list (Desai et al. 2023).

A query has one right gloss, so the ideal list has it first and DCG is nDCG. Ties count against the model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twinsign.evaluation.bootstrap import redrawn, weighted_means
from twinsign.evaluation.metrics import Scored, percent, ranks
from twinsign.nn.features import unit_means

DEPTHS = (1, 5, 10)
"""Recall is given at these lengths of the list (Desai et al. 2023)."""
MEASURES = ("dcg", "mrr", *(f"recall{depth}" for depth in DEPTHS))
KINDS = ("per_instance", "per_class")
RESAMPLES = 2000
_ROWS_AT_ONCE = 1024


def nearest(query: Tensor, gallery: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Scores (N C) of unit vectors (N D): similarity to each gloss's nearest gallery clip (M D), labels (M) (ours)."""
    found = torch.full((len(query), classes), -1.0)
    for start in range(0, len(query), _ROWS_AT_ONCE):
        similar = query[start : start + _ROWS_AT_ONCE] @ gallery.T
        index = labels.expand(len(similar), -1)
        found[start : start + _ROWS_AT_ONCE].scatter_reduce_(1, index, similar, reduce="amax")
    return found


def prototypes(query: Tensor, gallery: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Scores (N C) of unit vectors (N D): similarity to the unit mean of each gloss's gallery clips (M D) (ours)."""
    return query @ unit_means(gallery, labels, classes).T


def values(rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """DCG 1 / log2(1 + r), reciprocal rank 1 / r and recall at 1, 5 and 10 of ranks r from 1: (N 5).

    DCG after Järvelin and Kekäläinen (2002); one right answer a query, as in ASL Citizen (Desai et al. 2023).
    """
    return np.stack([1 / np.log2(1 + rank), 1 / rank, *((rank <= depth) * 1.0 for depth in DEPTHS)], axis=1)


def retrieval_report(scored: Scored, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Means of `values` over clips, and over classes present, in percent, with 95 % bootstrap intervals over clips."""
    rank = ranks(scored) + 1
    found = values(rank)
    _, place = np.unique(scored.labels, return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = [weighted_means(found, place, redrawn(random, len(rank))) for _ in range(resamples)]
    low, high = np.percentile(np.stack(drawn), [2.5, 97.5], axis=0)
    means = weighted_means(found, place)
    return {
        **{kind: {name: percent(means[i, j]) for j, name in enumerate(MEASURES)} for i, kind in enumerate(KINDS)},
        "interval95": {
            f"{kind}.{name}": [percent(low[i, j]), percent(high[i, j])]
            for i, kind in enumerate(KINDS)
            for j, name in enumerate(MEASURES)
        },
        "median_rank": float(np.median(rank)),
        "clips": len(rank),
        "classes": int(place.max()) + 1,
        "label_count": len(scored.glosses),
    }
