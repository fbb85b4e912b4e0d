"""Evaluation of a trained classifier on held-out clips and, if wanted, on out-of-vocabulary signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.evaluation.calibrate import glosses_of_signs
from twinsign.evaluation.caveats import coverage, identical_ids, pose_source
from twinsign.evaluation.metrics import ClipScores, accuracy_report, percent
from twinsign.evaluation.scoring import score
from twinsign.evaluation.selective import selective_report, unknown_report
from twinsign.files import sha256
from twinsign.inference.shift import check_shift
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import (
    ClipSelection,
    EvaluationScope,
    LabelledRows,
    clip_ids,
    labelled_rows,
    outside_vocabulary,
    signer_overlap,
)
from twinsign.runs.calibration import calibration_of
from twinsign.runs.models import head_recipe, load_classifier
from twinsign.runs.run import CALIBRATED, Run, load_run
from twinsign.runs.training_clips import hashed_signers, load_training_clips


class Evaluation(NamedTuple):
    """The report of an evaluation, the scores it is made of, and the run and clips that were evaluated."""

    report: dict[str, Any]
    scored: ClipScores
    run: Run
    pack: Pack
    data: LabelledRows


def evaluate(
    model: str | Path, clips: ClipSelection, splits: list[str] | None, *, unknown: bool = False, stream: bool = False
) -> Evaluation:
    """Evaluate a classifier on splits (None: all).

    `unknown`: also on clips of out-of-vocabulary glosses. `stream`: on what the live segmenter finds in each clip.

    Examples:
        >>> import twinsign as ts
        >>> evaluation = ts.evaluate("demo/run", ts.ClipSelection(["packs/signs.pack"]), ["test"])
        >>> evaluation.scored.scores.shape == (evaluation.report["clips"], len(evaluation.run.labels))
        True
    """
    run = load_run(model)
    classifier = load_classifier(run).to(fastest_device())
    pack = Pack(clips.data)
    rows = pack.select(splits, clips.where)
    rows, unknown_rows = split_by_vocabulary(pack, rows, run.labels) if unknown else (rows, rows[:0])
    data = labelled_rows(pack, rows, run.labels, "--unknown evaluates such clips separately.")
    shift = check_shift(run, pack, data.rows, run.recipe.read, clips.strict)
    scored = score(run, classifier, pack, data, stream)
    scope = EvaluationScope(splits, clips.where, run.labels if unknown else None, stream)
    report = full_report(scored, run, pack, data, scope) | {"shift": shift}
    if unknown:
        unlabelled = LabelledRows(unknown_rows, np.zeros(len(unknown_rows), np.int64))
        entry = unknown_report(scored, score(run, classifier, pack, unlabelled, stream), calibration_of(run))
        glosses = pack.table["gloss"].take(unknown_rows).to_pylist()
        by_id = dict(zip(clip_ids(pack, unknown_rows), glosses, strict=True))
        entry["surest"] = [{**clip, "gloss": by_id[clip["id"]]} for clip in entry["surest"]]
        report["unknown"] = {**entry, "glosses": len({*glosses}), "split_hash": pack.split_hash(unknown_rows)}
    return Evaluation(report, scored, run, pack, data)


def split_by_vocabulary(pack: Pack, rows: Indices, vocabulary: Sequence[str]) -> tuple[Indices, Indices]:
    """Rows whose gloss is in the vocabulary, and rows of other glosses; raises InputError where either are none."""
    other = outside_vocabulary(pack, rows, vocabulary)
    labelled = np.asarray([bool(gloss) for gloss in pack.table["gloss"].take(rows).to_pylist()], bool)
    inside, outside = rows[labelled & ~other], rows[other]
    for group, description in ((inside, "of the model's glosses"), (outside, "of an out-of-vocabulary gloss")):
        if not len(group):
            hint = "Leave out the --where that selects the model's signs, or add a pack with other signs."
            raise InputError(f"no clip {description}", "clips of both kinds", file=pack.paths[0], hint=hint)
    return inside, outside


def full_report(scored: ClipScores, run: Run, pack: Pack, data: LabelledRows, scope: EvaluationScope) -> dict[str, Any]:
    """The JSON report: accuracies with intervals, accuracy by coverage, and `report_context` (design, rule 7)."""
    context = report_context(run, pack, data, scope, len(scored.glosses))
    return {
        **accuracy_report(scored),
        **selective_report(scored, calibration_of(run)),
        **_by_sign(scored, run),
        **context,
    }


def _by_sign(scored: ClipScores, run: Run) -> dict[str, Any]:
    """Top-1 where every gloss of the clip's sign is right, of a run that knows signs with several glosses."""
    same = run.same_signs()
    if not same:
        return {}
    own = glosses_of_signs(scored.glosses, same).numpy()
    top1 = percent(own[scored.labels, scored.scores.argmax(axis=1)].mean())
    return {"same_signs": {"pairs": sum(map(len, same.values())) // 2, "top1": top1}}


def report_context(run: Run, pack: Pack, data: LabelledRows, scope: EvaluationScope, labels: int) -> dict[str, Any]:
    """The report entries that state which clips and signers of which split were evaluated, and by which run."""
    ids = clip_ids(pack, data.rows)
    splits = {*pack.splits[data.rows].tolist()}
    training = load_training_clips(run, pack)
    selected_on = set(run.about.get("selected_on", []))
    if run.kind == "classifier" and head_recipe(run).select == "last":
        selected_on.discard("val")  # the last epoch is kept whatever val says
    return {
        "signers": None if training is None else signer_overlap(hashed_signers(pack, data.rows), training.signers),
        "split": scope.splits,
        "where": scope.where,
        "split_hash": pack.split_hash(data.rows),
        "coverage": coverage(pack, data.rows, scope, labels),
        "overlap": None if training is None else identical_ids(pack, data.rows, training),
        "data": [str(name) for name in pack.given],
        "handless_clips": [ids[i] for i in np.flatnonzero(~pack.usable[data.rows])],
        "windows": asdict(run.recipe.windows),
        "source": pose_source(pack, data.rows, scope.stream),
        "ignored_joints": list(run.recipe.read.crop.ignore),
        "selected_on": sorted(splits & selected_on),
        "calibrated_on": sorted(splits & _calibrated_on(run, pack, data.rows)),
        "run": str(run.path),
        "run_digest": run.digest(),
        "protocol": run.about.get("protocol", run.kind),
        "recipe": run.about.get("config"),
        "recipe_hash": sha256(repr(run.recipe.as_dict())),
        "seed": run.about.get("seed"),
    }


def _calibrated_on(run: Run, pack: Pack, rows: Indices) -> set[str]:
    """Splits of the rows that temperature and threshold were fitted on: val, or those of `calibrate`."""
    calibrated = run.about.get(CALIBRATED)
    if calibrated is None:
        return {"val"} & set(run.about.get("selected_on", []))
    if [str(name) for name in pack.given] != calibrated["data"]:
        return set()
    common = np.intersect1d(rows, pack.select(calibrated["split"], calibrated["where"]))
    return {*pack.splits[common].tolist()}
