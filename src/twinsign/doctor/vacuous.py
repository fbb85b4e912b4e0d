"""Which checks had nothing to work on: what they did not find is then no sign that it is not there."""

from __future__ import annotations

import numpy as np

from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import Checked
from twinsign.doctor.outliers import FEW
from twinsign.report.html import Table


def not_checked(exam: Exam, near: bool = True) -> Checked:
    """`not_checked`: the checks that these packs give no ground for, and why; as a table where there are any."""
    gloss, split, source = exam.gloss, exam.split, exam.text("source")
    signers, held = exam.text("signer"), exam.held
    rows: list[list[str | int | float | None]] = []

    def vacuous(check: str, when: bool, why: str) -> None:
        if when:
            rows.append([check, why])

    vacuous("labels", not (gloss != "").any(), "no clip has a gloss")
    vacuous("leaks into val and test", not held.any(), "no clip is of val or test")
    vacuous("leaks into val and test", bool(held.all()), "no clip is outside val and test")
    vacuous("nearly identical clips", not near, "--near false")
    vacuous("nearly identical clips", not (exam.number("hand_frames") > 0).any(), "no clip shows a hand")
    some = " of some clips" if (signers != "").any() else ""
    vacuous(f"signers in several splits{some}", bool((signers == "").any()), _named("signer", signers == ""))
    vacuous("clips that are missing", exam.missing is None, "nothing says what the corpus lists (--annotations)")
    vacuous("lengths", len(exam) < FEW, f"fewer than {FEW} clips to compare")
    unknown = ~np.isfinite(exam.number("fps"))
    some = "" if unknown.all() else " of some clips"
    vacuous(f"frame rates{some}", bool(unknown.any()), _named("frame rate", unknown))
    own = len(set(source.tolist()) - {""}) > len(exam) / FEW
    vacuous(
        "sources over the splits", own or not (source != "").any(), "most clips have a source of their own, or none"
    )
    vacuous("sizes of hands over the body's", not np.isfinite(exam.measures.hand_to_body).any(), "no shoulders seen")
    vacuous("splits", bool((split == "none").all()), "no clip has a split")
    table = Table("Not checked", ["Check", "Why"], rows)
    return Checked([{"check": row[0], "why": row[1]} for row in rows], tables=[table] if rows else [])


def _named(what: str, lacking: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    return f"no clip states its {what}" if lacking.all() else f"{int(lacking.sum())} clips state no {what}"
