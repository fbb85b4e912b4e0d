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
    splits, where, among = asked
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


def among_learnt(run: Run, pack: Pack, rows: Indices) -> NDArray[np.bool_]:
    """Which of these rows (N) a classifier has learnt from, or from copies of; none where that is unknown (ours)."""
    learnt = learnt_clips(run, pack)
    if learnt is None:
        return np.zeros(len(rows), bool)
    copies = {*identical_ids(pack, rows, *learnt)}
    same = np.isin(rows, learnt[1]) if learnt[0] is pack else np.zeros(len(rows), bool)
    found: NDArray[np.bool_] = same | np.array([name in copies for name in pack.table["id"].take(rows).to_pylist()])
    return found


def identical_ids(pack: Pack, rows: Indices, training: Pack, learnt: Indices) -> list[str]:
    """Ids among these rows, of clips with hands, whose poses are bit by bit those of a training clip (ours)."""
    known = set(training.pose_hashes(learnt))
    ids = pack.table["id"].take(rows).to_pylist()
    hands = pack.usable[rows].tolist()
    poses = pack.pose_hashes(rows)
    return [name for name, shown, one in zip(ids, hands, poses, strict=True) if shown and one in known]


def cautions(report: Mapping[str, Any]) -> list[str]:
    """What must be said beside a report's numbers: clips without poses, learnt from, or selected on (ours)."""
    found, learnt = report.get("coverage"), report.get("overlap")
    said = []
    if found and found["listed"] is not None and found["listed"] > found["clips"]:
        said.append(f"{found['clips']} of the {found['listed']} clips that the split lists")
    if learnt:
        said.append(f"the model has learnt from {len(learnt)} of these very clips: see `overlap`")
    if report["selected_on"]:
        said.append(f"the model was selected on {', '.join(report['selected_on'])}: this is no test result")
    elif report.get("calibrated_on"):
        chosen = ", ".join(report["calibrated_on"])
        said.append(f"temperature and threshold were fitted on {chosen}: how they fit is no test result, accuracy is")
    return said
