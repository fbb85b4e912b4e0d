"""One file of a pack: only its footer is read when it is opened, a record batch when it is first touched."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

from twinsign.errors import InputError
from twinsign.files import parse_json
from twinsign.pack.bytes import Span, open_bytes
from twinsign.pack.check import WANTED, check_columns, check_poses, check_schema, decoding
from twinsign.pack.locate import Place
from twinsign.pack.schema import MISSING_KEY, POSES, PROVENANCE_KEY, ROWS_KEY, SCORE_STEPS, SEEN_BYTES
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray

Indices = NDArray[np.int64]
MAGIC = b"ARROW1"
TAIL = 4 + len(MAGIC)
"""Bytes at a file's end: the footer's length, then the magic word."""
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


class PackFile:
    """An opened file: schema, clips of each record batch, and the batches, each checked when it is first asked for."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.bytes = open_bytes(place, WANTED)
        with decoding(place):
            self._see_footer()
            self._buffer = pa.py_buffer(self.bytes.map)
            self._reader = ipc.open_file(pa.BufferReader(self._buffer))
            check_schema(self._reader.schema, place)
            self.schema: pa.Schema = self._reader.schema
            self.rows = self._rows()
        self.provenance: dict[str, Any] = self._note(PROVENANCE_KEY, dict)
        self.missing: list[dict[str, str]] = self._note(MISSING_KEY, list)
        """Clips that the annotation lists without poses: id, gloss, split and more."""
        self._chunks: dict[int, Chunk] = {}

    def _note(self, key: bytes, kind: type) -> Any:
        try:
            note = parse_json(self.schema.metadata.get(key, b"{}" if kind is dict else b"[]"))
        except ValueError as error:
            raise InputError(f"{_word(key)} that is no JSON ({error})", "JSON", file=self.place) from error
        if not isinstance(note, kind):
            raise InputError(f"{_word(key)} that is a {type(note).__name__}", f"a {kind.__name__}", file=self.place)
        return note

    def _see_footer(self) -> None:
        size = len(self.bytes.map)
        self.bytes.need([(0, len(MAGIC)), (max(0, size - TAIL), size)])
        length = int.from_bytes(self.bytes.map[max(0, size - TAIL) : size - len(MAGIC)], "little")
        self._footer = (max(0, size - TAIL - length), max(0, size - TAIL))
        self.bytes.need([self._footer])

    def _rows(self) -> list[int]:
        """Clips of each batch, by the footer's word, or (a file written by another program) by looking at each."""
        stated, count = (self._reader.metadata or {}).get(ROWS_KEY), self._reader.num_record_batches
        self._foreign = stated is None
        if stated is None:
            return [self._batch(number).num_rows for number in range(count)]
        rows = parse_json(stated)
        if not (isinstance(rows, list) and len(rows) == count and all(type(n) is int and 0 <= n < 2**31 for n in rows)):
            raise InputError("a footer that miscounts its record batches", WANTED, file=self.place)
        return rows

    def _batch(self, number: int) -> pa.RecordBatch:
        """A batch whose head is there, its buffers perhaps not."""
        self.bytes.need([])  # it may have been cut short
        if not self.bytes.whole:
            start, head, _, body = self._blocks[number].tolist()
            # Another program may have compressed it: Arrow then unpacks the whole batch at once.
            self.bytes.need([(start, start + head + (body if self._foreign else 0))])
        return self._reader.get_batch(number)

    @cached_property
    def _blocks(self) -> NDArray[Any]:
        """Where the record batches are, read from the footer, for Arrow's Python does not tell."""
        first, after = self._footer
        footer = memoryview(self.bytes.map)[first:after]

        def number(at: int, width: int = 4, signed: bool = False) -> int:
            return int.from_bytes(footer[at : at + width], "little", signed=signed)

        root = number(0)
        table = root - number(root, signed=True)
        field = root + number(table + 4 + 2 * _BLOCKS_FIELD, 2)
        vector = field + number(field)
        blocks = np.frombuffer(footer, _BLOCK, count=number(vector), offset=vector + 4).copy()
        if len(blocks) != self._reader.num_record_batches or (blocks["head"] < 0).any() or (blocks["body"] < 0).any():
            raise InputError("a footer that miscounts its record batches", WANTED, file=self.place)
        return blocks

    def columns(self, number: int) -> pa.RecordBatch:
        """One batch without its poses, checked."""
        with decoding(self.place):
            return self._columns(self._batch(number), number)

    def chunk(self, number: int) -> Chunk:
        """One batch, checked; of the poses of a remote file only the lengths are there: see `need`."""
        if number not in self._chunks:
            with decoding(self.place):
                self._chunks[number] = self._chunk(self._batch(number), number)
        return self._chunks[number]

    def need(self, chunks: list[tuple[Chunk, Indices]]) -> None:
        """See that the poses of these clips of these chunks are there or on their way, all asked for together."""
        self.bytes.need([])  # it may have been cut short
        spans: list[Span] = []
        for chunk, inside in chunks:
            lists = ((chunk.offsets, chunk.xy), (chunk.offsets, chunk.seen), (chunk.score_offsets, chunk.score))
            for offsets, values in lists:
                if offsets is not None and len(values):
                    base, step = values.ctypes.data - self._buffer.address, values.strides[0]
                    first, after = (base + offsets[at].astype(np.int64) * step for at in (inside, inside + 1))
                    spans += zip(first.tolist(), after.tolist(), strict=True)
        self._need(spans)

    def _columns(self, batch: pa.RecordBatch, number: int) -> pa.RecordBatch:
        if batch.num_rows != self.rows[number]:
            found = f"record batch {number} of {batch.num_rows} clips"
            raise InputError(found, f"{self.rows[number]}, as the footer says", file=self.place)
        columns = batch.select([name for name in batch.schema.names if name not in POSES])
        self._need_buffers([buffer for column in columns.columns for buffer in column.buffers()])
        check_columns(columns, self.place)
        return columns

    def _chunk(self, batch: pa.RecordBatch, number: int) -> Chunk:
        columns = self._columns(batch, number)
        poses = {name: batch.column(name) for name in POSES}
        self._need_buffers([buffer for column in poses.values() for buffer in column.buffers()[:-1]])
        check_poses(batch, self.place)
        xy, seen, score = (column.values.values.to_numpy(zero_copy_only=True) for column in poses.values())
        sides = [np.asarray(columns.column(name).fill_null(1), np.float32) for name in ("width", "height")]
        return Chunk(
            columns,
            poses["xy"].offsets.to_numpy(),
            xy.reshape(-1, JOINT_COUNT * 2),
            seen.reshape(-1, SEEN_BYTES),
            None if poses["score"].null_count == batch.num_rows else poses["score"].offsets.to_numpy(),
            score.reshape(-1, JOINT_COUNT),
            np.stack(sides, axis=1),
        )

    def _need_buffers(self, buffers: list[pa.Buffer | None]) -> None:
        starts = [(one.address - self._buffer.address, one.size) for one in buffers if one is not None]
        self._need([(start, start + size) for start, size in starts])

    def _need(self, spans: list[Span]) -> None:
        """What lies outside the file was unpacked from it, or is empty."""
        self.bytes.need([span for span in spans if span[0] >= 0 and span[1] <= len(self.bytes.map)])


def spans(first: Indices, length: Indices) -> Indices:
    """The whole numbers first, first + 1, … of each span, end to end."""
    starts = np.cumsum(length) - length
    return np.repeat(first - starts, length) + np.arange(int(length.sum()))


def scores(chunk: Chunk, inside: Indices, source: Indices, length: Indices) -> FloatArray:
    """Scores (F 49): as stored, or 1 for every seen joint of a clip stored without."""
    score = np.unpackbits(chunk.seen[source], axis=1, count=JOINT_COUNT).astype(np.float32)
    if chunk.score_offsets is not None:
        first, after = chunk.score_offsets[inside], chunk.score_offsets[inside + 1]
        has = np.repeat(after > first, length)
        kept = spans(first[after > first], length[after > first])
        score[has] = chunk.score[kept].astype(np.float32) / SCORE_STEPS
    return score


def _word(key: bytes) -> str:
    return key.decode().removeprefix("twinsign_")
