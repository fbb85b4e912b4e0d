"""Opening packs: memory-mapped, so that a batch touches only its own clips' pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.files import sha256
from twinsign.pack.check import decoding, open_batches
from twinsign.pack.schema import COLUMNS, POSES, PROVENANCE_KEY, SCORE_STEPS, SEEN_BYTES
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray, Recording

Indices = NDArray[np.int64]


class Flat(NamedTuple):
    """Clips end to end: xy (F 49 2) fractions, score (F 49), image size (F 2) or ones, frame counts (B)."""

    xy: FloatArray
    score: FloatArray
    size: FloatArray
    length: Indices


class _Chunk(NamedTuple):
    """One record batch's poses, zero-copy: first frame of each clip (n + 1) and values a frame."""

    offsets: Indices
    xy: NDArray[np.float16]
    seen: NDArray[np.uint8]
    score_offsets: Indices | None
    score: NDArray[np.uint8]


def split_hash(ids: Sequence[str], glosses: Sequence[str | None]) -> str:
    """A hash of clips' ids and glosses, whatever their order: equal reports are of equal clips (ours)."""
    return sha256(*sorted(f"{one}\t{gloss}" for one, gloss in zip(ids, glosses, strict=True)))


class Pack:
    """One or several pack files as one list of clips; nothing of the poses is read before it is asked for."""

    def __init__(self, paths: str | PathLike[str] | Sequence[str | PathLike[str]]) -> None:
        listed = [paths] if isinstance(paths, str | PathLike) else list(paths)
        self.paths = [Path(path) for path in listed]
        opened = [open_batches(path) for path in self.paths]
        self._batches = [batch for _, batches in opened for batch in batches]
        self._files = [path for path, (_, batches) in zip(self.paths, opened, strict=True) for _ in batches]
        if not self._batches:
            raise InputError("a pack without clips", "at least one clip", file=self.paths[0])
        self.provenance = [_provenance(schema, path) for path, (schema, _) in zip(self.paths, opened, strict=True)]
        rows = [batch.select([name for name in batch.schema.names if name not in POSES]) for batch in self._batches]
        with decoding(self.paths[-1]):
            self.table = pa.concat_tables([pa.Table.from_batches([row]) for row in rows], promote_options="default")
        self._firsts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])
        self._chunks: dict[int, _Chunk] = {}

    def __reduce__(self) -> tuple[type[Pack], tuple[list[Path]]]:
        """Another process opens the files itself instead of being sent their content."""
        return Pack, (self.paths,)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def frames(self) -> Indices:
        """Frames of each clip (N)."""
        return np.asarray(self.table["frames"], dtype=np.int64)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which clips (N) show a hand at all; the others are left out of training."""
        return np.asarray(self.table["hand_frames"]) > 0

    def column(self, name: str) -> list[Any]:
        """A column's values, one a clip; InputError where the pack lacks it."""
        if name not in self.table.column_names:
            wanted = f"one of {', '.join(self.table.column_names)}"
            raise InputError(f"no column {name!r}", wanted, file=self.paths[0])
        values: list[Any] = self.table[name].to_pylist()
        return values

    def select(self, splits: Sequence[str] | None = None, where: Sequence[str] = ()) -> Indices:
        """Rows of the named splits (None: all) for which every `COLUMN=VALUE` holds; InputError where none does."""
        keep = np.ones(len(self), bool)
        for condition in where:
            name, _, value = condition.partition("=")
            self.column(name)
            keep &= np.asarray(pc.fill_null(pc.equal(pc.cast(self.table[name], pa.string()), value), False))
        if splits is not None:
            known = sorted({split or "none" for split in self.column("split")})
            for split in splits:
                if split not in known:
                    raise InputError(f"split {split!r}", f"one of {', '.join(known)}", file=self.paths[0])
            keep &= np.isin(np.asarray([split or "none" for split in self.column("split")]), list(splits))
        rows = np.flatnonzero(keep)
        if not len(rows):
            asked = " and ".join([*where, *([f"split in {list(splits)}"] if splits is not None else [])])
            raise InputError("no clip", f"clips with {asked}", file=self.paths[0])
        return rows

    def split_hash(self, rows: Indices) -> str:
        """A hash of the ids and glosses of these rows, whatever their order (ours)."""
        ids, glosses = self.table["id"].take(rows).to_pylist(), self.table["gloss"].take(rows).to_pylist()
        return split_hash(ids, glosses)

    def pose_hashes(self, rows: Sequence[int] | Indices) -> list[str]:
        """A hash of each clip's stored coordinates and mask: equal for bit-identical clips only (ours)."""
        hashes = []
        for row in rows:
            batch = int(np.searchsorted(self._firsts, row, side="right") - 1)
            chunk, inside = self._chunk(batch), int(row - self._firsts[batch])
            span = slice(chunk.offsets[inside], chunk.offsets[inside + 1])
            hashes.append(sha256(chunk.xy[span].tobytes(), chunk.seen[span].tobytes()))
        return hashes

    def flat(self, rows: Sequence[int] | Indices) -> Flat:
        """The clips of these rows end to end, in their order; touches only their own pages."""
        rows = np.asarray(rows, dtype=np.int64)
        length = self.frames[rows]
        total = int(length.sum())
        place = np.cumsum(length) - length
        xy = np.empty((total, JOINT_COUNT * 2), np.float16)
        score = np.empty((total, JOINT_COUNT), np.float32)
        batch_of = np.searchsorted(self._firsts, rows, side="right") - 1
        for batch in np.unique(batch_of):
            mine = np.flatnonzero(batch_of == batch)
            chunk, inside = self._chunk(int(batch)), rows[mine] - self._firsts[batch]
            source = _spans(chunk.offsets[inside], length[mine])
            target = _spans(place[mine], length[mine])
            xy[target] = chunk.xy[source]
            score[target] = _scores(chunk, inside, source, length[mine])
        wide = xy.astype(np.float32)
        if not np.isfinite(wide).all():
            raise self._not_finite(rows, length, wide)
        sizes = self._sizes[rows].repeat(length, axis=0)
        return Flat(wide.reshape(total, JOINT_COUNT, 2), score, sizes, length)

    def _not_finite(self, rows: Indices, length: Indices, xy: FloatArray) -> InputError:
        place, ends = int(np.argmin(np.isfinite(xy).all(axis=1))), np.cumsum(length)
        which = int(np.searchsorted(ends, place, side="right"))
        frame, row = place - int(ends[which] - length[which]), int(rows[which])
        name = self.name_of(row)
        return InputError("NaN or infinity", "finite coordinates", file=name["pack"], clip=name["id"], frame=frame)

    def name_of(self, row: int) -> dict[str, str]:
        """A clip's id, and the pack file it is in."""
        file = self._files[int(np.searchsorted(self._firsts, row, side="right") - 1)]
        return {"pack": str(file), "id": self.table["id"][row].as_py()}

    def recording(self, row: int) -> Recording:
        """One clip as a Recording in image fractions."""
        flat = self.flat([row])
        about = {name: self.table[name][row].as_py() for name in COLUMNS}
        size = (about["width"], about["height"]) if about["width"] else None
        return Recording(
            about["id"],
            flat.xy,
            flat.score,
            size=size,
            fps=about["fps"],
            source=about["source"] or "",
            estimator=about["estimator"] or "",
        )

    @cached_property
    def _sizes(self) -> FloatArray:
        sides = [np.asarray(pc.fill_null(self.table[name], 1)) for name in ("width", "height")]
        return np.stack(sides, axis=1).astype(np.float32)

    def _chunk(self, number: int) -> _Chunk:
        if number not in self._chunks:
            batch = self._batches[number]
            xy, seen, score = (batch.column(name) for name in POSES)
            flat = [column.values.values.to_numpy(zero_copy_only=True) for column in (xy, seen, score)]
            self._chunks[number] = _Chunk(
                xy.offsets.to_numpy(),
                flat[0].reshape(-1, JOINT_COUNT * 2),
                flat[1].reshape(-1, SEEN_BYTES),
                None if score.null_count == len(score) else score.offsets.to_numpy(),
                flat[2].reshape(-1, JOINT_COUNT),
            )
        return self._chunks[number]


def _spans(first: Indices, length: Indices) -> Indices:
    """The whole numbers first, first + 1, … of each span, end to end."""
    starts = np.cumsum(length) - length
    return np.repeat(first - starts, length) + np.arange(int(length.sum()))


def _scores(chunk: _Chunk, inside: Indices, source: Indices, length: Indices) -> FloatArray:
    """Scores (F 49): as stored, or 1 for every seen joint of a clip stored without."""
    score = np.unpackbits(chunk.seen[source], axis=1, count=JOINT_COUNT).astype(np.float32)
    if chunk.score_offsets is not None:
        first, after = chunk.score_offsets[inside], chunk.score_offsets[inside + 1]
        has = np.repeat(after > first, length)
        kept = _spans(first[after > first], length[after > first])
        score[has] = chunk.score[kept].astype(np.float32) / SCORE_STEPS
    return score


def _provenance(schema: pa.Schema, path: Path) -> dict[str, Any]:
    try:
        note: dict[str, Any] = json.loads(schema.metadata.get(PROVENANCE_KEY, b"{}"))
    except ValueError as error:
        raise InputError(f"provenance that is no JSON ({error})", "JSON", file=path) from error
    return note
