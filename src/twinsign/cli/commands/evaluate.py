"""The commands that evaluate a RUN: evaluate, calibrate, knn and retrieve."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

from twinsign.cli.console import (
    console,
    parse_splits,
    print_note,
    print_report,
    print_table,
    save_report,
    with_interval,
)
from twinsign.cli.options import FieldsOf, Flag, LabelledClips, OptionalWords, Words
from twinsign.runs.recipe import Recipe


def evaluate_classifier(
    model: Path,
    data: Words,
    where: OptionalWords,
    strict: Flag,
    unknown: Flag,
    stream: Flag,
    split: str = "test",
    json: Path | None = None,
    scores: Path | None = None,
    report: Path | None = None,
    pictures: Path | None = None,
) -> None:
    """Report a classifier's accuracy on a split it was not selected on.

    Args:
        model: RUN of finetune or linear.
        unknown: Evaluate out-of-vocabulary clips too: how often is the model sure of them?
        stream: Evaluate what the live segmenter cuts out of each clip, frame by frame, as before a camera.
        report: HTML file to write the page to. Default: report.html in the RUN, where it can be written.
        pictures: Folder to write the page's pictures to, as SVG and PNG.
    """
    from twinsign.evaluation.evaluate import evaluate as evaluate_run
    from twinsign.evaluation.selective import describe_unknown
    from twinsign.pack.selection import ClipSelection
    from twinsign.report.run_page import write_classifier_page
    from twinsign.runs.run import REPORT, keep_report

    page = report or (model / REPORT if os.access(model, os.W_OK) else None)
    clips = ClipSelection(data, where, strict=strict)
    evaluated = evaluate_run(model, clips, parse_splits(split), unknown=unknown, stream=stream)
    results = evaluated.report
    if page:
        write_classifier_page(page, *evaluated[2:], evaluated.scored, results, pictures)
    print_report(results)
    if unknown:
        console.print(f"out-of-vocabulary signs: {describe_unknown(results['unknown'])}")
    keep_report(model, results)
    console.print(f"page: {page}" if page else "no page: the RUN cannot be written; --report names another place")
    save_report(results, json, evaluated.scored, scores)


def calibrate(
    model: Path,
    data: Words,
    where: OptionalWords,
    strict: Flag,
    split: str = "val",
    target_accuracy: float | None = None,
    unknown_share: float | None = None,
    confidence: float | None = None,
) -> None:
    """Refit a classifier's confidences and its "not sure" threshold, on recordings that it was not trained on.

    Args:
        model: RUN of finetune or linear, whose config.yaml is rewritten; its weights stay as they are.
        target_accuracy: Share of the sure answers that should be right. Default: the RUN's recipe (0.9).
        unknown_share: Expected share of clips whose sign is outside the vocabulary. Default: the RUN's recipe (1/3).
        confidence: Confidence level of the lower bound on that accuracy; 0: no bound. Default: the RUN's recipe (0.95).
    """
    from twinsign.evaluation.calibrate import recalibrate
    from twinsign.pack.selection import ClipSelection
    from twinsign.runs.calibration import Calibration, threshold_in_words
    from twinsign.runs.run import CALIBRATED, load_run

    options = {"target_accuracy": target_accuracy, "unknown_share": unknown_share, "confidence": confidence}
    changed = {name: value for name, value in options.items() if value is not None}
    abstain = replace(load_run(model).recipe.abstain, **changed)
    run = recalibrate(model, ClipSelection(data, where, strict=strict), parse_splits(split), abstain)
    fitted, clips = Calibration(**run.about["calibration"]), run.about[CALIBRATED]
    if clips["left_out"] is None:
        print_note("the training clips are gone or changed, so that overlaps with these clips cannot be detected")
    elif clips["left_out"]:
        print_note(f"{clips['left_out']} clips that the model learnt from are left out")
    text = f"{clips['clips']} clips: temperature {fitted.temperature:.3g}; {threshold_in_words(fitted)}"
    console.print(text, highlight=False, soft_wrap=True)
    print_note("earlier reports and exported files have the former threshold: evaluate and export again")


def knn(
    recipe: Recipe,
    model: str,
    clips: FieldsOf[LabelledClips],
    branches: OptionalWords,
    parts: OptionalWords,
    split: str = "test",
    gallery: str = "train",
    k: int = 5,
    seed: int = 0,
    json: Path | None = None,
    scores: Path | None = None,
) -> None:
    """Report the k-NN accuracy of a RUN's encoders: no training, the gallery's clips vote.

    Args:
        model: RUN of any kind, or `none`: a random encoder of --config.
        split: Splits of the query clips, joined by commas.
        gallery: Split of the gallery, whose clips vote.
        k: Number of neighbours that vote.
        seed: Random seed of the labelled share and of a random encoder.
    """
    from twinsign.evaluation.retrieve import knn as evaluate_knn
    from twinsign.inference.embedder import FeatureChoice

    choice, splits = FeatureChoice(branches, parts), parse_splits(split) or []
    report, scored = evaluate_knn(model, recipe, clips.select(), splits, gallery=gallery, k=k, seed=seed, choice=choice)
    print_report(report)
    save_report(report, json, scored, scores)


def retrieve(
    model: Path,
    data: Words,
    where: OptionalWords,
    split: str = "test",
    gallery: str = "train",
    by: Literal["logits", "nearest", "prototype"] | None = None,
    json: Path | None = None,
    scores: Path | None = None,
) -> None:
    """Look clips up as in a dictionary: DCG, mean reciprocal rank, recall at 1, 5, 10 over ranked glosses.

    Args:
        split: Splits of the query clips, joined by commas.
        gallery: Split of the dictionary's clips.
        by: Rank glosses by logits, nearest example or prototype. Default: logits for classifiers, else nearest.
    """
    from twinsign.evaluation.metrics import KINDS
    from twinsign.evaluation.retrieve import retrieve as retrieve_glosses
    from twinsign.pack.selection import ClipSelection

    clips = ClipSelection(data, where)
    report, scored = retrieve_glosses(model, clips, parse_splits(split) or [], gallery=gallery, by=by)
    title = f"{report['clips']} clips among {report['label_count']} glosses by {report['by']}, in percent [95 %]"
    rows = ([name, *(with_interval(report, kind, name) for kind in KINDS)] for name in report["per_instance"])
    print_table(f"{', '.join(report['split'])}: {title}", ["", *(kind.replace("_", " ") for kind in KINDS)], rows)
    save_report(report, json, scored, scores)
