"""Limits of what a file of one clip may hold; readers check headers and bytes against them before they decode."""

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


def max_unpacked_bytes(byte_count: int) -> int:
    """Bytes to which a file of `byte_count` bytes may decompress: poses compress to a third or so."""
    return 24 * 10**6 + 24 * byte_count


def max_frames(byte_count: int) -> int:
    """Frames that a file of `byte_count` bytes may have: any may be empty, but one with a hand has over 100 bytes."""
    return 20_000 + byte_count // 100


def parquet_bytes(metadata: Any) -> int:
    """Bytes in memory of all numbers of a parquet file, in which equal ones take none, by its pyarrow FileMetaData."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    return 8 * int(values)


def count_nodes(text: bytes | bytearray) -> int:
    """An upper bound of the values in a part of a JSON text, as `Bounds.nodes` counts them, without parsing it."""
    return text.count(b",") + text.count(b"[") + 4 * text.count(b"{")


def has_text(values: object) -> bool:
    """Whether nested lists contain text: numpy would make all of their values as long as it."""
    todo = [values]
    while todo:
        value = todo.pop()
        if isinstance(value, list | tuple):
            kinds = set(map(type, value))
            if any(issubclass(kind, str | bytes) for kind in kinds):
                return True
            todo += value if any(issubclass(kind, list | tuple | np.ndarray) for kind in kinds) else ()
        elif isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
            return True
    return False


def check_unpacked(file: Path) -> None:
    """InputError if a checkpoint's ZIP unpacks to far more than its size: torch itself compresses nothing."""
    if not zipfile.is_zipfile(file):
        return
    limit = max_unpacked_bytes(file.stat().st_size)
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise InputError(f"no readable checkpoint ({error})", "tensors saved by torch.save", file=file) from error
    if unpacked > limit:
        problem = f"{file.stat().st_size:,} bytes that unpack to {unpacked:,}"
        raise InputError(problem, f"at most {limit:,}", file=file)
