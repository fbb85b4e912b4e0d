"""How much of a split an evaluation speaks of, and whether the model has learnt from the very clips it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.pack.open import Indices, Pack
from twinsign.recognise.metrics import percent
from twinsign.recognise.rows import Asked, training_rows
from twinsign.run import Run


def coverage(pack: Pack, rows: Indices, asked: Asked, labels: int) -> dict[str, Any]:
    """Clips evaluated and listed (None: the packs do not say), in percent; classes present and of the model (ours)."""
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


def learnt_clips(run: Run, pack: Pack) -> tuple[Pack, Indices] | None:
    """The pack and rows that a classifier learnt from, drawn again as its config says (ours).

    None where that is unknown: another kind of run, or its packs are gone or no longer the same.
    """
    about = run.about
    if run.kind != "classifier" or "rows_hash" not in about:
        return None
    try:
        same = [str(name) for name in pack.given] == about["data"]
        training = pack if same else Pack(about["data"])
        share = (about["label_fraction"], about["seed"], about.get("labels_per_class"))
        learnt, _ = training_rows(training, about["where"], *share)
    except (InputError, KeyError, OSError):
        return None
    return (training, learnt.rows) if training.split_hash(learnt.rows) == about["rows_hash"] else None


def among_learnt(run: Run, pack: Pack, rows: Indices) -> NDArray[np.bool_] | None:
    """Which of these rows (N) a classifier has learnt from, or from copies of; None where that is unknown (ours)."""
    learnt = learnt_clips(run, pack)
    if learnt is None:
        return None
    found = copies(pack, rows, *learnt)
    return found | np.isin(rows, learnt[1]) if learnt[0] is pack else found


def copies(pack: Pack, rows: Indices, training: Pack, learnt: Indices) -> NDArray[np.bool_]:
    """Which of these rows (N) show hands in poses that are bit by bit those of a training clip (ours)."""
    known = {*training.pose_hashes(learnt)}
    found: NDArray[np.bool_] = pack.usable[rows] & np.array([one in known for one in pack.pose_hashes(rows)], bool)
    return found


def identical_ids(pack: Pack, rows: Indices, training: Pack, learnt: Indices) -> list[str]:
    """Ids among these rows of `copies` (ours)."""
    found: list[str] = pack.table["id"].take(rows[copies(pack, rows, training, learnt)]).to_pylist()
    return found


def cautions(report: Mapping[str, Any]) -> list[str]:
    """What must be said beside a report's numbers: clips without poses, learnt from, or selected on (ours)."""
    found, learnt = report.get("coverage"), report.get("overlap")
    said = []
    if found and found["listed"] is not None and found["listed"] > found["clips"]:
        said.append(f"{found['clips']} of the {found['listed']} clips that the split lists")
    if learnt:
        said.append(f"the model has learnt from {len(learnt)} of these very clips: see `overlap`")
    return [*said, *chosen_in_words(report)]


def chosen_in_words(report: Mapping[str, Any]) -> list[str]:
    """On which of a report's clips its epoch, and on which its temperature and threshold, were chosen (ours)."""
    chosen, fitted = report["selected_on"], report.get("calibrated_on")
    said = [f"the model was selected on {', '.join(chosen)}: this is no test result"] if chosen else []
    if fitted:
        said.append(f"temperature and threshold were fitted on {', '.join(fitted)}: how they fit is no test result")
    return said
