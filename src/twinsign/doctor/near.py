"""Clips that are nearly the same: re-encoded, cut, shifted, scaled, mirrored or resampled copies of one recording.

The limits were chosen on WLASL and on webcam recordings with many takes of a sign by one person: what is left
unexplained of copies is below 0.03 of the hand's size, of takes above 0.05, with few pairs between (docs/data.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from twinsign.doctor.align import Fit, align
from twinsign.doctor.candidates import Candidates, candidates
from twinsign.doctor.copies import details, group_row, leaks
from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import Checked
from twinsign.doctor.tracks import WAYS, Tracks, tracks, turned
from twinsign.pack.open import Indices
from twinsign.report.html import Cell, Table

ALIKE = 0.99
"""Share of movements, and of places, that must agree."""
BOTH = 0.6
"""Share of seen points that must be seen in both."""
OVERLAP = 0.7
"""Part of a clip that the other must cover."""
EXTENT = 0.006
"""Spread of the movements in image fractions below which clips are too still to be told."""
MOSTLY_STILL = 0.5
"""Share of a clip's frames in which it may stand still: the same stuck track may lie in clips that are no copies."""
REST = 0.03
"""What is left unexplained, over the size of the hand."""
PAIRS_AT_ONCE = 256


class Copy(NamedTuple):
    """Two clips by place in the exam, how the first is turned (one of WAYS), and how much they agree."""

    one: int
    other: int
    way: str
    alike: float


def near_copies(exam: Exam, tick: Callable[[], None] = lambda: None) -> list[Copy]:
    """Pairs of clips that are nearly, not bit by bit, the same, surest first."""
    found = candidates(exam.profile, tick)
    still = exam.measures.frozen > MOSTLY_STILL * exam.number("frames")
    known = np.asarray([_known(exam, one, other) for one, other in found.rows.tolist()], bool)
    kept = np.flatnonzero(~known & ~still[found.rows[:, 0]] & ~still[found.rows[:, 1]])
    found = Candidates(found.rows[kept], found.way[kept], found.window[kept])
    fit = fit_pairs(exam, found)
    alike, hand = np.minimum(fit.moved, fit.placed), exam.measures.hand[found.rows[:, 1]]
    sure = (
        (alike >= ALIKE)
        & (fit.rest <= REST * hand)
        & (fit.both >= BOTH)
        & (fit.overlap >= OVERLAP)
        & (fit.extent >= EXTENT)
    )
    order = np.flatnonzero(sure)
    order = order[np.argsort(-alike[order], kind="stable")]
    return [
        Copy(int(found.rows[k, 0]), int(found.rows[k, 1]), WAYS[found.way[k]], round(float(alike[k]), 4)) for k in order
    ]


def _known(exam: Exam, one: int, other: int) -> bool:
    """Whether other checks name this pair already: bit by bit the same, or of one id in two packs."""
    return exam.poses[one] == exam.poses[other] or exam.id[one] == exam.id[other]


def fit_pairs(exam: Exam, pairs: Candidates, *, patient: bool = False) -> Fit:
    """How well each pair agrees (K), reading a few hundred clips at a time."""
    order = np.lexsort((pairs.rows[:, 0], pairs.way))
    parts = [Fit(*(np.zeros(0, np.float32) for _ in Fit._fields))]
    for way in range(len(WAYS)):
        mine = order[pairs.way[order] == way]
        for start in range(0, len(mine), PAIRS_AT_ONCE):
            some = mine[start : start + PAIRS_AT_ONCE]
            first, second = (_tracks(exam, pairs.rows[some, side]) for side in (0, 1))
            parts.append(align(turned(first, WAYS[way]), second, pairs.window[some], patient=patient))
    sorted_fit = Fit(*(np.concatenate(values) for values in zip(*parts, strict=True)))
    back = np.argsort(order, kind="stable")
    return Fit(*(values[back] for values in sorted_fit))


def _tracks(exam: Exam, places: Indices) -> Tracks:
    flat = exam.pack.flat(exam.rows[places])
    return tracks(flat.xy, flat.score > 0, flat.length)


def near_duplicates(exam: Exam) -> Checked:
    """`near_duplicates`: lists of two ids; `near_duplicate_details`: splits, glosses, way and agreement."""
    copies = near_copies(exam)
    groups = [[copy.one, copy.other] for copy in copies]
    rows: list[list[Cell]] = [
        [*group_row(exam, group), copy.way, f"{copy.alike:.4f}"] for group, copy in zip(groups, copies, strict=True)
    ]
    table = Table(
        "Nearly identical clips",
        ["Clips", "Splits", "Glosses", "Shown", "Agreement"],
        rows,
        "Re-encoded, cut, shifted, scaled, mirrored or resampled copies of one recording. Agreement: share of "
        f"movements and places explained, at least {ALIKE}; what is left is at most {REST:.0%} of the hand's size.",
    )
    about = [
        {**one, "way": copy.way, "alike": copy.alike} for one, copy in zip(details(exam, groups), copies, strict=True)
    ]
    return Checked(
        [exam.names(group) for group in groups],
        leaks(exam, groups, "nearly identical"),
        [table] if rows else [],
        {"near_duplicate_details": about},
    )
