"""The commands evaluate and calibrate."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from twinsign.cli.console import OK, console, errors, parse_splits, print_report
from twinsign.evaluation.evaluate import evaluate as run_evaluation
from twinsign.evaluation.open_set import unknown_in_words
from twinsign.evaluation.recalibrate import recalibrate
from twinsign.evaluation.scores import write_scores
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
    trusted: float | None = None,
    unknown_share: float | None = None,
    confidence: float | None = None,
) -> int:
    """Fit a classifier's confidence and its "not sure" threshold anew, on recordings that it never learnt from.

    Args:
        model: RUN of finetune or linear, whose config.yaml is written anew; its weights stay as they are.
        split: One split, several joined by commas, or `all`.
        trusted: Share of the sure answers that is to be right; as the RUN's recipe has it (0.9) unless told.
        unknown_share: Share of the clips asked that will show signs which the model does not know; as the RUN's
            recipe has it (a third) unless told.
        confidence: That of the lower bound of the share right, which must reach `trusted`; as the RUN's recipe has it
            (0.95) unless told; 0: the share itself must.
    """
    told = {"trusted": trusted, "unknown": unknown_share, "confidence": confidence}
    sure = replace(load_run(model).recipe.sure, **{name: one for name, one in told.items() if one is not None})
    run = recalibrate(model, ClipSelection(data, where, strict=strict), parse_splits(split), sure)
    fitted, on = Calibration(**run.about["calibration"]), run.about[CALIBRATED]
    if on["left_out"] is None:
        errors.print("note: what it learnt from is gone or changed: whether these clips are new to it is not known")
    elif on["left_out"]:
        errors.print(f"note: {on['left_out']} clips that the model learnt from are left out")
    said = f"{on['clips']} clips: temperature {fitted.temperature:.3g}; {threshold_in_words(fitted)}"
    console.print(said, markup=False, highlight=False, soft_wrap=True)
    errors.print("note: reports and exported files of before are of another threshold: evaluate and export again")
    return OK
