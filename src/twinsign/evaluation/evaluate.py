"""Scores of a trained classifier on clips it was not selected on, and the report that states them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twinsign.distributed import fastest_device
from twinsign.evaluation.coverage import coverage, identical_ids
from twinsign.evaluation.metrics import Scored, accuracy_report
from twinsign.evaluation.open_set import evaluate_unknown, split_by_vocabulary
from twinsign.evaluation.scoring import score
from twinsign.evaluation.selective import selective_report
from twinsign.evaluation.source import source_of
from twinsign.files import sha256
from twinsign.inference.shift import check_shift
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import (
    ClipSelection,
    EvaluationScope,
    LabelledRows,
    clip_ids,
    labelled_rows,
    shared_signers,
)
from twinsign.runs.calibration import calibration_of
from twinsign.runs.models import head_recipe, load_classifier
from twinsign.runs.run import CALIBRATED, Run, load_run
from twinsign.runs.training_clips import hashed_signers, load_training_clips


class Evaluation(NamedTuple):
    """The report of an evaluation, the scores that it is made of, and what was evaluated on which clips."""

    report: dict[str, Any]
    scored: Scored
    run: Run
    pack: Pack
    data: LabelledRows


def evaluate(
    model: str | Path,
    clips: ClipSelection,
    splits: list[str] | None,
    *,
    unknown: bool = False,
    stream: bool = False,
) -> Evaluation:
    """Evaluate a classifier on splits (None: all); `unknown`: on glosses outside its vocabulary, too.

    `stream`: on what the live segmenter finds in each clip.
    """
    run = load_run(model)
    classifier = load_classifier(run).to(fastest_device())
    pack = Pack(clips.data)
    rows = pack.select(splits, clips.where)
    rows, others = split_by_vocabulary(pack, rows, run.labels) if unknown else (rows, None)
    data = labelled_rows(pack, rows, run.labels, "With --unknown such clips are counted apart.")
    shift = check_shift(run, pack, data.rows, run.recipe.read, clips.strict)
    scored = score(run, classifier, pack, data, stream)
    asked = EvaluationScope(splits, clips.where, None if others is None else run.labels, stream)
    report = full_report(scored, run, pack, data, asked) | {"shift": shift}
    if others is not None:
        report["unknown"] = evaluate_unknown(run, classifier, pack, others, scored, stream)
    return Evaluation(report, scored, run, pack, data)


def full_report(scored: Scored, run: Run, pack: Pack, data: LabelledRows, asked: EvaluationScope) -> dict[str, Any]:
    """The contract's JSON: accuracies with intervals, and what was measured on what (design, rule 7)."""
    context = context_of(run, pack, data, asked, len(scored.glosses))
    return {**accuracy_report(scored), **selective_report(scored, calibration_of(run)), **context}


def context_of(run: Run, pack: Pack, data: LabelledRows, asked: EvaluationScope, labels: int) -> dict[str, Any]:
    """What a report speaks of: which clips and signers, of how much of a split, by which run (design, rule 7)."""
    ids = clip_ids(pack, data.rows)
    handless = [ids[i] for i in np.flatnonzero(~pack.usable[data.rows])]
    present = {split or "none" for split in pack.table["split"].take(data.rows).to_pylist()}
    learnt = load_training_clips(run, pack)
    return {
        "signers": None if learnt is None else shared_signers(hashed_signers(pack, data.rows), learnt.signers),
        "split": asked.splits,
        "where": asked.where,
        "split_hash": pack.split_hash(data.rows),
        "coverage": coverage(pack, data.rows, asked, labels),
        "overlap": None if learnt is None else identical_ids(pack, data.rows, learnt),
        "data": [str(name) for name in pack.given],
        "handless_clips": handless,
        "windows": asdict(run.recipe.windows),
        "source": source_of(pack, data.rows, asked.stream),
        "ignored_joints": list(run.recipe.read.crop.ignore),
        "selected_on": sorted(present & _selected_on(run)),
        "calibrated_on": sorted(present & _calibrated_on(run, pack, data.rows)),
        "run": str(run.path),
        "run_digest": run.digest(),
        "protocol": run.about.get("protocol", run.kind),
        "recipe": run.about.get("config"),
        "recipe_hash": sha256(repr(run.recipe.as_dict())),
        "seed": run.about.get("seed"),
    }


def _calibrated_on(run: Run, pack: Pack, rows: Indices) -> set[str]:
    """Splits of the rows that temperature and threshold were fitted on: val, or those of `calibrate`."""
    anew = run.about.get(CALIBRATED)
    if anew is None:
        return {"val"} & set(run.about.get("selected_on", []))
    if [str(name) for name in pack.given] != anew["data"]:
        return set()
    both = np.intersect1d(rows, pack.select(anew["split"], anew["where"]))
    return {split or "none" for split in pack.table["split"].take(both).to_pylist()}


def _selected_on(run: Run) -> set[str]:
    """The splits that taught a RUN or chose its epoch; val is none where the last epoch is kept whatever val says."""
    chosen = set(run.about.get("selected_on", []))
    kept_last = run.kind == "classifier" and head_recipe(run).select == "last"
    return chosen - {"val"} if kept_last else chosen
