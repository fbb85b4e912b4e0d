"""Confidence that can be believed: a temperature and a "not sure" threshold, fitted on clips not learnt from (ours)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from twinsign.errors import InputError
from twinsign.recipe import SureConfig
from twinsign.recognise.metrics import Scored
from twinsign.run import CONFIG, Run

DECIMALS = 9
"""Confidences closer than float64 sums in another order are equal."""
FEWEST = 10
"""Glosses without which a clip whose own is struck out does not stand for an unknown sign."""
_ROUNDING = 1e-9
"""By how much sums of weights may miss a promise that is kept exactly."""
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
    """Share of the sure answers that the threshold was to keep right."""
    unknown: float = 0.0
    """Share of the clips that it expected to be of unknown signs."""


def calibration_of(run: Run) -> Calibration | None:
    """What was fitted for this run, on val unless anew; None where nothing was.

    InputError where config.yaml has other fields.
    """
    fitted = run.about.get("calibration")
    if not fitted:
        return None
    named = {field.name for field in fields(Calibration)}
    if unknown := sorted(map(str, fitted.keys() - named)):
        raise InputError(f"calibration.{unknown[0]}", f"among {', '.join(sorted(named))}", file=run.path / CONFIG)
    return Calibration(**fitted)


def calibrate(scored: Scored, sure: SureConfig | None = None) -> Calibration:
    """The temperature of least cross-entropy (Guo et al. 2017) and the least threshold that keeps its promise (ours).

    For unknown signs stand the same clips with their own gloss struck out of the answer; of fewer glosses than FEWEST
    what is left says nothing, and no room is made.
    """
    logits, labels = torch.from_numpy(scored.scores).double(), torch.from_numpy(scored.labels)
    wanted = sure or SureConfig()
    unknown = wanted.unknown if logits.shape[1] >= FEWEST else 0.0
    grid = torch.logspace(-1.5, 1.5, 121, dtype=torch.double)
    temperature = float(grid[int(torch.stack([F.cross_entropy(logits / one, labels) for one in grid]).argmin())])
    confidence, guess = (logits / temperature).softmax(dim=1).max(dim=1)
    right, weight = guess == labels, torch.full_like(confidence, 1 - unknown)
    if unknown:
        others = logits.scatter(1, labels[:, None], -torch.inf)
        confidence = torch.cat([confidence, (others / temperature).softmax(dim=1).amax(dim=1)])
        right = torch.cat([right, torch.zeros_like(right)])
        weight = torch.cat([weight, 1 - weight])
    threshold = threshold_of(confidence.round(decimals=DECIMALS), right, wanted.trusted, weight=weight)
    return Calibration(temperature, threshold, wanted.trusted, unknown)


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
    enough = (right[order] * each).cumsum(0) >= (trusted - _ROUNDING) * (each.cumsum(0) + spare)
    ranked = confidence[order]
    below = torch.cat([ranked[1:], ranked.new_zeros(1)]) < ranked  # A threshold takes all clips of equal confidence.
    places = np.flatnonzero((enough & below).numpy())
    return float(ranked[places[-1]]) if len(places) else NEVER
