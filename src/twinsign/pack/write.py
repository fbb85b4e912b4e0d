"""Writing a pack: samples in, one file out, whole or not at all; unreadable clips are listed, not lost."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from twinsign import __version__
from twinsign.corpora.sample import Sample
from twinsign.errors import InputError
from twinsign.files import atomic
from twinsign.pack.schema import BATCH_CLIPS, COLUMNS, POSES, SCORE_STEPS, schema
from twinsign.pose.layout import HANDS, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.recording import Recording

SPLITS = ("train", "val", "test", "none", "", None)
"""The only names of splits, so that a clip called `Test` or `dev` is not taken for one to learn from."""
EXTRA_RESERVED = set(COLUMNS) | set(POSES)


@dataclass
class PackReport:
    """What was packed: clips a split, missing rates in percent of frames, flagged clips, and what could not be read."""

    clips: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    glosses: int = 0
    missing: dict[str, float] = field(default_factory=dict)
    handless: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    """What readers had to settle, by clip, such as which of several persons they took."""

    @property
    def exit_code(self) -> int:
        """0 written, 2 nothing written, 3 written but some inputs unreadable (ours)."""
        if not sum(self.clips.values()):
            return 2
        return 3 if self.unreadable else 0


def write_pack(
    samples: Iterable[Sample],
    path: str | PathLike[str],
    *,
    provenance: Mapping[str, Any] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> PackReport:
    """Write samples to one pack, calling `tick` after each; NothingPackedError, and no file, where none is readable."""
    report, tally = PackReport(), _Tally()
    note = json.dumps({"twinsign": __version__, **(provenance or {})})
    with atomic(path) as temporary:
        writer = None
        for batch in _batches(samples, report, tick):
            names = sorted({name for _, row in batch for name in row} - EXTRA_RESERVED)
            if writer is None:
                writer = _Writer(temporary, names, note)
            writer.write(batch)
            for recording, row in batch:
                tally.add(recording, row)
        if writer is None:
            raise NothingPackedError(report)
        writer.close()
    tally.fill(report)
    return report


class NothingPackedError(InputError):
    """No sample could be packed; `report` says why of each."""

    def __init__(self, report: PackReport) -> None:
        self.report = report
        listed = "; ".join(list(report.unreadable.values())[:3])
        super().__init__(
            f"no readable clip ({len(report.unreadable)} unreadable: {listed})", "at least one clip to pack"
        )


class _Writer:
    def __init__(self, path: PathLike[str], extra: list[str], note: str) -> None:
        self.extra, self.schema = extra, schema(extra, note)
        self.file = ipc.new_file(path, self.schema)

    def write(self, batch: list[tuple[Recording, Mapping[str, str]]]) -> None:
        columns = [_column(name, batch) for name in (*COLUMNS, *self.extra)]
        unknown = {name for _, row in batch for name in row} - EXTRA_RESERVED - set(self.extra)
        if unknown:
            raise InputError(f"new annotation column {sorted(unknown)[0]!r}", f"the first rows' columns {self.extra}")
        self.file.write_batch(pa.record_batch([*columns, *_pose_columns(batch)], schema=self.schema))

    def close(self) -> None:
        self.file.close()


def _batches(
    samples: Iterable[Sample], report: PackReport, tick: Callable[[], None]
) -> Iterable[list[tuple[Recording, Mapping[str, str]]]]:
    ids: set[str] = set()
    batch: list[tuple[Recording, Mapping[str, str]]] = []
    for sample in samples:
        try:
            if sample.id in ids:
                raise InputError(f"id {sample.id!r} a second time", "ids that occur once", clip=sample.id)
            recording = sample.read().fractions()
            if sample.row.get("split") not in SPLITS:
                wanted = "train, val, test, or none"
                raise InputError(f"split {sample.row['split']!r}", wanted, file=recording.source, clip=sample.id)
            _check_float16(recording)
        except InputError as error:
            report.unreadable[sample.id if sample.id not in ids else f"{sample.id} (again)"] = str(error)
        else:
            ids.add(sample.id)
            batch.append((recording, sample.row))
            report.notes |= {sample.id: list(recording.notes)} if recording.notes else {}
        tick()
        if len(batch) == BATCH_CLIPS:
            yield batch
            batch = []
    if batch:
        yield batch


def _check_float16(recording: Recording) -> None:
    limit = float(np.finfo(np.float16).max)
    wild = np.abs(recording.xy) > limit
    if wild.any():
        frame = int(np.argwhere(wild)[0, 0])
        found = f"image fraction {recording.xy[wild][0]:g}"
        wanted = "image fractions near [0, 1] (are these pixels? then state the image size)"
        raise InputError(found, wanted, file=recording.source or None, clip=recording.id, frame=frame)


def _column(name: str, batch: list[tuple[Recording, Mapping[str, str]]]) -> pa.Array:
    values: dict[str, Callable[[Recording], Any]] = {
        "id": lambda one: one.id,
        "fps": lambda one: one.fps,
        "width": lambda one: one.size[0] if one.size else None,
        "height": lambda one: one.size[1] if one.size else None,
        "frames": lambda one: len(one.xy),
        "hand_frames": lambda one: int(one.seen[:, HANDS].any(axis=1).sum()),
    }
    if name in values:
        return pa.array([values[name](recording) for recording, _ in batch], COLUMNS[name])
    # The annotation's word on source and estimator goes before the reader's.
    known = name in ("source", "estimator")
    stated = [row.get(name) or (getattr(one, name) if known else None) or None for one, row in batch]
    return pa.array(stated, pa.string())


def _pose_columns(batch: list[tuple[Recording, Mapping[str, str]]]) -> list[pa.Array]:
    recordings = [recording for recording, _ in batch]
    xy = [one.xy.reshape(len(one.xy), -1).astype(np.float16) for one in recordings]
    seen = [np.packbits(one.seen, axis=1) for one in recordings]
    scored = [None if _without_scores(one) else _quantised(one) for one in recordings]
    return [_ragged(xy, "xy"), _ragged(seen, "seen"), _ragged(scored, "score")]


def _ragged(rows: list[Any], name: str) -> pa.Array:
    kind = POSES[name]
    width = kind.value_type.list_size
    offsets = np.cumsum([0, *(0 if row is None else len(row) for row in rows)]).astype(np.int32)
    present = [row for row in rows if row is not None]
    dtype = np.dtype(kind.value_type.value_type.to_pandas_dtype())
    values = np.concatenate(present).ravel() if present else np.zeros(0, dtype)
    frames = pa.FixedSizeListArray.from_arrays(pa.array(values, kind.value_type.value_type), width)
    absent = pa.array([row is None for row in rows])
    return pa.ListArray.from_arrays(pa.array(offsets), frames, mask=absent).cast(kind)


def _without_scores(recording: Recording) -> bool:
    return bool(np.isin(recording.score, (0.0, 1.0)).all())


def _quantised(recording: Recording) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Scores as whole steps; a seen joint keeps at least one step."""
    steps = np.round(recording.score * SCORE_STEPS)
    return np.where(recording.seen, np.maximum(steps, 1), 0).astype(np.uint8)


class _Tally:
    """Counts while packing: clips a split, glosses, frames that lack a part."""

    def __init__(self) -> None:
        self.splits: Counter[str] = Counter()
        self.glosses: set[str] = set()
        self.frames = 0
        self.unseen: defaultdict[str, int] = defaultdict(int)
        self.handless: list[str] = []

    def add(self, recording: Recording, row: Mapping[str, str]) -> None:
        self.splits[row.get("split") or "none"] += 1
        self.glosses.update([row["gloss"]] if row.get("gloss") else [])
        self.frames += len(recording.xy)
        parts = {"right hand": RIGHT_HAND, "left hand": LEFT_HAND, "both hands": HANDS, "trunk": TRUNK}
        for name, part in parts.items():
            self.unseen[name] += int((~recording.seen[:, part].any(axis=1)).sum())
        if not recording.seen[:, HANDS].any():
            self.handless.append(recording.id)

    def fill(self, report: PackReport) -> None:
        report.clips, report.frames, report.glosses = dict(self.splits), self.frames, len(self.glosses)
        report.missing = {name: round(100 * count / self.frames, 2) for name, count in self.unseen.items()}
        report.handless = self.handless
