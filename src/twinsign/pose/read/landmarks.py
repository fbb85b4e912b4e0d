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

from twinsign.errors import InputError
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.read.pose_set import PoseSet
from twinsign.pose.recording import Recording, Unit

_SEEN_BYTES = -(-JOINT_COUNT // 8)


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
    """Open NAME.npz with NAME.csv beside it; InputError where either is damaged or the two disagree."""
    archive = Path(path)
    arrays = ClipFile(archive).read_arrays()
    missing = sorted({"xy", "seen", "offsets"} - arrays.keys())
    if missing:
        found = f"arrays {', '.join(arrays) or '(none)'}"
        raise InputError(found, "xy, seen and offsets", file=archive, hint=f"{missing[0]} is missing.")
    xy, seen, offsets = arrays["xy"], arrays["seen"], arrays["offsets"]
    _expect(archive, "xy", xy, (len(xy) if xy.ndim else 0, JOINT_COUNT, 2), "f")
    _expect(archive, "seen", seen, (len(xy), _SEEN_BYTES), "u1")
    _check_offsets(archive, offsets, len(xy))
    rows = _read_rows(archive.with_suffix(".csv"))
    if len(rows) != len(offsets) - 1:
        raise InputError(f"{len(offsets) - 1} clips", f"{len(rows)}, as the table's rows", file=archive)
    return LandmarkSet(ClipFile(archive, size, fps, unit=unit), rows, offsets.astype(np.int64), xy, seen)


def _expect(file: Path, name: str, array: NDArray[Any], shape: tuple[int, ...], kind: str) -> None:
    if array.shape != shape or not array.dtype.str[1:].startswith(kind):
        wanted = f"{shape} of type {'float' if kind == 'f' else 'uint8'}"
        raise InputError(f"{name} of shape {array.shape} and type {array.dtype}", wanted, file=file)


def _check_offsets(file: Path, offsets: NDArray[Any], frames: int) -> None:
    if offsets.ndim != 1 or not len(offsets) or offsets.dtype.kind not in "iu":
        raise InputError(
            f"offsets of shape {offsets.shape} and type {offsets.dtype}", "integers (clips + 1)", file=file
        )
    if offsets[0] != 0 or offsets[-1] != frames:
        raise InputError(f"offsets from {offsets[0]} to {offsets[-1]}", f"from 0 to {frames}, the frames", file=file)
    falls = np.flatnonzero(offsets[1:] < offsets[:-1])
    if len(falls):
        found = f"offsets {offsets[falls[0]]}, {offsets[falls[0] + 1]} of clip number {falls[0]}"
        raise InputError(found, "offsets that never fall", file=file)


def _read_rows(path: Path) -> list[dict[str, str]]:
    table = ClipFile(path)
    wanted = "a table with a column `id` and one row a clip"
    with table.decoding(wanted), path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        columns = [name.strip() for name in reader.fieldnames or []]
        columns = ["id" if name.casefold() == "id" and "id" not in columns else name for name in columns]
        reader.fieldnames = columns
        rows: list[dict[str, Any]] = list(reader)
    if "id" not in columns or len(set(columns)) != len(columns):
        raise InputError(f"columns {', '.join(columns) or '(none)'}", wanted, file=path)
    seen: set[str] = set()
    for number, row in enumerate(rows):
        if None in row or None in row.values() or not row["id"]:
            raise InputError(
                f"row {number} with fields missing or to spare", f"{len(columns)} fields, an id", file=path
            )
        if row["id"] in seen:
            raise InputError("an id used twice", "unique ids", file=path, clip=row["id"])
        seen.add(row["id"])
    return rows
