"""The commands evaluate and calibrate."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from twinsign.cli.console import OK, console, errors, parse_splits, print_report
from twinsign.evaluation.calibrate import recalibrate
from twinsign.evaluation.evaluate import evaluate as run_evaluation
from twinsign.evaluation.scores import write_scores
from twinsign.evaluation.selective import unknown_in_words
from twinsign.files import write_json
from twinsign.pack.selection import ClipSelection
from twinsign.report.run_page import classifier_page
from twinsign.runs.calibration import Calibration, threshold_in_words
from twinsign.runs.run import CALIBRATED, REPORT, keep_report, load_run


def evaluate(
    model: Path,
    data: list[str],
    where: list[str],
    strict: bool,
    unknown: bool,
    stream: bool,
    split: str = "test",
    json: Path | None = None,
    scores: Path | None = None,
    report: Path | None = None,
    pictures: Path | None = None,
) -> int:
    """Report a classifier's accuracy on a split it was not selected on.

    Args:
        model: RUN of finetune or linear.
        split: One split, several joined by commas, or `all`.
        json: Where to write the report as JSON.
        scores: Where to write every clip's scores (NPZ), for fuse and compare.
        report: Where to write the page; report.html in the RUN, where it can be written, unless told.
        pictures: A folder for the page's pictures as SVG and PNG.
    """
    page = report or (Path(model) / REPORT if os.access(model, os.W_OK) else None)
    clips = ClipSelection(data, where, strict=strict)
    evaluated = run_evaluation(model, clips, parse_splits(split), unknown=unknown, stream=stream)
    if page:
        classifier_page(page, *evaluated[2:], evaluated.scored, evaluated.report, pictures)
    found, scored = evaluated.report, evaluated.scored
    print_report(found)
    if unknown:
        console.print(f"signs that the model does not know: {unknown_in_words(found['unknown'])}")
    keep_report(model, found)
    console.print(f"page: {page}" if page else "no page: the RUN cannot be written; --report names another place")
    if scores:
        write_scores(scores, scored, found)
    if json:
        write_json(json, found)
    return OK


def calibrate(
    model: Path,
    data: list[str],
    where: list[str],
    strict: bool,
    split: str = "val",
    target_accuracy: float | None = None,
    unknown_share: float | None = None,
    confidence: float | None = None,
) -> int:
    """Fit a classifier's confidence and its "not sure" threshold anew, on recordings that it never learnt from.

    Args:
        model: RUN of finetune or linear, whose config.yaml is written anew; its weights stay as they are.
        split: One split, several joined by commas, or `all`.
        target_accuracy: Share of the sure answers that should be right. Default: the RUN's recipe (0.9).
        unknown_share: Expected share of clips whose sign is outside the vocabulary. Default: the RUN's recipe (1/3).
        confidence: Confidence level of the lower bound on that accuracy; 0: no bound. Default: the RUN's recipe (0.95).
    """
    given = {"target_accuracy": target_accuracy, "unknown_share": unknown_share, "confidence": confidence}
    changed = {name: value for name, value in given.items() if value is not None}
    abstain = replace(load_run(model).recipe.abstain, **changed)
    run = recalibrate(model, ClipSelection(data, where, strict=strict), parse_splits(split), abstain)
    fitted, on = Calibration(**run.about["calibration"]), run.about[CALIBRATED]
    if on["left_out"] is None:
        errors.print("note: what it learnt from is gone or changed: whether these clips are new to it is not known")
    elif on["left_out"]:
        errors.print(f"note: {on['left_out']} clips that the model learnt from are left out")
    said = f"{on['clips']} clips: temperature {fitted.temperature:.3g}; {threshold_in_words(fitted)}"
    console.print(said, markup=False, highlight=False, soft_wrap=True)
    errors.print("note: reports and exported files of before are of another threshold: evaluate and export again")
    return OK
