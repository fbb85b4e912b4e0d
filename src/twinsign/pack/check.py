"""Checking a pack as it is opened, from its columns and row lengths alone: no pose is read for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, MADV_RANDOM, mmap
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from twinsign.errors import InputError
from twinsign.pack.schema import COLUMNS, FORMAT, FORMAT_KEY, POSES

WANTED = "a pack written by `twinsign pack`"


def open_batches(path: Path) -> tuple[pa.Schema, list[pa.RecordBatch]]:
    """A pack's schema and its memory-mapped record batches; InputError where it is no pack or a damaged one (ours)."""
    if not path.is_file():
        raise InputError("no such file", WANTED, file=path)
    with decoding(path), path.open("rb") as stream:
        mapped = mmap(stream.fileno(), 0, access=ACCESS_READ)
        # Clips are asked for in random order: reading ahead, by Arrow's or the system's own choice, would read it all.
        mapped.madvise(MADV_RANDOM)
        reader = ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))
        _check_schema(reader.schema, path)
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        for batch in batches:
            batch.validate(full=True)
            _check_batch(batch, path)
    return reader.schema, batches


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn whatever Arrow raises on damaged bytes into an InputError that names the file (ours)."""
    try:
        yield
    except InputError:
        raise
    # Arrow's errors derive from ValueError, KeyError, OSError, MemoryError and more, as the damage happens to be.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise InputError(f"what is no whole Arrow file ({reason})", WANTED, file=path) from error


def _check_schema(schema: pa.Schema, path: Path) -> None:
    version = (schema.metadata or {}).get(FORMAT_KEY)
    if version != FORMAT:
        found = "no layout version" if version is None else f"layout version {version.decode(errors='replace')}"
        raise InputError(found, f"layout version {FORMAT.decode()}", file=path, hint="Pack the poses again.")
    if len(set(schema.names)) != len(schema.names):
        raise InputError("two columns of one name", "columns of different names", file=path)
    for name, kind in {**COLUMNS, **POSES}.items():
        found = schema.field(name).type if name in schema.names else "nothing"
        if found != kind:
            raise InputError(f"column {name!r} of type {found}", str(kind), file=path)


def _check_batch(batch: pa.RecordBatch, path: Path) -> None:
    for name in ("id", "frames", "hand_frames", "xy", "seen"):
        if batch.column(name).null_count:
            raise InputError(f"a clip without {name}", f"{name} of every clip", file=path)
    frames = np.asarray(batch.column("frames"))
    _refuse(batch, path, frames < 1, "0 frames", "at least 1 frame")
    for name in POSES:
        column = batch.column(name)
        rows = np.diff(column.offsets.to_numpy())
        whole = rows == frames
        if name == "score":
            whole |= np.asarray(column.is_null()) & (rows == 0)
        _refuse(batch, path, ~whole, f"{name} of another number of frames", "as many as `frames` says")
        if column.values.null_count or column.values.values.null_count:
            raise InputError(f"gaps in {name}", "a number at every joint", file=path)
    for name in ("width", "height"):
        wrong = np.asarray(batch.column(name).fill_null(1)) < 1
        _refuse(batch, path, wrong, f"{name} below 1", "pixels, or null where unknown")


def _refuse(batch: pa.RecordBatch, path: Path, wrong: np.ndarray[tuple[int], np.dtype[np.bool_]], *said: str) -> None:
    if wrong.any():
        found, wanted = said
        raise InputError(found, wanted, file=path, clip=batch.column("id")[int(np.argmax(wrong))].as_py())
