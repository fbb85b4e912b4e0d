"""What a "not sure" buys: accuracy among the surest clips, by how many are answered (Geifman and El-Yaniv 2017)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.evaluation.calibrate import DECIMALS
from twinsign.evaluation.metrics import (
    Scored,
    calibration_error,
    calibration_error_by_chance,
    confidences,
    percent,
    ranks,
)
from twinsign.runs.calibration import Calibration

STEPS = 20
"""Points of the curve: the surest 5 %, 10 %, … of the clips."""
PROMISED = ("trusted", "unknown", "confidence")
"""What a threshold was fitted for, of its calibration."""


def selective_report(scored: Scored, calibration: Calibration | None) -> dict[str, Any]:
    """Accuracy by coverage, the area under the risk-coverage curve (AURC), and both errors of confidence, in percent.

    Clips are taken by falling confidence at the run's temperature; of equally sure ones the wrong first. AURC is the
    mean error over all coverages 1/N … 1, less is better. `unlike`: clips too unlike the training clips for a sure
    answer. `ece_calibrated` is None without a calibration; `ece_by_chance` is what right confidences would show on so
    many clips.
    """
    chosen = calibration or Calibration(threshold=0.0)
    cooled, right = at_temperature(scored, chosen), ranks(scored) == 0
    confidence, answered = answered_surely(cooled, chosen)
    order = np.lexsort((right, -confidence))
    accuracy = right[order].cumsum() / np.arange(1, len(right) + 1)
    counts = np.unique(np.ceil(np.arange(1, STEPS + 1) * len(right) / STEPS).astype(int))
    points = [
        {
            "coverage": percent(count / len(right)),
            "accuracy": percent(accuracy[count - 1]),
            "confidence": round(float(confidence[order[count - 1]]), 4),
        }
        for count in counts
    ]
    return {
        "ece_calibrated": percent(calibration_error(cooled)) if calibration else None,
        "ece_by_chance": dict(zip(("mean", "below95"), map(percent, calibration_error_by_chance(cooled)), strict=True)),
        "selective": points,
        "aurc": percent((1 - accuracy).mean()),
        "unlike": 0 if scored.unlike is None else int(scored.unlike.sum()),
        "answered": {
            "threshold": calibration.threshold if calibration else None,
            "coverage": percent(answered.mean()),
            "accuracy": percent(right[answered].mean()) if answered.any() else None,
            "promised": {name: getattr(calibration, name) for name in PROMISED} if calibration else None,
        },
    }


def answered_surely(cooled: Scored, calibration: Calibration) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences (N) in [0, 1] of scores at their temperature, and which clips (N) reach the "not sure" threshold."""
    confidence = confidences(cooled).round(DECIMALS)
    sure = confidence >= round(calibration.threshold, DECIMALS)
    return confidence, sure if cooled.unlike is None else sure & ~cooled.unlike


def at_temperature(scored: Scored, calibration: Calibration) -> Scored:
    """The scores over a calibration's temperature."""
    return replace(scored, scores=scored.scores / np.float32(calibration.temperature))
