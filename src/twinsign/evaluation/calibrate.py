"""Confidence that can be believed: a temperature and a "not sure" threshold, fitted on clips not learnt from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import fdtri
from torch import Tensor
from torch.nn import functional as F

from twinsign.evaluation.metrics import Scored
from twinsign.runs.calibration import NEVER, Calibration
from twinsign.runs.recipe import AbstainConfig

DECIMALS = 9
"""Confidences closer than float64 sums in another order are equal."""
FEWEST = 10
"""Glosses without which a clip whose own is struck out does not stand for an unknown sign."""
_ROUNDING = 1e-9
"""By how much sums of weights may miss a promise that is kept exactly."""
EVEN = 0.5
"""Confidence of the lower bound on clips of other signs: more could seldom be had of a few hundred clips."""


def calibrate(
    scored: Scored, abstain: AbstainConfig | None = None, others: NDArray[np.float32] | None = None
) -> Calibration:
    """The temperature of least cross-entropy (Guo et al. 2017) and the least threshold that keeps its promise.

    For unknown signs stand the same clips with their own gloss struck out of the answer; of fewer glosses than FEWEST
    what is left says nothing. `others`: logits (M C) of clips of signs that the classifier does not know, which are
    harder; unless they are fewer than their expected share, the promise must hold with them as well, by a bound of
    confidence EVEN. Without either no room is made.
    """
    logits, labels = torch.from_numpy(scored.scores).double(), torch.from_numpy(scored.labels)
    wanted = abstain or AbstainConfig()
    grid = torch.logspace(-1.5, 1.5, 121, dtype=torch.double)
    temperature = float(grid[int(torch.stack([F.cross_entropy(logits / one, labels) for one in grid]).argmin())])
    right = logits.argmax(dim=1) == labels
    known, level = _confidence(logits / temperature), wanted.confidence
    strangers: list[tuple[Tensor, float]] = []
    if wanted.unknown_share and logits.shape[1] >= FEWEST:
        struck = logits.scatter(1, labels[:, None], -torch.inf)
        strangers.append((_confidence(struck / temperature), level))
    real = (
        0
        if others is None or len(others) < wanted.unknown_share / (1 - wanted.unknown_share) * len(logits)
        else len(others)
    )
    if wanted.unknown_share and others is not None and real:
        asked = _confidence(torch.from_numpy(others).double() / temperature)
        strangers.append((asked, min(level, EVEN) if strangers else level))
    unknown = wanted.unknown_share if strangers else 0.0
    # What is surer is right more often: a threshold above one that keeps its promise keeps it too.
    threshold = max(
        threshold_of(known, right, wanted.target_accuracy, each, group, unknown)
        for group, each in strangers or [(known[:0], level)]
    )
    coverage = float((known >= threshold).double().mean())
    return Calibration(temperature, threshold, wanted.target_accuracy, unknown, level, real if unknown else 0, coverage)


def _confidence(logits: Tensor) -> Tensor:
    return logits.softmax(dim=1).amax(dim=1).round(decimals=DECIMALS)


def threshold_of(
    confidence: Tensor, right: Tensor, trusted: float, level: float, strangers: Tensor, unknown: float
) -> float:
    """The least confidence at and above which a share `trusted` of the answers is right, or NEVER.

    Of guesses (N) that are right or not (N) and of guesses on unknown signs (M), which are wrong and stand for a share
    `unknown` of all; by the lower bound of confidence `level` (`lower_bounds`).
    """
    both = torch.cat([confidence, strangers])
    order = both.argsort(descending=True)
    hits = torch.cat([right, torch.zeros(len(strangers), dtype=torch.bool)])[order]
    weight = torch.full_like(both, (1 - unknown) / len(confidence), dtype=torch.double)
    weight[len(confidence) :] = unknown / max(len(strangers), 1)
    enough = lower_bounds(hits.numpy(), weight[order].numpy(), level) >= trusted - _ROUNDING
    ranked = both[order]
    last = torch.cat([ranked[1:], ranked.new_zeros(1)]) < ranked  # A threshold takes all clips of equal confidence.
    places = np.flatnonzero(enough & last.numpy())
    return float(ranked[places[-1]]) if len(places) else NEVER


def lower_bounds(right: NDArray[np.bool_], weight: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """One-sided lower confidence bounds (N) of the weighted share that is right among the first 1 … N answers (N), (N).

    Of equal weights Clopper and Pearson's, as quantiles of F. Of several the wrong weight counts as with Fay and Feuer
    (1997): with one more wrong answer of the largest weight, so that a group of which few clips were seen says little,
    though none of them was answered wrongly. `level` 0: the shares themselves.
    """
    hits, misses = weight * right, weight * ~right
    good, bad = hits.cumsum(), misses.cumsum()
    if not level:
        shares: NDArray[np.float64] = good / (good + bad)
        return shares
    bad, square = bad + weight.max(), (weight * misses).cumsum() + weight.max() ** 2
    number = good**2 / np.maximum((weight * hits).cumsum(), np.finfo(float).tiny)
    quantile = fdtri(2 * number.clip(_ROUNDING), 2 * bad**2 / square, 1 - level)  # Of no right answer it is 0.
    odds: NDArray[np.float64] = good / bad * quantile
    return odds / (1 + odds)
