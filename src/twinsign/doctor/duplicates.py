"""Clips that are identical or nearly so: re-encoded, cut, shifted, scaled, mirrored or resampled copies of a recording.

The limits of near copies were chosen on WLASL and on webcam recordings with many takes of a sign by one person: what
stays unexplained of copies is below 0.03 of the hand's size, of takes above 0.05, with few between (docs/data.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from twinsign.doctor.align import Fit, align
from twinsign.doctor.candidates import Candidates, find_candidates
from twinsign.doctor.exam import CheckResult, Exam, Finding, Level, pluralize, with_clips
from twinsign.doctor.tracks import WAYS, Tracks, extract_tracks, turn_tracks
from twinsign.pack.open import Indices
from twinsign.pack.selection import HELD_OUT
from twinsign.report.html import Cell, Table

AGREEMENT = 0.99
"""Share of movements, and of places, that must agree."""
COMMON = 0.6
"""Share of seen points that must be seen in both."""
OVERLAP = 0.7
"""Part of a clip that the first must cover."""
EXTENT = 0.006
"""Spread of the movements in image fractions below which clips are too still to compare."""
MOSTLY_STILL = 0.5
"""Share of a clip's frames in which it may stand still: the same stuck track may lie in clips that are no copies."""
RESIDUAL = 0.03
"""Greatest unexplained movement, over the size of the hand."""
PAIRS_AT_ONCE = 256
LEAKS: dict[str, tuple[Level, str]] = {
    "train": ("error", "lie in train and in val or test: results would be too good"),
    "none": ("warning", "lie in val or test and among clips without a split, which pre-training sees"),
    "held": ("warning", "lie in val and in test: model selection sees test clips"),
    "one split": ("warning", "lie within one split"),
    "gloss": ("warning", "carry different glosses"),
}
"""What copies mean, by where they lie."""


