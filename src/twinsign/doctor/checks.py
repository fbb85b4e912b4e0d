"""The table of checks: to add one, write a function of an Exam in a file of its own, and name it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twinsign.doctor.copies import duplicates
from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import LEVELS, Checked, Finding
from twinsign.doctor.labels import labels
from twinsign.doctor.motion import frozen, jumping
from twinsign.doctor.near import near_duplicates
from twinsign.doctor.origins import provenance, repeated_ids
from twinsign.doctor.outliers import outliers
from twinsign.doctor.sides import sides
from twinsign.doctor.splits import coverage, missing_clips, signer_overlap, split_hash
from twinsign.doctor.vacuous import not_checked
from twinsign.doctor.visible import hand_unseen_rate
from twinsign.report.html import Table

CHECKS: Mapping[str, Callable[[Exam], Checked]] = {
    "coverage": coverage,
    "missing_clips": missing_clips,
    "duplicates": duplicates,
    "near_duplicates": near_duplicates,
    "repeated_ids": repeated_ids,
    "signer_overlap": signer_overlap,
    "labels": labels,
    "hand_unseen_rate": hand_unseen_rate,
    "outliers": outliers,
    "frozen": frozen,
    "jumping": jumping,
    "sides": sides,
    "provenance": provenance,
    "split_hash": split_hash,
}
"""JSON key and check, in the order of the page."""
SLOW = ("near_duplicates",)
"""Checks that compare poses of pairs of clips."""


@dataclass(frozen=True)
class Diagnosis:
    """What all checks gave: JSON values by key, findings with their check's key, tables."""

    values: dict[str, Any] = field(default_factory=dict)
    findings: list[tuple[str, Finding]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    def count(self, level: str) -> int:
        """How many findings are of this level."""
        return sum(finding.level == level for _, finding in self.findings)

    @property
    def level(self) -> str:
        """The worst level found, or `clean`."""
        return next((level for level in LEVELS if self.count(level)), "clean")

    def verdict(self) -> dict[str, Any]:
        """For JSON: level, counts, and findings with all their clips, worst first."""
        return {
            "level": self.level,
            **{f"{level}s": self.count(level) for level in LEVELS},
            "findings": [
                {"check": check, "level": finding.level, "said": finding.said, "clips": list(finding.clips)}
                for check, finding in self.findings
            ],
        }


def diagnose(exam: Exam, *, near: bool = True, tick: Callable[[str], None] = lambda check: None) -> Diagnosis:
    """Run every check (without the SLOW ones unless `near`); `tick` gets a check's name before it runs."""
    found = Diagnosis()
    for name, check in CHECKS.items():
        if near or name not in SLOW:
            tick(name)
            checked = check(exam)
            found.values.update({name: checked.value, **checked.more})
            found.findings.extend((name, finding) for finding in checked.findings)
            found.tables.extend(checked.tables)
    silent = not_checked(exam, near)
    found.values["not_checked"] = silent.value
    found.tables.extend(silent.tables)
    found.findings.sort(key=lambda one: LEVELS.index(one[1].level))
    return found
