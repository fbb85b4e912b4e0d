"""One file of a pack: only its footer is read when it is opened, a record batch when it is first touched."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

from twinsign.errors import InputError
from twinsign.files import parse_json
from twinsign.pack.locate import LocalBytes, Location, RemoteBytes, Span
from twinsign.pack.schema import (
    MISSING_KEY,
    POSES,
    PROVENANCE_KEY,
    ROWS_KEY,
    SCORE_STEPS,
    SEEN_BYTES,
    WANTED,
    check_columns,
    check_poses,
    check_schema,
    decoding,
)
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray

Indices = NDArray[np.int64]
MAGIC = b"ARROW1"
_BLOCK = np.dtype([("start", "<i8"), ("head", "<i4"), ("gap", "<i4"), ("body", "<i8")])
"""Arrow's footer says of each record batch where it begins, and how long its head and body are."""
_BLOCKS_FIELD = 3
"""The number of that list among the footer's fields (Arrow's File.fbs)."""


class Chunk(NamedTuple):
    """One record batch's poses, zero-copy: first frame of each clip (n + 1), values a frame, image sizes (n 2)."""

    batch: pa.RecordBatch
    offsets: Indices
    xy: NDArray[np.float16]
    seen: NDArray[np.uint8]
    score_offsets: Indices | None
    score: NDArray[np.uint8]
    size: FloatArray

    def scores(self, clips: Indices, source: Indices, length: Indices) -> FloatArray:
        """Scores (F 49) of the frames `source` of these clips: as stored, or 1 for every seen joint."""
        score = np.unpackbits(self.seen[source], axis=1, count=JOINT_COUNT).astype(np.float32)
        if self.score_offsets is not None:
            first, after = self.score_offsets[clips], self.score_offsets[clips + 1]
            stored = after > first
            rows = self.score[concatenated_ranges(first[stored], length[stored])]
            score[np.repeat(stored, length)] = rows.astype(np.float32) / SCORE_STEPS
        return score