def group_identical(exam: Exam) -> list[list[int]]:
    """Groups of clips, by place in the exam, whose stored poses are the same; clips that show nothing do not count."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place in np.flatnonzero(exam.measures.right + exam.measures.left + exam.measures.trunk > 0).tolist():
        groups[exam.poses[place]].append(place)
    return [group for group in groups.values() if len(group) > 1]


def duplicates(exam: Exam) -> CheckResult:
    """`duplicates`: lists of ids of identical clips; `duplicate_details`: their splits and glosses."""
    groups = group_identical(exam)
    caption = "Stored poses are the same bit by bit."
    return _copies(exam, "duplicate_details", "identical", groups, [{} for _ in groups], caption)


def near_duplicates(exam: Exam) -> CheckResult:
    """`near_duplicates`: lists of two ids; `near_duplicate_details`: splits, glosses, way and agreement."""
    copies = find_near_copies(exam)
    caption = (
        "Re-encoded, cut, shifted, scaled, mirrored or resampled copies of one recording. Agreement: share of movement "
        f"and places explained, at least {AGREEMENT}; the rest is at most {RESIDUAL:.0%} of the hand's size."
    )
    groups = [[copy.first, copy.second] for copy in copies]
    about: list[dict[str, str | float]] = [{"way": copy.way, "alike": copy.agreement} for copy in copies]
    key, columns = "near_duplicate_details", ["Shown", "Agreement"]
    return _copies(exam, key, "nearly identical", groups, about, caption, columns)


def _copies(
    exam: Exam,
    key: str,
    kind: str,
    groups: Sequence[Sequence[int]],
    about: Sequence[Mapping[str, str | float]],
    caption: str,
    columns: Sequence[str] = (),
) -> CheckResult:
    """Groups of copies as a result; `about`: further values of each group, for JSON and these further columns."""
    details, rows = [], []
    leaks: dict[str, list[list[str]]] = defaultdict(list)
    for group, values in zip(groups, about, strict=True):
        ids, splits, glosses = exam.names(group), exam.split[group].tolist(), exam.gloss[group].tolist()
        held, outside = {*splits} & {*HELD_OUT}, {*splits} - {*HELD_OUT}
        if held and outside:
            leaks["train" if "train" in outside else "none"].append(ids)
        else:
            leaks["held" if len(held) > 1 else "one split"].append(ids)
        glosses_differ = len({*glosses} - {""}) > 1
        if glosses_differ:
            leaks["gloss"].append(ids)
        differences = {"splits_differ": len({*splits}) > 1, "glosses_differ": glosses_differ}
        details.append({"ids": ids, "splits": splits, "glosses": glosses, **differences, **values})
        cells: list[Cell] = [", ".join(words) for words in (ids, splits, glosses)]
        rows.append(cells + [f"{value:.4f}" if isinstance(value, float) else value for value in values.values()])
    findings = with_clips(
        Finding(
            level,
            f"{pluralize(len(leaks[leak]), 'group')} of {kind} clips {text}",
            [*dict.fromkeys(chain(*leaks[leak]))],
        )
        for leak, (level, text) in LEAKS.items()
    )
    table = Table(f"{kind.capitalize()} clips", ["Clips", "Splits", "Glosses", *columns], rows, caption)
    return CheckResult([row["ids"] for row in details], findings, [table], {key: details})


class Copy(NamedTuple):
    """Two clips by place in the exam, how the first is turned (one of WAYS), and how much they agree."""

    first: int
    second: int
    way: str
    agreement: float


def find_near_copies(exam: Exam) -> list[Copy]:
    """Pairs of clips that are nearly, but not bit by bit, the same, surest first.

    Pairs that other checks name are left out: identical clips, and clips of one id in two packs.
    """
    pairs = find_candidates(exam.profile)
    still = exam.measures.frozen > MOSTLY_STILL * exam.number("frames")
    first, second = pairs.rows.T
    poses = np.asarray(exam.poses)
    skipped = (poses[first] == poses[second]) | (exam.id[first] == exam.id[second]) | still[first] | still[second]
    pairs = Candidates(*(values[~skipped] for values in pairs))
    fit = fit_pairs(exam, pairs)
    agreement = np.minimum(fit.moved, fit.placed)
    sure = (agreement >= AGREEMENT) & (fit.residual <= RESIDUAL * exam.measures.hand[pairs.rows[:, 1]])
    sure &= (fit.common >= COMMON) & (fit.overlap >= OVERLAP) & (fit.extent >= EXTENT)
    kept = np.flatnonzero(sure)
    kept = kept[np.argsort(-agreement[kept], kind="stable")]
    kept_pairs = zip(pairs.rows[kept].tolist(), pairs.way[kept].tolist(), agreement[kept].tolist(), strict=True)
    return [Copy(first, second, WAYS[way], round(share, 4)) for (first, second), way, share in kept_pairs]


def fit_pairs(exam: Exam, pairs: Candidates, *, patient: bool = False) -> Fit:
    """How well each pair agrees (K), reading a few hundred clips at a time."""

    def read_tracks(places: Indices) -> Tracks:
        flat = exam.pack.flat(exam.rows[places])
        return extract_tracks(flat.xy, flat.score > 0, flat.length)

    order = np.lexsort((pairs.rows[:, 0], pairs.way))
    fits = [Fit(*(np.zeros(0, np.float32) for _ in Fit._fields))]
    for way, name in enumerate(WAYS):
        of_way = order[pairs.way[order] == way]
        for start in range(0, len(of_way), PAIRS_AT_ONCE):
            batch = of_way[start : start + PAIRS_AT_ONCE]
            first, second = (read_tracks(pairs.rows[batch, column]) for column in (0, 1))
            fits.append(align(turn_tracks(first, name), second, pairs.window[batch], patient=patient))
    back = np.argsort(order, kind="stable")
    return Fit(*(np.concatenate(values)[back] for values in zip(*fits, strict=True)))
