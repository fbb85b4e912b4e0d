"""Confidence that can be believed: a temperature and a "not sure" threshold, both chosen on val (ours)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from twinsign.recognise.metrics import Scored
from twinsign.run import Run

NEVER = 2.0
"""A threshold that no confidence reaches."""
TRUSTED = 0.9
"""Share of the guesses above the threshold that should be right."""


@dataclass(frozen=True)
class Calibration:
    """Logits over `temperature` give confidences; below `threshold` the answer is "not sure"."""

    temperature: float = 1.0
    threshold: float = 0.5


def calibration_of(run: Run) -> Calibration | None:
    """What was fitted on val for this run; None where it had none."""
    fitted = run.about.get("calibration")
    return Calibration(**fitted) if fitted else None


def calibrate(scored: Scored, trusted: float = TRUSTED) -> Calibration:
    """The temperature of least cross-entropy (Guo et al. 2017) and the least threshold that keeps `trusted` right."""
    logits, labels = torch.from_numpy(scored.scores).double(), torch.from_numpy(scored.labels)
    grid = torch.logspace(-1.5, 1.5, 121, dtype=torch.double)
    temperature = float(grid[int(torch.stack([F.cross_entropy(logits / one, labels) for one in grid]).argmin())])
    confidence, guess = (logits / temperature).softmax(dim=1).max(dim=1)
    return Calibration(temperature, threshold_of(confidence, guess == labels, trusted))


def threshold_of(confidence: Tensor, right: Tensor, trusted: float = TRUSTED, spare: int = 0) -> float:
    """The least confidence at and above which a share `trusted` of the guesses (N), (N) is right, or NEVER (ours).

    With `spare`, even if so many more were wrong: of few guesses the surest may be right by luck.
    """
    order = confidence.argsort(descending=True)
    precision = right[order].double().cumsum(0) / (torch.arange(1, len(right) + 1) + spare)
    ranked = confidence[order]
    below = torch.cat([ranked[1:], ranked.new_zeros(1)]) < ranked  # A threshold takes all clips of equal confidence.
    enough = np.flatnonzero(((precision >= trusted) & below).numpy())
    return float(ranked[enough[-1]]) if len(enough) else NEVER
