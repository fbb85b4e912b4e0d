"""Calibrated confidences of a dictionary's similarities, which allow for out-of-vocabulary signs.

With similarities s_c of a sign to C glosses, the confidence in c is exp(a s_c) / (exp(a n) + sum over j of exp(a s_j)):
a softmax of sharpness a with one more class, "none of them", at similarity n. Both are fitted on a dictionary's own
recordings, each looked up among the others twice: with its gloss, and with its gloss removed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from twinsign.evaluation.calibrate import fit_threshold
from twinsign.runs.calibration import NEVER
from twinsign.runs.recipe import AbstainConfig

SHARPEST = 100.0
"""The largest a: a few recordings that happen to be separated without error would fit any."""
UNFITTED = 1 / 0.07
"""a where nothing was fitted: the inverse of pre-training's temperature (paper)."""
FEWEST = 10
"""Fewest recordings, each with another of its gloss, that a calibration is fitted on."""


@dataclass(frozen=True)
class OpenCalibration:
    """Sharpness a, similarity n of "none of them", the abstention threshold, and how many recordings fitted them."""

    sharpness: float = UNFITTED
    none: float = 1.0
    threshold: float = NEVER
    recordings: int = 0
    """0: nothing was fitted, and no answer is sure."""

    def confidences(self, similarity: Tensor) -> Tensor:
        """Confidences (N C) of similarities (N C); the remainder to 1 is that of "none of them"."""
        return _with_none(similarity, torch.tensor(self.sharpness), torch.tensor(self.none)).exp()[:, :-1]


def fit_open_set(similarity: Tensor, labels: Tensor) -> OpenCalibration:
    """Fit on similarities (N C) of recordings to all glosses and on their labels (N).

    a and n maximise the likelihood, each recording counting as a known sign and, with its own gloss at the least
    similarity, as an unknown one. The threshold is the least above which the default target share of first guesses is
    right by its lower confidence bound, half of all queries being unknown.
    """
    abstain, clips, enrolled = AbstainConfig(), len(labels), similarity.double()
    unknown = enrolled.scatter(1, labels[:, None], -1.0)
    queries = torch.cat([enrolled, unknown])
    truth = torch.cat([labels, torch.full_like(labels, similarity.shape[1])])
    free = torch.tensor([0.0, float(unknown.max(dim=1).values.mean())], dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([free], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.nll_loss(_with_none(queries, SHARPEST * free[0].sigmoid(), free[1]), truth)
        value.backward()
        return value

    optimiser.step(loss)
    fitted = OpenCalibration(float(SHARPEST * free[0].detach().sigmoid()), float(free[1].detach()), NEVER, clips)
    confidence, guess = fitted.confidences(queries).max(dim=1)
    answers = confidence[:clips], guess[:clips] == labels
    threshold = fit_threshold(*answers, abstain.target_accuracy, abstain.confidence, confidence[clips:], 0.5)
    return replace(fitted, threshold=threshold)


def _with_none(similarity: Tensor, sharpness: Tensor, none: Tensor) -> Tensor:
    """Log-probabilities (N C + 1) of the glosses and, last, of none of them."""
    last = none.to(similarity.dtype).expand(len(similarity), 1)
    return (sharpness.to(similarity.dtype) * torch.cat([similarity, last], dim=1)).log_softmax(dim=1)
