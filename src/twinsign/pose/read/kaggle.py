"""Google's landmark parquets of Kaggle, by MediaPipe Holistic, in image fractions; NaN where a part was not found.

Isolated signs: a file a clip, a row a point, columns frame, type (face, left_hand, pose, right_hand), landmark_index,
x, y, z. Fingerspelling: many clips a file, a row a frame, columns sequence_id, frame, x_face_0 ... z_right_hand_20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from twinsign.errors import TooLargeError
from twinsign.pose.bounds import most_expanded, parquet_bytes
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read import mediapipe
from twinsign.pose.read.frame_numbers import places
from twinsign.pose.read.pose_set import PoseSet
from twinsign.pose.recording import FloatArray, Recording

_LONG = ("frame", "type", "landmark_index", "x", "y")
_CLIP = "sequence_id"
_FACE = "face"
"""The part whose points are not taken."""
_WIDE = {
    part: [[f"{axis}_{part}_{number}" for axis in "xy"] for number in range(count)]
    for part, count in mediapipe.PARTS.items()
}
_WIDE_COLUMNS = [column for points in _WIDE.values() for point in points for column in point]
_LONGEST_TYPE = 40
_WANTED = f"columns {', '.join(_LONG)}, or {_CLIP}, frame, x_pose_0 and so on"


def read(clip: ClipFile) -> Recording:
    """Read a file of one isolated sign; InputError on other columns, points twice, and frames that leap."""
    file = _open(clip)
    if not set(_LONG) <= set(file.schema_arrow.names):
        many = _CLIP in file.schema_arrow.names
        hint = "It holds many clips: pack it with `twinsign pack set`." if many else ""
        raise clip.error(f"columns {', '.join(file.schema_arrow.names)}"[:200], _WANTED, hint=hint)
    with clip.decoding(_WANTED):
        table = file.read(columns=list(_LONG), use_threads=False)
        types = table["type"].unique().to_pylist()  # one long text among them would make all of them as long
        if any(not isinstance(one, str) or len(one) > _LONGEST_TYPE for one in types):
            raise clip.error("a type that is no short text", f"types {', '.join((_FACE, *mediapipe.PARTS))}")
        columns = {name: table[name].to_numpy() for name in _LONG}
        frame, number = (_whole(clip, columns[name], name) for name in ("frame", "landmark_index"))
    xy = np.column_stack([clip.numbers(columns[axis], axis) for axis in "xy"])
    numbers, at = np.unique(frame, return_inverse=True)
    kinds, points = columns["type"].astype(str), {}
    strange = sorted(set(kinds.tolist()) - {_FACE, *mediapipe.PARTS})
    if strange and not mediapipe.PARTS.keys() <= set(kinds.tolist()):
        raise clip.error(f"points of type {strange[0]!r}", f"types {', '.join((_FACE, *mediapipe.PARTS))}")
    for part, count in mediapipe.PARTS.items():
        mine = kinds == part
        if (number[mine] < 0).any() or (number[mine] >= count).any():
            raise clip.error(f"a landmark_index of {part} beyond {count - 1}", f"{count} points")
        if len(np.unique(at[mine] * count + number[mine])) != mine.sum():
            raise clip.error(f"a point of {part} twice in a frame", "one row a point")
        points[part] = np.full((len(numbers), count, 2), np.nan, np.float32)
        points[part][at[mine], number[mine]] = xy[mine]
    return _recording(clip, numbers, points)


def _recording(clip: ClipFile, numbers: NDArray[np.int64], points: dict[str, FloatArray]) -> Recording:
    """The recording of parts (F V 2) of frames with these numbers."""
    at, notes = places(clip, numbers.tolist())
    spread = {}
    for part, xy in points.items():
        spread[part] = np.full((at[-1] + 1 if at else 0, *xy.shape[1:]), np.nan, np.float32)
        spread[part][at] = xy
    return mediapipe.from_arrays(clip, spread, notes)


def _open(file: ClipFile) -> parquet.ParquetFile:
    with file.decoding("a whole parquet file"):
        opened = parquet.ParquetFile(file.path, memory_map=True)
        names = opened.schema_arrow.names
        if "type" in names:  # a text that is repeated is held once
            opened = parquet.ParquetFile(file.path, memory_map=True, read_dictionary=["type"])
        unpacked, most = parquet_bytes(opened.metadata), most_expanded(file.held)
    if len(set(names)) < len(names):
        raise file.error("two columns of one name", _WANTED)
    if unpacked > most:
        found = f"{file.held:,} bytes that unpack to {unpacked:,}"
        raise TooLargeError(found, f"at most {most:,}", file=file.path, clip=file.id)
    return opened


def _whole(clip: ClipFile, values: NDArray[Any], name: str) -> NDArray[np.int64]:
    if values.dtype.kind not in "iu":
        raise clip.error(f"{name} of type {values.dtype}", "whole numbers")
    return values.astype(np.int64)


@dataclass
class _Groups:
    """The needed columns of the row groups asked for last."""

    file: parquet.ParquetFile
    last: tuple[int, ...] = ()
    table: pa.Table | None = None

    def read(self, first: int, last: int) -> pa.Table:
        """Rows `first` to `last` (exclusive) of the file."""
        meta = self.file.metadata
        ends = np.cumsum([meta.row_group(group).num_rows for group in range(meta.num_row_groups)])
        wanted = tuple(range(int(np.searchsorted(ends, first, "right")), int(np.searchsorted(ends, last)) + 1))
        if self.table is None or wanted != self.last:
            columns = ["frame", *_WIDE_COLUMNS]
            self.table, self.last = self.file.read_row_groups(list(wanted), columns, use_threads=False), wanted
        start = int(ends[wanted[0] - 1]) if wanted[0] else 0
        return self.table.slice(first - start, last - first)


@dataclass(frozen=True)
class Sequences(PoseSet):
    """The sequences of a file of fingerspelling; clip i has the rows offsets[i] to offsets[i + 1]."""

    offsets: NDArray[np.int64]
    groups: _Groups

    def _read(self, number: int, clip: ClipFile) -> Recording:
        with clip.decoding(_WANTED):
            table = self.groups.read(int(self.offsets[number]), int(self.offsets[number + 1]))
            columns = {name: table[name].to_numpy() for name in ("frame", *_WIDE_COLUMNS)}
        numbers = _whole(clip, columns["frame"], "frame")
        points = {
            part: np.stack(
                [np.stack([clip.numbers(columns[axis], axis) for axis in point], axis=-1) for point in names],
                axis=1,
            )
            for part, names in _WIDE.items()
        }
        return _recording(clip, numbers, points)


def open_sequences(file: ClipFile) -> Sequences:
    """Open a file of many sequences; InputError on other columns and where a sequence is in two places."""
    opened = _open(file)
    missing = [name for name in (_CLIP, "frame", *_WIDE_COLUMNS) if name not in opened.schema_arrow.names]
    if missing:
        one = set(_LONG) <= set(opened.schema_arrow.names)
        hint = "It holds one clip: pack it with `twinsign pack folder`." if one else f"{missing[0]} is missing."
        raise file.error(f"columns {', '.join(opened.schema_arrow.names)}"[:200], _WANTED, hint=hint)
    with file.decoding(_WANTED):
        ids = opened.read(columns=[_CLIP], use_threads=False)[_CLIP].to_numpy()
    ids = _whole(file, ids, _CLIP)
    starts = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1 if len(ids) else 0))
    rows = [{"id": str(ids[start])} for start in starts]
    return Sequences(file, rows, np.append(starts, len(ids)).astype(np.int64), _Groups(opened))
