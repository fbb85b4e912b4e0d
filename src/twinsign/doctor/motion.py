"""Tracks that stand still though they are seen, and tracks that jump."""

from __future__ import annotations

import numpy as np

from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import Checked, Finding, Level, counted
from twinsign.doctor.measure import JUMP

STILL = 5
"""Frames in a row in which no joint of a seen part moves at all, from which a track counts as frozen."""


def frozen(exam: Exam) -> Checked:
    """`frozen`: clips with a hand or trunk that stands still for STILL frames or more, and for how many."""
    found = np.flatnonzero(exam.measures.frozen >= STILL)
    value = [{"id": exam.name[place], "frames": int(exam.measures.frozen[place])} for place in found.tolist()]
    said = f"{counted(len(found), 'clip')} in which a seen hand or trunk does not move for {STILL} frames or more"
    return Checked(value, [Finding("warning", said, exam.names(found))] if value else [])


def jumping(exam: Exam) -> Checked:
    """`jumping`: clips in which a wrist jumps, or the hands change places, between two frames, and how often."""
    jumps, exchanges = exam.measures.jumps, exam.measures.exchanges
    found = np.flatnonzero((jumps > 0) | (exchanges > 0))
    value = [
        {"id": exam.name[place], "jumps": int(jumps[place]), "exchanges": int(exchanges[place])}
        for place in found[np.argsort(-(jumps + exchanges)[found], kind="stable")].tolist()
    ]
    said = (
        f"{counted(len(found), 'clip')} in which, between two frames, a wrist jumps by {JUMP:.0%} of the picture "
        f"({int((jumps > 0).sum())}) or the hands change places ({int((exchanges > 0).sum())})"
    )
    level: Level = "warning" if len(found) > 0.01 * len(exam) else "note"
    return Checked(value, [Finding(level, said, [row["id"] for row in value])] if value else [])
