"""What a pack holds in numbers, counted on the finished record batches, so that a resumed import counts the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from twinsign.pack.schema import SEEN_BYTES
from twinsign.pose.layout import HANDS, LEFT_HAND, RIGHT_HAND, TRUNK

PARTS = {"right hand": RIGHT_HAND, "left hand": LEFT_HAND, "both hands": HANDS, "trunk": TRUNK}


@dataclass
class PackReport:
    """What was packed: clips per split, percent of frames without a part, flagged clips, what was left out."""

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
    """What readers had to decide, by clip, such as which of several persons they took."""

    @property
    def exit_code(self) -> int:
        """0 written, 2 nothing written, 3 written but some inputs unreadable."""
        if not self.clips:
            return 2
        return 3 if self.unreadable else 0


def summarize(batches: Iterable[pa.RecordBatch]) -> tuple[PackReport, dict[str, Any]]:
    """Report on a pack's record batches, and the facts for its provenance: estimators, frame rates, image sizes."""
    report, glosses, without = PackReport(), set[str](), dict.fromkeys(PARTS, 0)
    splits, estimators, sizes = Counter[str](), Counter[str](), Counter[str]()
    rates = []
    for batch in batches:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        seen = np.unpackbits(columns["seen"].flatten().flatten().to_numpy().reshape(-1, SEEN_BYTES), axis=1)
        report.frames += len(seen)
        for name, part in PARTS.items():
            without[name] += int((~seen[:, part].any(axis=1)).sum())
        report.handless += columns["id"].filter(pc.equal(columns["hand_frames"], 0)).to_pylist()
        splits.update(columns["split"].fill_null("none").to_pylist())
        glosses.update(columns["gloss"].drop_null().unique().to_pylist())
        estimators.update(columns["estimator"].fill_null("unknown").to_pylist())
        sides = [columns[name].cast(pa.string()) for name in ("width", "height")]
        sizes.update(pc.binary_join_element_wise(*sides, "x").fill_null("unknown").to_pylist())
        rates.append(columns["fps"].to_numpy(zero_copy_only=False).astype(np.float32))
    report.clips, report.glosses = dict(splits), len(glosses)
    report.without = {name: round(100 * count / report.frames, 2) for name, count in without.items() if report.frames}
    common = dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:5])
    others = {"others": sizes.total() - sum(common.values())} if len(sizes) > len(common) else {}
    values = np.concatenate([*rates, np.zeros(0, np.float32)])
    known = values[~np.isnan(values)]
    spread = {"least": known.min(), "median": np.median(known), "largest": known.max()} if len(known) else {}
    fps = {name: round(float(value), 3) for name, value in spread.items()} | {"unknown": len(values) - len(known)}
    return report, {"estimators": dict(sorted(estimators.items())), "fps": fps, "sizes": common | others}