class PackFile:
    """An opened file: schema, clips of each record batch, and the batches, each checked when it is first read."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.bytes = LocalBytes(location) if isinstance(location, Path) else RemoteBytes(location)
        with decoding(location):
            # A file ends with the footer, the footer's length and the magic word.
            size = len(self.bytes.map)
            tail = max(0, size - 4 - len(MAGIC))
            self.bytes.need([(0, len(MAGIC)), (tail, size)])
            length = int.from_bytes(self.bytes.map[tail : size - len(MAGIC)], "little")
            self._footer = (max(0, tail - length), tail)
            self.bytes.need([self._footer])
            self._buffer = pa.py_buffer(self.bytes.map)
            self._reader = ipc.open_file(pa.BufferReader(self._buffer))
            self.schema: pa.Schema = self._reader.schema
            check_schema(self.schema, location)
            self.rows = self._count_rows()
        self.provenance: dict[str, Any] = self._metadata(PROVENANCE_KEY, {})
        self.missing: list[dict[str, str]] = self._metadata(MISSING_KEY, [])
        """Clips that the annotation lists without poses: id, gloss, split and more."""
        self._chunks: dict[int, Chunk] = {}

    def _metadata(self, key: bytes, default: Any) -> Any:
        name = key.decode().removeprefix("twinsign_")
        try:
            value = parse_json(self.schema.metadata[key]) if key in self.schema.metadata else default
        except ValueError as error:
            raise InputError(f"{name} that is no JSON ({error})", "JSON", file=self.location) from error
        if not isinstance(value, type(default)):
            problem, wanted = (type(each).__name__ for each in (value, default))
            raise InputError(f"{name} that is a {problem}", f"a {wanted}", file=self.location)
        return value

    def _count_rows(self) -> list[int]:
        """Clips of each batch as the footer states, or (a file written by another program) by reading each."""
        stated, count = (self._reader.metadata or {}).get(ROWS_KEY), self._reader.num_record_batches
        self._foreign = stated is None
        if stated is None:
            return [self._batch(number).num_rows for number in range(count)]
        rows = parse_json(stated)
        if not (isinstance(rows, list) and len(rows) == count and all(type(n) is int and 0 <= n < 2**31 for n in rows)):
            raise InputError("a footer that miscounts its record batches", WANTED, file=self.location)
        return rows

    def _batch(self, number: int) -> pa.RecordBatch:
        """A batch whose head is there, its buffers perhaps not."""
        self.bytes.need([])  # the file may have been cut short
        if not self.bytes.whole:
            start, head, _, body = self._blocks[number].tolist()
            # Another program may have compressed it: Arrow then unpacks the whole batch at once.
            self.bytes.need([(start, start + head + (body if self._foreign else 0))])
        return self._reader.get_batch(number)

    @cached_property
    def _blocks(self) -> NDArray[Any]:
        """Where the record batches are, read from the footer, since pyarrow does not expose it."""
        footer = memoryview(self.bytes.map)[slice(*self._footer)]

        def number(at: int, width: int = 4, signed: bool = False) -> int:
            return int.from_bytes(footer[at : at + width], "little", signed=signed)

        root = number(0)
        table = root - number(root, signed=True)
        field = root + number(table + 4 + 2 * _BLOCKS_FIELD, 2)
        vector = field + number(field)
        blocks = np.frombuffer(footer, _BLOCK, count=number(vector), offset=vector + 4).copy()
        if len(blocks) != self._reader.num_record_batches or (blocks["head"] < 0).any() or (blocks["body"] < 0).any():
            raise InputError("a footer that miscounts its record batches", WANTED, file=self.location)
        return blocks

    def columns(self, number: int) -> pa.RecordBatch:
        """One batch without its poses, checked."""
        with decoding(self.location):
            return self._read(number)[1]

    def chunk(self, number: int) -> Chunk:
        """One batch, checked; of the poses of a remote file only the lengths are fetched: see `need`."""
        if number not in self._chunks:
            with decoding(self.location):
                batch, columns = self._read(number)
                poses = {name: batch.column(name) for name in POSES}
                self._need_buffers(buffer for column in poses.values() for buffer in column.buffers()[:-1])
                check_poses(batch, self.location)
                xy, seen, score = (column.values.values.to_numpy(zero_copy_only=True) for column in poses.values())
                sides = [np.asarray(columns.column(name).fill_null(1), np.float32) for name in ("width", "height")]
                self._chunks[number] = Chunk(
                    columns,
                    poses["xy"].offsets.to_numpy(),
                    xy.reshape(-1, JOINT_COUNT * 2),
                    seen.reshape(-1, SEEN_BYTES),
                    None if poses["score"].null_count == batch.num_rows else poses["score"].offsets.to_numpy(),
                    score.reshape(-1, JOINT_COUNT),
                    np.stack(sides, axis=1),
                )
        return self._chunks[number]

    def _read(self, number: int) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """A batch, and its columns without the poses, checked."""
        batch = self._batch(number)
        if batch.num_rows != self.rows[number]:
            problem = f"record batch {number} of {batch.num_rows} clips"
            raise InputError(problem, f"{self.rows[number]}, as the footer says", file=self.location)
        columns = batch.select([name for name in batch.schema.names if name not in POSES])
        self._need_buffers(buffer for column in columns.columns for buffer in column.buffers())
        check_columns(columns, self.location)
        return batch, columns

    def need(self, chunks: list[tuple[Chunk, Indices]]) -> None:
        """Fetch, all together, the poses of these clips of these chunks, or have the system read them ahead."""
        self.bytes.need([])  # the file may have been cut short
        spans: list[Span] = []
        for chunk, clips in chunks:
            lists = ((chunk.offsets, chunk.xy), (chunk.offsets, chunk.seen), (chunk.score_offsets, chunk.score))
            for offsets, values in lists:
                if offsets is not None and len(values):
                    base, step = values.ctypes.data - self._buffer.address, values.strides[0]
                    first, after = (base + offsets[at].astype(np.int64) * step for at in (clips, clips + 1))
                    spans += zip(first.tolist(), after.tolist(), strict=True)
        self._need(spans)

    def _need_buffers(self, buffers: Iterable[pa.Buffer | None]) -> None:
        starts = [(buffer.address - self._buffer.address, buffer.size) for buffer in buffers if buffer is not None]
        self._need([(start, start + size) for start, size in starts])

    def _need(self, spans: list[Span]) -> None:
        """What lies outside the file was unpacked from it, or is empty."""
        self.bytes.need([span for span in spans if span[0] >= 0 and span[1] <= len(self.bytes.map)])


def concatenated_ranges(first: Indices, length: Indices) -> Indices:
    """The whole numbers first, first + 1, … of each range, end to end."""
    starts = np.cumsum(length) - length
    return np.repeat(first - starts, length) + np.arange(int(length.sum()))
