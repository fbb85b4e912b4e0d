"""How much of a split an evaluation speaks of, and whether the model has learnt from the very clips it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.evaluation.metrics import percent
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import EvaluationScope
from twinsign.runs.run import Run
from twinsign.runs.training_clips import TrainingClips, load_training_clips


def coverage(pack: Pack, rows: Indices, asked: EvaluationScope, labels: int) -> dict[str, Any]:
    """Clips evaluated and listed (None: the packs do not say), in percent; classes present and of the model."""
    splits, where, among, _ = asked
    missing = [row for row in pack.missing if splits is None or (row.get("split") or "none") in splits]
    if among is not None:
        missing = [row for row in missing if row.get("gloss") in {*among}]
    for condition in where:
        name, _, value = condition.partition("=")
        missing = [row for row in missing if row.get(name) == value]
    listed = len(rows) + len(missing) if pack.missing else None
    classes = len(set(pack.table["gloss"].take(rows).to_pylist()) - {None, ""})
    return {
        "clips": len(rows),
        "listed": listed,
        "percent": None if listed is None else percent(len(rows) / listed),
        "classes": classes,
        "model_classes": labels,
    }


def among_learnt(run: Run, pack: Pack, rows: Indices) -> NDArray[np.bool_] | None:
    """Which of these rows (N) a classifier has learnt from, or from copies of; None where that is unknown."""
    learnt = load_training_clips(run, pack)
    return None if learnt is None else copies(pack, rows, learnt)


def copies(pack: Pack, rows: Indices, learnt: TrainingClips) -> NDArray[np.bool_]:
    """Which of these rows (N) show hands in poses that are bit by bit those of a clip learnt from."""
    known = np.array([one in learnt.poses for one in pack.pose_hashes(rows)], bool)
    found: NDArray[np.bool_] = pack.usable[rows] & known
    return found


def identical_ids(pack: Pack, rows: Indices, learnt: TrainingClips) -> list[str]:
    """Ids among these rows of `copies`."""
    found: list[str] = pack.table["id"].take(rows[copies(pack, rows, learnt)]).to_pylist()
    return found


def cautions(report: Mapping[str, Any]) -> list[str]:
    """What must be said beside a report's numbers: clips without poses, learnt from, or selected on."""
    found, learnt = report.get("coverage"), report.get("overlap")
    said = []
    if found and found["listed"] is not None and found["listed"] > found["clips"]:
        said.append(f"{found['clips']} of the {found['listed']} clips that the split lists")
    if learnt:
        said.append(f"the model has learnt from {len(learnt)} of these very clips: see `overlap`")
    return [*said, *chosen_in_words(report)]


def chosen_in_words(report: Mapping[str, Any]) -> list[str]:
    """On which of a report's clips its epoch, and on which its temperature and threshold, were chosen."""
    chosen, fitted = report["selected_on"], report.get("calibrated_on")
    said = [f"the model was selected on {', '.join(chosen)}: this is no test result"] if chosen else []
    if fitted:
        said.append(f"temperature and threshold were fitted on {', '.join(fitted)}: how they fit is no test result")
    return said
