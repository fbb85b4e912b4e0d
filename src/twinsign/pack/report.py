"""What a packing came to: counted on the record batches themselves, so that a resumed one counts the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twinsign.pose.layout import HANDS, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK

PARTS = {"right hand": RIGHT_HAND, "left hand": LEFT_HAND, "both hands": HANDS, "trunk": TRUNK}
LISTED_SIZES = 5
"""Image sizes named in a provenance; the rest is counted together."""


@dataclass
class PackReport:
    """What was packed: clips a split, share of frames without a part in percent, flagged clips, what was left out."""

    clips: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    glosses: int = 0
    without: dict[str, float] = field(default_factory=dict)
    handless: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    listed: int = 0
    """Clips that the annotation lists."""
    missing: int = 0
    """Of these, those without poses."""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """What readers had to settle, by clip, such as which of several persons they took."""

    @property
    def exit_code(self) -> int:
        """0 written, 2 nothing written, 3 written but some inputs unreadable."""
        if not sum(self.clips.values()):
            return 2
        return 3 if self.unreadable else 0


class Tally:
    """Counts over record batches: clips a split, glosses, frames that lack a part, estimators, rates, sizes."""

    def __init__(self) -> None:
        self.splits: Counter[str] = Counter()
        self.glosses: set[str] = set()
        self.frames = 0
        self.lacking: Counter[str] = Counter()
        self.handless: list[str] = []
        self.estimators: Counter[str] = Counter()
        self.sizes: Counter[str] = Counter()
        self.rates: list[np.ndarray[Any, np.dtype[np.float32]]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one batch of a pack."""
        columns = {name: batch.column(name) for name in batch.schema.names}
        self.splits.update(split or "none" for split in columns["split"].to_pylist())
        self.glosses.update(filter(None, columns["gloss"].unique().to_pylist()))
        bits = columns["seen"].values.values.to_numpy().reshape(-1, columns["seen"].type.value_type.list_size)
        seen = np.unpackbits(bits, axis=1, count=JOINT_COUNT).astype(bool)
        self.frames += len(seen)
        for name, part in PARTS.items():
            self.lacking[name] += int((~seen[:, part].any(axis=1)).sum())
        handless = pc.equal(columns["hand_frames"], 0)
        self.handless += columns["id"].filter(handless).to_pylist()
        self.estimators.update(one or "unknown" for one in columns["estimator"].to_pylist())
        sizes = zip(columns["width"].to_pylist(), columns["height"].to_pylist(), strict=True)
        self.sizes.update(f"{width}x{height}" if width and height else "unknown" for width, height in sizes)
        self.rates.append(columns["fps"].to_numpy(zero_copy_only=False).astype(np.float32))

    def report(self, unreadable: dict[str, str], notes: dict[str, list[str]], listed: int, missing: int) -> PackReport:
        """The counts as a report, with what else is known of the import."""
        without = {name: round(100 * self.lacking[name] / self.frames, 2) for name in PARTS} if self.frames else {}
        counts = (dict(self.splits), self.frames, len(self.glosses), without, self.handless)
        return PackReport(*counts, unreadable, listed, missing, notes)

    def facts(self) -> dict[str, Any]:
        """What poses these are, for provenance: clips by estimator and by image size, frame rates."""
        return {
            "estimators": dict(sorted(self.estimators.items())),
            "fps": spread(np.concatenate(self.rates)),
            "sizes": commonest(self.sizes, LISTED_SIZES),
        }


def spread(values: np.ndarray[Any, np.dtype[np.float32]]) -> dict[str, float | int]:
    """Least, median and largest of what is known (not NaN), and how many are unknown."""
    known = values[~np.isnan(values)]
    found: dict[str, float | int] = {"unknown": len(values) - len(known)}
    if len(known):
        middle = {"least": known.min(), "median": np.median(known), "largest": known.max()}
        found = {name: round(float(value), 3) for name, value in middle.items()} | found
    return found


def commonest(counts: Counter[str], most: int) -> dict[str, int]:
    """The `most` commonest, the most frequent first, and the others together."""
    ranked: Sequence[tuple[str, int]] = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ranked[most:])
    return dict(ranked[:most]) | ({"others": rest} if rest else {})
