"""Confidence that can be believed: a temperature and a "not sure" threshold, both chosen on val (ours)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from twinsign.recipe import SureConfig
from twinsign.recognise.metrics import Scored
from twinsign.run import Run

DECIMALS = 9
"""Confidences closer than float64 sums in another order are equal."""
NEVER = 2.0
"""A threshold that no confidence reaches."""
TRUSTED = SureConfig().trusted
"""Share of the guesses above the threshold that should be right."""


@dataclass(frozen=True)
class Calibration:
    """Logits over `temperature` give confidences; below `threshold` the answer is "not sure"."""

    temperature: float = 1.0
    threshold: float = 0.5
    trusted: float = TRUSTED
    """What the threshold was fitted for: the share of sure answers that is to be right,"""
    unknown: float = 0.0
    """and the share of clips of unknown signs among those asked."""


def calibration_of(run: Run) -> Calibration | None:
    """What was fitted for this run, on val unless anew; None where nothing was."""
    fitted = run.about.get("calibration")
    return Calibration(**fitted) if fitted else None


def calibrate(scored: Scored, sure: SureConfig | None = None) -> Calibration:
    """The temperature of least cross-entropy (Guo et al. 2017) and the least threshold that keeps its promise (ours).

    For unknown signs, of which val has none, stand the same clips with their own gloss taken out of the answer.
    """
    logits, labels, wanted = (
        torch.from_numpy(scored.scores).double(),
        torch.from_numpy(scored.labels),
        sure or SureConfig(),
    )
    grid = torch.logspace(-1.5, 1.5, 121, dtype=torch.double)
    temperature = float(grid[int(torch.stack([F.cross_entropy(logits / one, labels) for one in grid]).argmin())])
    confidence, guess = (logits / temperature).softmax(dim=1).max(dim=1)
    right, weight = guess == labels, torch.full_like(confidence, 1 - wanted.unknown)
    if wanted.unknown:
        others = logits.scatter(1, labels[:, None], -torch.inf)
        confidence = torch.cat([confidence, (others / temperature).softmax(dim=1).amax(dim=1)])
        right = torch.cat([right, torch.zeros_like(right)])
        weight = torch.cat([weight, 1 - weight])
    threshold = threshold_of(confidence.round(decimals=DECIMALS), right, wanted.trusted, weight=weight)
    return Calibration(temperature, threshold, wanted.trusted, wanted.unknown)


def threshold_in_words(fitted: Calibration) -> str:
    """What a threshold promises of the clips that it was fitted on (ours)."""
    among = f", {100 * fitted.unknown:g} % of all clips being of signs that it does not know" if fitted.unknown else ""
    if fitted.threshold >= NEVER:
        return f"no threshold made {100 * fitted.trusted:g} % of the sure answers right{among}: it is never sure"
    share = f"{100 * fitted.trusted:g} % of the answers above it were right"
    return f'"not sure" below {100 * fitted.threshold:.0f} % ({share}{among})'


def threshold_of(
    confidence: Tensor, right: Tensor, trusted: float = TRUSTED, spare: int = 0, weight: Tensor | None = None
) -> float:
    """The least confidence at and above which a share `trusted` of the guesses (N), (N) is right, or NEVER (ours).

    With `spare`, even if so many more were wrong: of few guesses the surest may be right by luck. `weight` (N): how
    much each guess counts; one unless told.
    """
    order = confidence.argsort(descending=True)
    each = torch.ones(len(right), dtype=torch.double) if weight is None else weight.double()[order]
    precision = (right[order] * each).cumsum(0) / (each.cumsum(0) + spare)
    ranked = confidence[order]
    below = torch.cat([ranked[1:], ranked.new_zeros(1)]) < ranked  # A threshold takes all clips of equal confidence.
    enough = np.flatnonzero(((precision >= trusted) & below).numpy())
    return float(ranked[enough[-1]]) if len(enough) else NEVER
