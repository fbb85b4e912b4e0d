"""Google's landmark parquets of Kaggle, by MediaPipe Holistic, in image fractions; NaN where a part was not found.

Isolated signs: a file a clip, a row a point, columns frame, type (face, left_hand, pose, right_hand), landmark_index,
x, y, z. Fingerspelling: many clips a file, a row a frame, columns sequence_id, frame, x_face_0 ... z_right_hand_20.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from twinsign.pose.bounds import parquet_bytes
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read import mediapipe
from twinsign.pose.read.frames import spread_in_time
from twinsign.pose.read.pose_set import PoseSet
from twinsign.pose.recording import FloatArray, Recording

_LONG = ("frame", "type", "landmark_index", "x", "y")
_CLIP = "sequence_id"
_TYPES = ("face", *mediapipe.PARTS)
_POINTS = mediapipe.WHOLE_POINTS[0]
_WIDE = [
    f"{axis}_{part}_{number}" for part, count in mediapipe.PARTS.items() for number in range(count) for axis in "xy"
]
_MAX_TYPE_LENGTH = 40
_WANTED = f"columns {', '.join(_LONG)}, or {_CLIP}, frame, x_pose_0 and so on"


def read(clip: ClipFile) -> Recording:
    """Read a file of one isolated sign; InputError on other columns, repeated points, and frame numbers with gaps."""
    file = _open(clip)
    if not set(_LONG) <= set(file.schema_arrow.names):
        hint = "It holds many clips: pack it with `twinsign pack set`." if _CLIP in file.schema_arrow.names else ""
        raise clip.error(f"columns {', '.join(file.schema_arrow.names)}"[:200], _WANTED, hint=hint)
    with clip.decoding(_WANTED):
        table = file.read(columns=list(_LONG), use_threads=False)
        types = table["type"].unique().to_pylist()  # one long text would make all of them as long in numpy
        if any(not isinstance(kind, str) or len(kind) > _MAX_TYPE_LENGTH for kind in types):
            raise clip.error("a type that is no short text", f"types {', '.join(_TYPES)}")
        columns = {name: table[name].to_numpy() for name in _LONG}
        frame, number = (_integers(clip, columns[name], name) for name in ("frame", "landmark_index"))
    unknown = sorted({*types} - {*_TYPES})
    if unknown and not mediapipe.PARTS.keys() <= {*types}:
        raise clip.error(f"points of type {unknown[0]!r}", f"types {', '.join(_TYPES)}")
    xy = np.column_stack([clip.numbers(columns[axis], axis) for axis in "xy"])
    numbers, place = np.unique(frame, return_inverse=True)
    kinds, first = columns["type"].astype(str), 0
    points = np.full((len(numbers), _POINTS, 2), np.nan, np.float32)
    for part, count in mediapipe.PARTS.items():
        rows = np.flatnonzero(kinds == part)
        if (number[rows] < 0).any() or (number[rows] >= count).any():
            raise clip.error(f"a landmark_index of {part} beyond {count - 1}", f"{count} points")
        if len(np.unique(place[rows] * count + number[rows])) != len(rows):
            raise clip.error(f"a point of {part} twice in a frame", "one row a point")
        points[place[rows], first + number[rows]] = xy[rows]
        first += count
    return _recording(clip, numbers, points)


def _recording(clip: ClipFile, numbers: NDArray[np.int64], points: FloatArray) -> Recording:
    """The recording of the points (F 75 2) of frames with these numbers."""
    frames, notes = spread_in_time(clip, numbers.tolist(), list(points), np.full((_POINTS, 2), np.nan, np.float32))
    return mediapipe.from_arrays(clip, {"points": np.reshape(frames, (-1, _POINTS, 2)).astype(np.float32)}, notes)


def _open(file: ClipFile) -> parquet.ParquetFile:
    with file.decoding("a whole parquet file"):
        names = parquet.read_schema(file.path, memory_map=True).names
        repeated = ["type"] if "type" in names else None  # dictionaries hold repeated text once
        opened = parquet.ParquetFile(file.path, memory_map=True, read_dictionary=repeated)
        unpacked = parquet_bytes(opened.metadata)
    if len(set(names)) < len(names):
        raise file.error("two columns of one name", _WANTED)
    file.check_unpacked(unpacked)
    return opened


def _integers(clip: ClipFile, values: NDArray[Any], name: str) -> NDArray[np.int64]:
    if values.dtype.kind not in "iu":
        raise clip.error(f"{name} of type {values.dtype}", "whole numbers")
    return values.astype(np.int64)


@dataclass(frozen=True)
class Sequences(PoseSet):
    """The sequences of a file of fingerspelling; clip i has the rows offsets[i] to offsets[i + 1].

    `ends` are the row groups' last rows (exclusive); `read_groups` reads some, and keeps those that were read last.
    """

    offsets: NDArray[np.int64]
    ends: NDArray[np.int64]
    read_groups: Callable[..., pa.Table]

    def _read(self, number: int, clip: ClipFile) -> Recording:
        first, last = (int(offset) for offset in self.offsets[number : number + 2])
        groups = range(int(np.searchsorted(self.ends, first, "right")), int(np.searchsorted(self.ends, last)) + 1)
        with clip.decoding(_WANTED):
            start = int(self.ends[groups[0] - 1]) if groups[0] else 0
            table = self.read_groups(groups, ("frame", *_WIDE), use_threads=False).slice(first - start, last - first)
            numbers = _integers(clip, table["frame"].to_numpy(), "frame")
            columns = [clip.numbers(table[name].to_numpy(), name) for name in _WIDE]
        return _recording(clip, numbers, np.stack(columns, axis=-1).reshape(len(numbers), _POINTS, 2))


def open_sequences(file: ClipFile) -> Sequences:
    """Open a file of many sequences; InputError on other columns and where a sequence is in two places."""
    opened = _open(file)
    missing = [name for name in (_CLIP, "frame", *_WIDE) if name not in opened.schema_arrow.names]
    if missing:
        isolated = set(_LONG) <= set(opened.schema_arrow.names)
        hint = "It holds one clip: pack it with `twinsign pack folder`." if isolated else f"{missing[0]} is missing."
        raise file.error(f"columns {', '.join(opened.schema_arrow.names)}"[:200], _WANTED, hint=hint)
    with file.decoding(_WANTED):
        ids = _integers(file, opened.read(columns=[_CLIP], use_threads=False)[_CLIP].to_numpy(), _CLIP)
    starts = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1 if len(ids) else 0))
    rows = [{"id": str(ids[start])} for start in starts]
    meta = opened.metadata
    ends = np.cumsum([meta.row_group(group).num_rows for group in range(meta.num_row_groups)], dtype=np.int64)
    read_groups = lru_cache(maxsize=1)(opened.read_row_groups)
    return Sequences(file, rows, np.append(starts, len(ids)).astype(np.int64), ends, read_groups)
