"""Clips that are bit by bit the same, and what their labels and splits say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import Checked, Finding, Level, counted
from twinsign.report.html import Cell, Table


def identical(exam: Exam) -> list[list[int]]:
    """Groups of clips, by place in the exam, whose stored poses are the same; clips that show nothing do not count."""
    shown = exam.measures.right + exam.measures.left + exam.measures.trunk > 0
    groups: dict[str, list[int]] = defaultdict(list)
    for place in np.flatnonzero(shown).tolist():
        groups[exam.poses[place]].append(place)
    return [group for group in groups.values() if len(group) > 1]


def duplicates(exam: Exam) -> Checked:
    """`duplicates`: lists of ids of identical clips; `duplicate_details`: their splits and glosses."""
    groups = identical(exam)
    table = Table(
        "Identical clips",
        ["Clips", "Splits", "Glosses"],
        [group_row(exam, group) for group in groups],
        "Stored poses are the same bit by bit.",
    )
    return Checked(
        [exam.names(group) for group in groups],
        leaks(exam, groups, "identical"),
        [table] if groups else [],
        {"duplicate_details": details(exam, groups)},
    )


def details(exam: Exam, groups: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """For JSON: ids, splits and glosses of each group, and whether these differ."""
    found = []
    for group in groups:
        splits, glosses = (_of(column, group) for column in (exam.split, exam.gloss))
        found.append(
            {
                "ids": exam.names(group),
                "splits": splits,
                "glosses": glosses,
                "splits_differ": len(set(splits)) > 1,
                "glosses_differ": len(set(glosses) - {""}) > 1,
            }
        )
    return found


def group_row(exam: Exam, group: Sequence[int]) -> list[Cell]:
    """A table's row on a group: ids, splits, glosses."""
    return [", ".join(words) for words in (exam.names(group), _of(exam.split, group), _of(exam.gloss, group))]


def leaks(exam: Exam, groups: Sequence[Sequence[int]], what: str) -> list[Finding]:
    """Findings on groups of copies: across train and val or test an error, others warnings."""
    kinds: dict[str, list[Sequence[int]]] = defaultdict(list)
    for group in groups:
        splits = set(_of(exam.split, group))
        learnt, held = splits - {"val", "test"}, splits & {"val", "test"}
        relation = (
            "train" if held and "train" in learnt else "none" if held and learnt else "held" if len(held) > 1 else ""
        )
        kinds[relation or "one split"].append(group)
        if len(set(_of(exam.gloss, group)) - {""}) > 1:
            kinds["gloss"].append(group)
    said: dict[str, tuple[Level, str]] = {
        "train": ("error", "of {} clips lie in train and in val or test: results would be too good"),
        "none": ("warning", "of {} clips lie in val or test and among clips without a split, which pre-training sees"),
        "held": ("warning", "of {} clips lie in val and in test: what selects is not apart from what reports"),
        "one split": ("warning", "of {} clips lie within one split"),
        "gloss": ("warning", "of {} clips carry different glosses"),
    }
    return [
        Finding(level, f"{counted(len(kinds[kind]), 'group')} {text.format(what)}", _flat(exam, kinds[kind]))
        for kind, (level, text) in said.items()
        if kinds[kind]
    ]


def _of(column: NDArray[np.str_], group: Sequence[int]) -> list[str]:
    return [str(column[place]) for place in group]


def _flat(exam: Exam, groups: Sequence[Sequence[int]]) -> list[str]:
    return list(dict.fromkeys(name for group in groups for name in exam.names(group)))
