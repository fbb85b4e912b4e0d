"""How well signs were found in long recordings: segments, glosses, their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from twinsign.annotation.spans import Span, overlap

THRESHOLDS = (0.25, 0.5, 0.75)
"""Overlaps (intersection over union) from which a found segment counts as a true one."""
USUAL = 0.5


class Found(NamedTuple):
    """A segment that was found, its first guess, the confidence in it, and whether it is sure."""

    span: Span
    gloss: str = ""
    confidence: float = 0.0
    sure: bool = False


def match(truth: Sequence[Span], found: Sequence[Span], threshold: float) -> list[tuple[int, int]]:
    """Pairs of a true and a found segment that overlap enough, each in one pair at most, the largest overlaps first."""
    order = sorted(range(len(truth)), key=lambda number: truth[number].begin)
    pairs = []
    spans = sorted(range(len(found)), key=lambda number: found[number].begin)
    first = 0
    for number in order:
        while first < len(spans) and found[spans[first]].end <= truth[number].begin:
            first += 1
        for place in spans[first:]:
            if found[place].begin >= truth[number].end:
                break
            pairs.append((overlap(truth[number], found[place]), number, place))
    taken: tuple[set[int], set[int]] = (set(), set())
    matched = []
    for share, number, place in sorted(pairs, reverse=True):
        if share >= threshold and number not in taken[0] and place not in taken[1]:
            taken[0].add(number)
            taken[1].add(place)
            matched.append((number, place))
    return sorted(matched)


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Fewest insertions, deletions and replacements that make one sequence the other."""
    row = list(range(len(second) + 1))
    for number, item in enumerate(first, 1):
        previous, row[0] = row[0], number
        for place, other in enumerate(second, 1):
            previous, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, previous + (item != other))
    return row[-1]


@dataclass
class Spotting:
    """Collects recordings one after another; `report` sums them up."""

    truth_count: int = 0
    found_count: int = 0
    matched: dict[float, int] = field(default_factory=lambda: dict.fromkeys(THRESHOLDS, 0))
    errors: list[tuple[float, float]] = field(default_factory=list)
    sure: list[bool] = field(default_factory=list)
    named: list[bool] = field(default_factory=list)
    edits: int = 0
    known: int = 0
    ranked: dict[str, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))
    wanted: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, truth: Sequence[Span], found: Sequence[Found], fps: float) -> None:
        """Add a recording's true segments, which have a gloss, and those that were found in it."""
        spans = [item.span for item in found]
        self.truth_count, self.found_count = self.truth_count + len(truth), self.found_count + len(found)
        for threshold in THRESHOLDS:
            self.matched[threshold] += len(match(truth, spans, threshold))
        pairs = match(truth, spans, USUAL)
        self.errors += [
            (abs(truth[a].begin - spans[b].begin) * fps, abs(truth[a].end - spans[b].end) * fps) for a, b in pairs
        ]
        owner = {place: truth[number].gloss for number, place in pairs}
        for number, item in enumerate(found):
            right = bool(item.gloss) and owner.get(number) == item.gloss
            if item.sure:
                self.sure.append(right)
            if number in owner:
                self.named.append(right)
            if item.gloss:
                self.ranked[item.gloss].append((item.confidence, right))
        for span in truth:
            self.wanted[span.gloss] += 1
        order = sorted(found, key=lambda item: item.span.begin)
        self.edits += edit_distance([span.gloss for span in truth], [item.gloss for item in order])

    def report(self) -> dict[str, Any]:
        """Counts and measures; shares in percent, errors of boundaries in frames."""
        by_overlap = {}
        for threshold, count in self.matched.items():
            precision, recall = count / max(self.found_count, 1), count / max(self.truth_count, 1)
            f1 = 2 * count / max(self.found_count + self.truth_count, 1)
            by_overlap[f"{threshold:g}"] = {"precision": 100 * precision, "recall": 100 * recall, "f1": 100 * f1}
        errors = np.asarray(self.errors or [(np.nan, np.nan)])
        precisions = [
            average_precision(self.ranked.get(gloss, []), count) for gloss, count in self.wanted.items() if gloss
        ]
        return {
            "true_segments": self.truth_count,
            "found_segments": self.found_count,
            "by_overlap": by_overlap,
            "boundary_error_frames": {
                name: float(np.median(values)) if self.errors else None
                for name, values in zip(("begin", "end"), errors.T, strict=True)
            },
            "mean_average_precision": 100 * float(np.mean(precisions)) if precisions else 0.0,
            "gloss_error_rate": 100 * self.edits / max(self.truth_count, 1),
            "named_right": 100 * sum(self.named) / max(len(self.named), 1),
            "sure_segments": len(self.sure),
            "sure_right": 100 * sum(self.sure) / len(self.sure) if self.sure else None,
        }


def average_precision(ranked: Sequence[tuple[float, bool]], wanted: int) -> float:
    """Mean precision at each right answer of those ranked by confidence, over all `wanted` ones, 0 to 1."""
    order = sorted(ranked, key=lambda item: -item[0])
    right, total = 0, 0.0
    for place, (_, hit) in enumerate(order, 1):
        if hit:
            right += 1
            total += right / place
    return total / wanted if wanted else 0.0
