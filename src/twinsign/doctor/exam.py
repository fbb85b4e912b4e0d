"""What checks read and return: measurements of every clip of some packs; findings in words and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twinsign.doctor.measure import Measures, measure
from twinsign.doctor.tracks import extract_profiles, extract_tracks
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import BATCH_CLIPS
from twinsign.pack.selection import HELD_OUT
from twinsign.ray_cluster import map_tasks
from twinsign.report.html import Table

SPLIT_ORDER = ("train", *HELD_OUT, "none")
Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""error: results would be wrong; warning: likely bad data; note: good to know."""


@dataclass(frozen=True)
class Finding:
    """A level, a sentence, and the clips that it is about."""

    level: Level
    message: str
    clips: Sequence[str] = ()


@dataclass(frozen=True)
class CheckResult:
    """A check's JSON value, its findings, its tables (shown if they have rows), and further JSON keys."""

    value: Any
    findings: Sequence[Finding] = ()
    tables: Sequence[Table] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def with_clips(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that are about any clip."""
    return [finding for finding in findings if finding.clips]


def pluralize(count: int, singular: str, plural: str = "") -> str:
    """ "1 clip", "3 clips"."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def abbreviate(names: Iterable[str], limit: int = 8) -> str:
    """The first names of a list, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")


@dataclass(frozen=True)
class Exam:
    """Packs and measurements: rows of the packs (N), pose hashes (N), measures (N each), profiles (N BINS CHANNELS 2).

    `missing`: annotation rows (id, gloss, split) without poses; None where no list of the corpus is available.
    """

    pack: Pack
    rows: Indices
    poses: list[str]
    measures: Measures
    profile: NDArray[np.float16]
    missing: Sequence[Mapping[str, str]] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, kept: Indices) -> Exam:
        """The exam of some of the clips, by place in this one."""
        return replace(
            self,
            rows=self.rows[kept],
            poses=[self.poses[place] for place in kept.tolist()],
            measures=Measures(*(values[kept] for values in self.measures)),
            profile=self.profile[kept],
        )

    def text(self, name: str) -> NDArray[np.str_]:
        """A text column (N), empty where unknown or where the pack lacks the column."""
        if name not in self.pack.table.column_names:
            return np.full(len(self), "", dtype=str)
        values = self.pack.table[name].take(self.rows).to_pylist()
        return np.asarray(["" if value is None else str(value) for value in values], dtype=str)

    def number(self, name: str) -> NDArray[np.float64]:
        """A number column (N), NaN where unknown."""
        return np.asarray(self.pack.table[name].take(self.rows).to_pylist(), np.float64)

    @cached_property
    def split(self) -> NDArray[np.str_]:
        """Each clip's split (N), `none` where it has none."""
        return self.pack.splits[self.rows]

    @cached_property
    def splits(self) -> list[str]:
        """The splits that have clips: train, val, test, none, then any others in alphabetical order."""
        present = set(self.split.tolist())
        return [split for split in SPLIT_ORDER if split in present] + sorted(present - set(SPLIT_ORDER))

    @cached_property
    def gloss(self) -> NDArray[np.str_]:
        """Each clip's gloss (N), empty where unlabelled."""
        return self.text("gloss")

    @cached_property
    def held(self) -> NDArray[np.bool_]:
        """Which clips (N) are in val or test."""
        return np.isin(self.split, HELD_OUT)

    @cached_property
    def origin(self) -> Indices:
        """The index in `pack.given` of the pack that each clip (N) is in."""
        return self.pack.given_of(self.rows)

    @cached_property
    def id(self) -> NDArray[np.str_]:
        """Each clip's id (N)."""
        return self.text("id")

    @cached_property
    def name(self) -> list[str]:
        """Each clip's id, with its pack's name before it where several packs hold that id."""
        ids = self.id.tolist()
        counts = Counter(ids)
        stems = [Path(str(self.pack.paths[file])).stem for file in self.pack.file_of(self.rows).tolist()]
        return [name if counts[name] == 1 else f"{stem}:{name}" for name, stem in zip(ids, stems, strict=True)]

    def names(self, places: Iterable[int] | Indices) -> list[str]:
        """The names of the clips at these places (0 to N - 1)."""
        return [self.name[int(place)] for place in places]


def examine(
    pack: Pack,
    missing: Sequence[Mapping[str, str]] | None = None,
    tick: Callable[[int], None] = lambda clips: None,
    cluster: str | None = None,
) -> Exam:
    """Read every clip once, batch by batch, here or on a Ray cluster; `tick` gets the clips since the last call."""
    poses: list[str] = []
    measured, profile = [], []
    for hashes, values, shape in map_tasks(partial(_measurer, pack), range(0, len(pack), BATCH_CLIPS), cluster):
        poses += hashes
        measured.append(values)
        profile.append(shape)
        tick(len(hashes))
    measures = Measures(*(np.concatenate(values) for values in zip(*measured, strict=True)))
    return Exam(pack, np.arange(len(pack)), poses, measures, np.concatenate(profile), missing)


def _measurer(pack: Pack) -> Callable[[int], tuple[list[str], Measures, NDArray[np.float16]]]:
    """A function from a batch's first clip to the batch's pose hashes, measures and profiles."""

    def read_batch(start: int) -> tuple[list[str], Measures, NDArray[np.float16]]:
        rows = np.arange(start, min(start + BATCH_CLIPS, len(pack)))
        flat = pack.flat(rows)
        seen = flat.score > 0
        return (
            pack.pose_hashes(rows),
            measure(flat.xy, seen, flat.length),
            extract_profiles(extract_tracks(flat.xy, seen, flat.length)),
        )

    return read_batch
