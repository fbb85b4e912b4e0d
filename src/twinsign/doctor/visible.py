"""How much of the hands the estimator saw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import Checked, Finding, counted
from twinsign.evaluation.metrics import percent
from twinsign.report.html import Table

WORST = 20
"""Clips and classes listed as the worst."""
MOSTLY = 0.9
"""Share of frames without a hand above which a clip is named."""


def hand_unseen_rate(exam: Exam) -> Checked:
    """`hand_unseen_rate`: percent of frames without a hand: overall, by part, split, gloss; the worst clips."""
    frames = exam.number("frames")
    unseen = frames - exam.number("hand_frames")
    parts = {"right": exam.measures.right, "left": exam.measures.left, "trunk": exam.measures.trunk}
    rate = unseen / frames
    worst = np.argsort(-rate, kind="stable")[:WORST]
    by_split = _by(exam.split, unseen, frames)
    value: dict[str, Any] = {
        "overall": percent(unseen.sum() / frames.sum()),
        "by_part": {name: percent(1 - seen.sum() / frames.sum()) for name, seen in parts.items()},
        "by_split": {split: by_split[split] for split in exam.splits},
        "by_gloss": _by(np.where(exam.gloss == "", "(unlabelled)", exam.gloss), unseen, frames),
        "worst": [{"id": exam.name[place], "percent": percent(rate[place])} for place in worst.tolist()],
    }
    findings = []
    bare = np.flatnonzero((rate > MOSTLY) & (unseen < frames))
    if len(bare):
        said = f"{counted(len(bare), 'clip shows', 'clips show')} a hand in less than a tenth of the frames"
        findings.append(Finding("warning", said, exam.names(bare)))
    splits = value["by_split"]
    if len(splits) > 1 and max(splits.values()) - min(splits.values()) > 10:
        words = ", ".join(f"{split} {share:.0f} %" for split, share in splits.items())
        findings.append(Finding("note", f"the splits differ in frames without a hand: {words}"))
    rows = [[split, share] for split, share in splits.items()]
    glosses = sorted(value["by_gloss"].items(), key=lambda one: -one[1])[:WORST]
    tables = [
        Table("Frames without a hand", ["Split", "%"], rows),
        Table(
            "Classes whose hands are seen least", ["Gloss", "Frames without a hand %"], [list(row) for row in glosses]
        ),
    ]
    return Checked(value, findings, tables)


def _by(names: NDArray[np.str_], unseen: NDArray[np.floating], frames: NDArray[np.floating]) -> dict[str, float]:
    kinds, place = np.unique(names, return_inverse=True)
    shares = np.bincount(place, weights=unseen) / np.bincount(place, weights=frames)
    return {str(name): percent(share) for name, share in zip(kinds, shares, strict=True)}
