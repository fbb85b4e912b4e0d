"""How much a file of one clip may hold; readers check it against headers and bytes, before anything is decoded."""

from __future__ import annotations

import math
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.errors import InputError


@dataclass(frozen=True)
class Bounds:
    """Upper bounds of one file. The defaults are far above any real clip; a server sets its own.

    Args:
        frames: Frames of the clip.
        seconds: Length of a video, by its own clock.
        pixels: Pixels of one stored frame of a video.
        persons: Persons in one frame.
        points: Points of one person in a `.pose` file.
        members: Members of an archive.
        values: Numbers in all arrays of a file together.
        nodes: Values, objects and lists of a JSON file; an object counts four times, as it takes more memory.
    """

    frames: float = math.inf
    seconds: float = math.inf
    pixels: float = math.inf
    persons: int = 1000
    points: int = 10_000
    members: int = 1000
    values: float = math.inf
    nodes: float = math.inf


NO_BOUNDS = Bounds()
"""The defaults."""
_EXPANDED = 24
"""Bytes that a compressed file may hold for each of its own: poses are compressed to a third or so."""
_EXPANDED_AT_LEAST = 24 * 10**6
_EMPTY_FRAMES = 20_000
"""Frames that a file may have whatever its size, and the bytes of each of the others: a frame with a hand has more."""
_FRAME_BYTES = 100
_NUMBER = 8


def most_expanded(held: int) -> int:
    """Bytes that a file of `held` bytes may hold when it is decompressed."""
    return _EXPANDED_AT_LEAST + _EXPANDED * held


def most_frames(held: int) -> int:
    """Frames that a file of `held` bytes may have."""
    return _EMPTY_FRAMES + held // _FRAME_BYTES


def parquet_bytes(metadata: Any) -> int:
    """Bytes in memory of all numbers of a parquet file, of which equal ones take none, by its pyarrow FileMetaData."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    return _NUMBER * int(values)


def count_nodes(text: bytes | bytearray) -> int:
    """At least the number of values in a part of a JSON text, as `Bounds.nodes` counts them, without parsing it."""
    return text.count(b",") + text.count(b"[") + 4 * text.count(b"{")


def has_text(values: object) -> bool:
    """Whether there is a text within nested lists: numpy would make all of their values as long as it."""
    todo = [values]
    while todo:
        one = todo.pop()
        if isinstance(one, list | tuple):
            kinds = set(map(type, one))
            if any(issubclass(kind, str | bytes) for kind in kinds):
                return True
            todo += one if any(issubclass(kind, list | tuple | np.ndarray) for kind in kinds) else ()
        elif isinstance(one, np.ndarray) and one.dtype.kind not in "biuf":
            return True
    return False


def check_unpacked(file: Path) -> None:
    """InputError where a checkpoint's ZIP unpacks to far more than it holds: torch itself compresses nothing."""
    if not zipfile.is_zipfile(file):
        return
    held, most = file.stat().st_size, most_expanded(file.stat().st_size)
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise InputError(f"no readable checkpoint ({error})", "tensors saved by torch.save", file=file) from error
    if unpacked > most:
        raise InputError(f"{held:,} bytes that unpack to {unpacked:,}", f"at most {most:,}", file=file)
