"""The temperature and "not sure" threshold that a RUN keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields

from twinsign.errors import InputError
from twinsign.runs.recipe import AbstainConfig
from twinsign.runs.run import CONFIG, Run

NEVER = 2.0
"""A threshold that no confidence reaches."""
TRUSTED = AbstainConfig().target_accuracy
"""Share of the guesses above the threshold that should be right."""


@dataclass(frozen=True)
class Calibration:
    """Logits over `temperature` give confidences; below `threshold` the answer is "not sure"."""

    temperature: float = 1.0
    threshold: float = 0.5
    trusted: float = TRUSTED
    """Share of the sure answers that the threshold is to keep right."""
    unknown: float = 0.0
    """Share of the clips that it expects to be of unknown signs."""
    confidence: float = 0.0
    """Confidence of the lower bound that reached `trusted`; 0: the share itself did, as in earlier versions."""
    unknown_clips: int = 0
    """Clips of other signs that it was fitted on, beside known clips with their own gloss struck out."""
    coverage: float = 0.0
    """Share of the known clips it was fitted on that are sure; 0 too where that was not recorded."""


def calibration_of(run: Run) -> Calibration | None:
    """Return what was fitted for this run, on val or by `calibrate`; None if nothing was.

    InputError where config.yaml has other fields.
    """
    fitted = run.about.get("calibration")
    if not fitted:
        return None
    named = {field.name for field in fields(Calibration)}
    if unknown := sorted(map(str, fitted.keys() - named)):
        raise InputError(f"calibration.{unknown[0]}", f"among {', '.join(sorted(named))}", file=run.path / CONFIG)
    return Calibration(**fitted)


def threshold_in_words(fitted: Calibration) -> str:
    """What a threshold promises, for which questions, and how many answers it leaves."""
    among = ""
    if fitted.unknown:
        real = f", and by {fitted.unknown_clips} clips of other signs" if fitted.unknown_clips else ""
        stand = f"represented by known clips with their own gloss left out{real}"
        among = f" if {100 * fitted.unknown:.0f} % of all clips show unknown signs ({stand})"
    by = f", with a confidence of {100 * fitted.confidence:g} %{',' if among else ''}" if fitted.confidence else ""
    if fitted.threshold >= NEVER:
        return f"at no threshold {100 * fitted.trusted:g} % of the sure answers are right{by}{among}: it is never sure"
    left = f"; {100 * fitted.coverage:.0f} % of the known clips are above it" if fitted.coverage else ""
    share = f"at least {100 * fitted.trusted:g} % of the answers above it are right{by}{among}"
    return f'"not sure" below {100 * fitted.threshold:.0f} % ({share}{left})'
