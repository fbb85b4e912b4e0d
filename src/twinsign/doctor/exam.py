"""One look at every clip of packs, batch by batch: what the checks then judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twinsign.cluster import each
from twinsign.doctor.measure import Measures, measure
from twinsign.doctor.tracks import profiles, tracks
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import BATCH_CLIPS

HELD_OUT = ("val", "test")
SPLIT_ORDER = ("train", *HELD_OUT, "none")


@dataclass(frozen=True)
class Exam:
    """Packs and what was measured: rows of the packs (N), pose hashes (N), measures (N each), profiles (N …).

    `missing`: annotation rows (id, gloss, split) without poses; None where nothing says what the corpus lists.
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
        """The same of some of the clips."""
        return replace(
            self,
            rows=self.rows[kept],
            poses=[self.poses[place] for place in kept.tolist()],
            measures=Measures(*(values[kept] for values in self.measures)),
            profile=self.profile[kept],
        )

    def text(self, name: str) -> NDArray[np.str_]:
        """A column of text (N), empty where unknown or where the pack lacks it."""
        if name not in self.pack.table.column_names:
            return np.full(len(self), "", dtype=str)
        values = self.pack.table[name].take(self.rows).to_pylist()
        return np.asarray(["" if value is None else str(value) for value in values], dtype=str)

    def number(self, name: str) -> NDArray[np.float64]:
        """A column of numbers (N), NaN where unknown."""
        values = self.pack.table[name].take(self.rows).to_pylist()
        return np.asarray([np.nan if value is None else value for value in values], np.float64)

    @cached_property
    def split(self) -> NDArray[np.str_]:
        """Each clip's split (N), `none` where it has none."""
        found = self.text("split")
        return np.where(found == "", "none", found)

    @cached_property
    def splits(self) -> list[str]:
        """The splits that have clips: train, val, test, none, then other programs' names."""
        there = set(self.split.tolist())
        return [split for split in SPLIT_ORDER if split in there] + sorted(there - set(SPLIT_ORDER))

    @cached_property
    def gloss(self) -> NDArray[np.str_]:
        """Each clip's gloss (N), empty where unlabelled."""
        return self.text("gloss")

    @cached_property
    def held(self) -> NDArray[np.bool_]:
        """Which clips (N) are of val or test."""
        return np.isin(self.split, HELD_OUT)

    @cached_property
    def origin(self) -> Indices:
        """Which of the packs, as they were named, each clip (N) is in."""
        return self.pack.given_of(self.rows)

    @cached_property
    def id(self) -> NDArray[np.str_]:
        """Each clip's id (N)."""
        return self.text("id")

    @cached_property
    def name(self) -> list[str]:
        """Each clip's id, with its pack's name before it where several packs hold that id."""
        times = Counter(self.id.tolist())
        stems = [Path(str(file)).stem for file in self.pack.paths]
        files = self.pack.file_of(self.rows).tolist()
        return [
            one if times[one] == 1 else f"{stems[file]}:{one}"
            for one, file in zip(self.id.tolist(), files, strict=True)
        ]

    def names(self, places: Sequence[int] | Indices) -> list[str]:
        """The names of clips at these places of 0 … N - 1."""
        return [self.name[int(place)] for place in places]


def examine(
    pack: Pack,
    missing: Sequence[Mapping[str, str]] | None = None,
    tick: Callable[[int], None] = lambda clips: None,
    cluster: str | None = None,
) -> Exam:
    """Look at every clip once, batch by batch, here or on a Ray cluster; `tick` gets the clips since the last call."""
    starts = range(0, len(pack), BATCH_CLIPS)
    poses: list[str] = []
    measured, profile = [], []
    for hashes, values, shape in each(partial(_looking, pack), starts, cluster):
        poses += hashes
        measured.append(values)
        profile.append(shape)
        tick(len(hashes))
    measures = Measures(*(np.concatenate(values) for values in zip(*measured, strict=True)))
    return Exam(pack, np.arange(len(pack)), poses, measures, np.concatenate(profile), missing)


Look = tuple[list[str], Measures, NDArray[np.float16]]


def _looking(pack: Pack) -> Callable[[int], Look]:
    """The look at the batch that starts at a clip: pose hashes, measures, profiles."""

    def look(start: int) -> Look:
        rows = np.arange(start, min(start + BATCH_CLIPS, len(pack)))
        flat = pack.flat(rows)
        seen = flat.score > 0
        values = measure(flat.xy, seen, flat.length)
        return pack.pose_hashes(rows), values, profiles(tracks(flat.xy, seen, flat.length))

    return look
