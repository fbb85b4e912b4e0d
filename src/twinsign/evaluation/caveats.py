"""Which clips an evaluation is of: how much of its split, estimated how, and any that the model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.evaluation.metrics import percent
from twinsign.inference.shift import SAMPLE, list_estimators
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import EvaluationScope
from twinsign.pose.layout import TRUNK
from twinsign.runs.run import Run
from twinsign.runs.training_clips import TrainingClips, load_training_clips


def coverage(pack: Pack, rows: Indices, scope: EvaluationScope, labels: int) -> dict[str, Any]:
    """Clips evaluated, listed by the split (None: the packs do not say), their percent, and classes of both."""
    missing = [row for row in pack.missing if scope.splits is None or (row.get("split") or "none") in scope.splits]
    if scope.among is not None:
        missing = [row for row in missing if row.get("gloss") in {*scope.among}]
    for condition in scope.where:
        name, _, value = condition.partition("=")
        missing = [row for row in missing if row.get(name) == value]
    listed = len(rows) + len(missing) if pack.missing else None
    return {
        "clips": len(rows),
        "listed": listed,
        "percent": None if listed is None else percent(len(rows) / listed),
        "classes": len(set(pack.table["gloss"].take(rows).to_pylist()) - {None, ""}),
        "model_classes": labels,
    }


def trained_on(run: Run, pack: Pack, rows: Indices) -> NDArray[np.bool_] | None:
    """Which of these rows (N) a classifier was trained on, or on copies of; None where that is not recorded."""
    training = load_training_clips(run, pack)
    return None if training is None else copies(pack, rows, training)


def copies(pack: Pack, rows: Indices, training: TrainingClips) -> NDArray[np.bool_]:
    """Which of these rows (N) show hands in poses that are bit by bit those of a training clip."""
    return np.asarray(pack.usable[rows] & [digest in training.poses for digest in pack.pose_hashes(rows)], bool)


def identical_ids(pack: Pack, rows: Indices, training: TrainingClips) -> list[str]:
    """Ids of the `copies` among these rows."""
    return list(pack.table["id"].take(rows[copies(pack, rows, training)]).to_pylist())


def list_warnings(report: Mapping[str, Any]) -> list[str]:
    """Warnings to print beside a report's numbers: clips without poses, trained on, or selected on."""
    covered, overlap = report.get("coverage"), report.get("overlap")
    warnings = []
    if covered and covered["listed"] is not None and covered["listed"] > covered["clips"]:
        warnings.append(f"{covered['clips']} of the {covered['listed']} clips that the split lists")
    if overlap:
        warnings.append(f"the model was trained on {len(overlap)} of these clips: see `overlap` in the JSON report")
    return [*warnings, *selection_warnings(report)]


def selection_warnings(report: Mapping[str, Any]) -> list[str]:
    """Warnings for a report's splits that the epoch, or the temperature and threshold, were chosen on."""
    selected, calibrated = report["selected_on"], report.get("calibrated_on")
    warnings = [f"the model was selected on {', '.join(selected)}: this is no test result"] if selected else []
    if calibrated:
        fitted = f"temperature and threshold were fitted on {', '.join(calibrated)}"
        warnings.append(f"{fitted}: how they fit is no test result")
    return warnings


def pose_source(pack: Pack, rows: Indices, stream: bool) -> dict[str, Any]:
    """Estimators of these rows, percent of a fixed sample that shows a trunk, and whether they were streamed."""
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:SAMPLE])
    flat = pack.flat(sample)
    clip = np.repeat(np.arange(len(sample)), flat.length)
    trunk = np.zeros(len(sample), bool)
    trunk[clip[(flat.score[:, TRUNK] > 0).any(axis=1)]] = True
    return {"estimators": list_estimators(pack, rows), "trunk": percent(trunk.mean()), "stream": stream}


def describe_source(source: Mapping[str, Any] | None) -> str:
    """ "hands alone by mediapipe_hands, as a live stream"; empty for reports of earlier versions without a source."""
    if not source:
        return ""
    trunk = source["trunk"]
    shown = "hands and body" if trunk >= 90 else "hands alone" if trunk <= 10 else f"hands, {trunk:.0f} % with the body"
    seen_by = f" by {', '.join(source['estimators'])}" if source["estimators"] else ""
    return shown + seen_by + (", as a live stream" if source["stream"] else "")
