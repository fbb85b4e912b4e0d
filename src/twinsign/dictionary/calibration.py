"""How sure a dictionary may be: similarities as confidences, with room for signs that it does not hold.

Of a sign's similarities s_c to C glosses, the confidence in c is exp(a s_c) / (exp(a n) + sum over j of exp(a s_j)):
a softmax of sharpness a with one more class, "none of them", as near as n. Both are fitted on a dictionary's own
recordings, each asked of the others twice: with its gloss there, and with its gloss taken out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from twinsign.evaluation.calibrate import threshold_of
from twinsign.runs.calibration import NEVER
from twinsign.runs.recipe import AbstainConfig

SHARPEST = 100.0
"""The largest a: a few recordings that happen to be told apart without error would take any."""
UNFITTED = 1 / 0.07
"""a where nothing was fitted: pre-training's own temperature (paper); "none of them" is then as near as a copy."""
FEWEST = 10
"""Recordings that must have another one of their gloss, and glosses that must differ by, before anything is fitted."""
PROMISE = AbstainConfig()
"""What the threshold is fitted for."""
_STEPS = 200


@dataclass(frozen=True)
class OpenCalibration:
    """Sharpness a, how near "none of them" is, the least confidence that is sure, and what it was fitted on."""

    sharpness: float = UNFITTED
    none: float = 1.0
    threshold: float = NEVER
    recordings: int = 0
    """Recordings that were asked of the others; 0: nothing was fitted, and no answer is sure."""

    def confidences(self, similarity: Tensor) -> Tensor:
        """Confidences (N C) of similarities (N C); what they lack to 1 is for "none of them"."""
        return _with_none(similarity, torch.tensor(self.sharpness), torch.tensor(self.none)).exp()[:, :-1]


def fit_open_set(
    similarity: Tensor, labels: Tensor, without: Tensor, abstain: AbstainConfig = PROMISE
) -> OpenCalibration:
    """Fit on similarities (N C) of recordings to all glosses, their own (N) among them, and without it (N).

    `without` is the similarity to the own gloss where that is taken out of the dictionary: below all others. The
    likeliest a and n, each recording counting as a known and as an unknown sign; then the least threshold above which
    a share `trusted` of all the first guesses is right, by its lower confidence bound (half of all questions
    being of unknown signs).
    """
    known = similarity.double()
    unknown = known.scatter(1, labels[:, None], without.double()[:, None])
    none = torch.full_like(labels, known.shape[1])
    both, truth = torch.cat([known, unknown]), torch.cat([labels, none])
    free = torch.tensor([0.0, float(unknown.max(dim=1).values.mean())], dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([free], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.nll_loss(_with_none(both, SHARPEST * free[0].sigmoid(), free[1]), truth)
        value.backward()
        return value

    optimiser.step(loss)
    sharpness, nearness = float(SHARPEST * free[0].detach().sigmoid()), float(free[1].detach())
    fitted = OpenCalibration(sharpness, nearness, NEVER, len(labels))
    confidence, guess = fitted.confidences(both).max(dim=1)
    mine, theirs = confidence.tensor_split([len(labels)])
    right = guess[: len(labels)] == labels
    threshold = threshold_of(mine, right, abstain.target_accuracy, abstain.confidence, theirs, 0.5)
    return OpenCalibration(sharpness, nearness, threshold, len(labels))


def _with_none(similarity: Tensor, sharpness: Tensor, none: Tensor) -> Tensor:
    """Log-probabilities (N C + 1) of the glosses and, last, of none of them."""
    last = none.to(similarity.dtype).expand(len(similarity), 1)
    return (sharpness.to(similarity.dtype) * torch.cat([similarity, last], dim=1)).log_softmax(dim=1)
