"""Landmark sets: many clips in NAME.npz with a row each in NAME.csv.

The archive holds xy float (F 49 2) in image fractions, which may leave [0, 1], of all clips end to end; seen uint8
(F 7), 49 bits a frame, most significant first; offsets integer (clips + 1): clip i is offsets[i]:offsets[i + 1]. The
table has one row a clip, in order, with a unique `id`; its other columns are kept as text.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.read.pose_set import PoseSet
from twinsign.pose.recording import Recording, Unit

_SEEN_BYTES = -(-JOINT_COUNT // 8)
_TABLE = "a table with a column `id` and one row a clip"


@dataclass(frozen=True)
class LandmarkSet(PoseSet):
    """A checked set: rows, offsets (clips + 1), xy (F 49 2) in image fractions, seen (F 7) in packed bits."""

    offsets: NDArray[np.int64]
    xy: NDArray[np.floating[Any]]
    seen: NDArray[np.uint8]

    @property
    def files(self) -> list[Path]:
        """The archive and its table."""
        return [self.path, self.path.with_suffix(".csv")]

    def _read(self, number: int, clip: ClipFile) -> Recording:
        frames = slice(self.offsets[number], self.offsets[number + 1])
        seen = np.unpackbits(self.seen[frames], axis=1, count=JOINT_COUNT)
        return clip.recording(clip.numbers(self.xy[frames], "xy"), seen.astype(np.float32), unit="fraction")


def open_landmarks(
    path: str | PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
) -> LandmarkSet:
    """Open NAME.npz with NAME.csv beside it; InputError if either is damaged or the two disagree."""
    file = ClipFile(Path(path), size, fps, unit=unit)
    arrays = file.read_arrays()
    missing = sorted({"xy", "seen", "offsets"} - arrays.keys())
    if missing:
        problem = f"arrays {', '.join(arrays) or '(none)'}"
        raise file.error(problem, "xy, seen and offsets", hint=f"{missing[0]} is missing.")
    xy, seen, offsets = arrays["xy"], arrays["seen"], arrays["offsets"]
    _check_type(file, "xy", xy, (*xy.shape[:1], JOINT_COUNT, 2), "f", "float")
    _check_type(file, "seen", seen, (len(xy), _SEEN_BYTES), "u1", "uint8")
    _check_type(file, "offsets", offsets, (max(offsets.size, 1),), ("i", "u"), "integer")
    if offsets[0] != 0 or offsets[-1] != len(xy):
        raise file.error(f"offsets from {offsets[0]} to {offsets[-1]}", f"from 0 to {len(xy)}, the frames")
    falls = np.flatnonzero(offsets[1:] < offsets[:-1])
    if len(falls):
        problem = f"offsets {offsets[falls[0]]}, {offsets[falls[0] + 1]} of clip number {falls[0]}"
        raise file.error(problem, "offsets that never fall")
    rows = _read_rows(ClipFile(file.path.with_suffix(".csv")))
    if len(rows) != len(offsets) - 1:
        raise file.error(f"{len(offsets) - 1} clips", f"{len(rows)}, as the table's rows")
    return LandmarkSet(file, rows, offsets.astype(np.int64), xy, seen)


def _check_type(
    file: ClipFile, name: str, array: NDArray[Any], shape: tuple[int, ...], kind: str | tuple[str, ...], word: str
) -> None:
    if array.shape != shape or not array.dtype.str[1:].startswith(kind):
        raise file.error(f"{name} of shape {array.shape} and type {array.dtype}", f"{shape} of type {word}")


def _read_rows(table: ClipFile) -> list[dict[str, str]]:
    with table.decoding(_TABLE), table.path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        columns = [name.strip() for name in reader.fieldnames or []]
        columns = ["id" if name.casefold() == "id" and "id" not in columns else name for name in columns]
        reader.fieldnames = columns
        rows: list[dict[str, Any]] = list(reader)
    if "id" not in columns or len(set(columns)) != len(columns):
        raise table.error(f"columns {', '.join(columns) or '(none)'}", _TABLE)
    for number, row in enumerate(rows):
        if None in row or None in row.values() or not row["id"]:
            raise table.error(f"row {number} with missing or extra fields", f"{len(columns)} fields, an id")
    return rows
