"""What abstaining gains: accuracy by coverage (Geifman and El-Yaniv 2017), and rejection of out-of-vocabulary signs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.evaluation.calibrate import DECIMALS
from twinsign.evaluation.metrics import (
    ClipScores,
    calibration_error,
    calibration_error_by_chance,
    confidences,
    percent,
    true_class_ranks,
)
from twinsign.runs.calibration import Calibration

STEPS = 20
"""Points of the curve: the surest 5 %, 10 %, … of the clips."""


def selective_report(scored: ClipScores, calibration: Calibration | None) -> dict[str, Any]:
    """Accuracy by coverage, area under the risk-coverage curve (AURC) and calibration errors, in percent.

    Clips are taken by falling confidence at the run's temperature; of equally confident ones the wrong first. AURC is
    the mean error over all coverages 1/N, …, 1; lower is better. `unlike`: clips that the model must abstain on.
    `ece_calibrated` is None without a calibration; `ece_by_chance` is the error of a calibrated model on so many clips.
    """
    fitted = calibration or Calibration(threshold=0.0)
    cooled, confidence, answered = _answers(scored, fitted)
    right = true_class_ranks(scored) == 0
    order = np.lexsort((right, -confidence))
    accuracy = right[order].cumsum() / np.arange(1, len(right) + 1)
    counts = np.unique(np.ceil(np.arange(1, STEPS + 1) * len(right) / STEPS).astype(int))
    return {
        "ece_calibrated": percent(calibration_error(cooled)) if calibration else None,
        "ece_by_chance": dict(zip(("mean", "below95"), map(percent, calibration_error_by_chance(cooled)), strict=True)),
        "selective": [
            {
                "coverage": percent(count / len(right)),
                "accuracy": percent(accuracy[count - 1]),
                "confidence": round(float(confidence[order[count - 1]]), 4),
            }
            for count in counts
        ],
        "aurc": percent((1 - accuracy).mean()),
        "unlike": 0 if scored.unlike is None else int(scored.unlike.sum()),
        "answered": {
            "threshold": calibration.threshold if calibration else None,
            "coverage": percent(answered.mean()),
            "accuracy": percent(right[answered].mean()) if answered.any() else None,
            "promised": {name: getattr(calibration, name) for name in ("trusted", "unknown", "confidence")}
            if calibration
            else None,
        },
    }


def unknown_report(
    known_signs: ClipScores, unknown_signs: ClipScores, calibration: Calibration | None
) -> dict[str, Any]:
    """How well abstaining rejects unknown signs, whose labels are ignored; in percent.

    `answered`: unknown clips that are answered, always wrongly; `known_answered`: known clips that are answered;
    `right_of_answered`: right answers among all answers; `right_if_expected`: the same where the unknown clips are
    `expected` of all, the share that the threshold was fitted for; `auroc`: how often a known clip is surer than an
    unknown one (equally sure: half); `surest`: the five unknown clips of highest confidence. Without a
    calibration the default threshold of `predict` is used.
    """
    from sklearn.metrics import roc_auc_score  # slow to import, and of use here alone

    fitted = calibration or Calibration()
    _, confidence, sure = _answers(known_signs, fitted)
    _, unknown_confidence, wrong = _answers(unknown_signs, fitted)
    answers, right = int(sure.sum() + wrong.sum()), sure & (true_class_ranks(known_signs) == 0)
    answered_share = (1 - fitted.unknown) * sure.mean() + fitted.unknown * wrong.mean()
    is_known = np.repeat([1, 0], [len(confidence), len(unknown_confidence)])
    guesses = unknown_signs.scores.argmax(axis=1)
    return {
        "clips": len(unknown_confidence),
        "threshold": fitted.threshold,
        "answered": percent(wrong.mean()),
        "known_answered": percent(sure.mean()),
        "right_of_answered": percent(right.sum() / answers) if answers else None,
        "expected": percent(fitted.unknown),
        "right_if_expected": percent((1 - fitted.unknown) * right.mean() / answered_share) if answered_share else None,
        "auroc": percent(roc_auc_score(is_known, np.concatenate([confidence, unknown_confidence]))),
        "surest": [
            {
                "id": unknown_signs.ids[row],
                "guess": unknown_signs.glosses[guesses[row]],
                "confidence": round(float(unknown_confidence[row]), 4),
            }
            for row in np.argsort(-unknown_confidence, kind="stable")[:5]
        ],
    }


def describe_unknown(unknown: Mapping[str, Any]) -> str:
    """A report's `unknown` entry as a sentence."""
    clips = f"{unknown['clips']} clips of {unknown['glosses']} glosses"
    if not unknown["answered"] and not unknown["known_answered"]:
        return f"{clips}, none answered; but the model also abstains on all of its own signs"
    answered = (
        f"{unknown['answered']} % of {clips} answered, all wrongly, and {unknown['known_answered']} % of known signs"
    )
    sentence = f"{answered}; of all answers {unknown['right_of_answered']} % are right"
    if not unknown.get("expected"):
        return sentence
    expected = f"{unknown['expected']:.0f} % of all clips are of unknown signs"
    return f"{sentence}, {unknown['right_if_expected']} % where {expected}"


def _answers(scored: ClipScores, calibration: Calibration) -> tuple[ClipScores, NDArray[np.float64], NDArray[np.bool_]]:
    """Scores at the calibration's temperature, their confidences (N), and which clips (N) the model answers."""
    cooled = replace(scored, scores=scored.scores / np.float32(calibration.temperature))
    confidence = confidences(cooled).round(DECIMALS)
    sure = confidence >= round(calibration.threshold, DECIMALS)
    return cooled, confidence, sure if scored.unlike is None else sure & ~scored.unlike
