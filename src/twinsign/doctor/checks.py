"""The table of checks: to add one, write a function of an Exam and name it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinsign.doctor.duplicates import duplicates, near_duplicates
from twinsign.doctor.exam import LEVELS, CheckResult, Exam, Finding
from twinsign.doctor.labels import labels
from twinsign.doctor.poses import FEW, frozen, hand_unseen_rate, jumping, outliers
from twinsign.doctor.sides import sides
from twinsign.doctor.splits import coverage, missing_clips, provenance, repeated_ids, signer_overlap, split_hash
from twinsign.report.html import Table

CHECKS: Mapping[str, Callable[[Exam], CheckResult]] = {
    check.__name__: check
    for check in (
        coverage,
        missing_clips,
        duplicates,
        near_duplicates,
        repeated_ids,
        signer_overlap,
        labels,
        hand_unseen_rate,
        outliers,
        frozen,
        jumping,
        sides,
        provenance,
        split_hash,
    )
}
"""Checks by JSON key, in the order of the page."""
SLOW = ("near_duplicates",)
"""Checks that compare poses of pairs of clips."""


@dataclass(frozen=True)
class Diagnosis:
    """Results of all checks: JSON values by key, findings with their check's key, tables."""

    values: dict[str, Any] = field(default_factory=dict)
    findings: list[tuple[str, Finding]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def count(self, level: str) -> int:
        """The number of findings of this level."""
        return sum(finding.level == level for _, finding in self.findings)

    @property
    def level(self) -> str:
        """The worst level of the findings, or `clean`."""
        return next((level for level in LEVELS if self.count(level)), "clean")

    def verdict(self) -> dict[str, Any]:
        """For JSON: level, counts, and findings with all their clips, worst first."""
        return {
            "level": self.level,
            **{f"{level}s": self.count(level) for level in LEVELS},
            "findings": [
                {"check": check, "level": finding.level, "said": finding.message, "clips": list(finding.clips)}
                for check, finding in self.findings
            ],
        }


def diagnose(exam: Exam, *, near: bool = True, tick: Callable[[str], None] = lambda check: None) -> Diagnosis:
    """Run every check (without the SLOW ones unless `near`); `tick` gets a check's name before it runs."""
    diagnosis = Diagnosis()
    for name, check in CHECKS.items():
        if near or name not in SLOW:
            tick(name)
            result = check(exam)
            diagnosis.values.update({name: result.value, **result.more})
            diagnosis.findings.extend((name, finding) for finding in result.findings)
            diagnosis.tables.extend(table for table in result.tables if table.rows)
    skipped = not_checked(exam, near)
    diagnosis.values["not_checked"] = skipped.value
    diagnosis.tables.extend(table for table in skipped.tables if table.rows)
    diagnosis.findings.sort(key=lambda entry: LEVELS.index(entry[1].level))
    return diagnosis


def not_checked(exam: Exam, near: bool = True) -> CheckResult:
    """`not_checked`: the checks that these packs lack the data for, and why: no finding of theirs means nothing."""
    unlabelled, unsplit, unsigned = exam.gloss == "", exam.split == "none", exam.text("signer") == ""
    unknown_rate = ~np.isfinite(exam.number("fps"))
    sources = set(exam.text("source").tolist()) - {""}

    def missing(name: str, lacking: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
        return f"no clip states its {name}" if lacking.all() else f"{int(lacking.sum())} clips state no {name}"

    def partly(check: str, lacking: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
        return check if lacking.all() else f"{check} of some clips"

    reasons: list[tuple[str, bool | np.bool_, str]] = [
        ("labels", unlabelled.all(), "no clip has a gloss"),
        ("leaks into val and test", not exam.held.any(), "no clip is in val or test"),
        ("leaks into val and test", exam.held.all(), "no clip is outside val and test"),
        ("nearly identical clips", not near, "--near false"),
        ("nearly identical clips", not (exam.number("hand_frames") > 0).any(), "no clip shows a hand"),
        (partly("signers in several splits", unsigned), unsigned.any(), missing("signer", unsigned)),
        ("clips that are missing", exam.missing is None, "no list of the corpus's clips is known (--annotations)"),
        ("lengths", len(exam) < FEW, f"fewer than {FEW} clips to compare"),
        (partly("frame rates", unknown_rate), unknown_rate.any(), missing("frame rate", unknown_rate)),
        ("sources over the splits", not 0 < len(sources) <= len(exam) / FEW, "most clips have a source of their own, "
         "or none"),
        ("sizes of hands over the body's", not np.isfinite(exam.measures.hand_to_body).any(), "no shoulders seen"),
        ("splits", unsplit.all(), "no clip has a split"),
    ]  # fmt: skip
    rows = [(check, reason) for check, holds, reason in reasons if holds]
    table = Table("Not checked", ["Check", "Why"], rows)
    return CheckResult([{"check": check, "why": reason} for check, reason in rows], tables=[table])
