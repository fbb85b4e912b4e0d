"""Checking a pack: its schema as it is opened, each record batch as it is first touched; no pose is read for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from twinsign.errors import InputError
from twinsign.pack.locate import Place
from twinsign.pack.schema import COLUMNS, FORMAT, FORMAT_KEY, OPTIONAL, POSES

WANTED = "a pack written by `twinsign pack`"


@contextmanager
def decoding(place: Place) -> Iterator[None]:
    """Turn whatever Arrow raises on damaged bytes into an InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    # Arrow's errors derive from ValueError, KeyError, OSError, MemoryError and more, as the damage happens to be.
    except Exception as error:
        reason = (f"{type(error).__name__}: {error}".splitlines() or [""])[0][:200]
        raise InputError(f"what is no whole Arrow file ({reason})", WANTED, file=place) from error


def check_schema(schema: pa.Schema, place: Place) -> None:
    """InputError where a schema is not a pack's of this version."""
    version = (schema.metadata or {}).get(FORMAT_KEY)
    if version != FORMAT:
        found = "no layout version" if version is None else f"layout version {version.decode(errors='replace')}"
        raise InputError(found, f"layout version {FORMAT.decode()}", file=place, hint="Pack the poses again.")
    if len(set(schema.names)) != len(schema.names):
        raise InputError("two columns of one name", "columns of different names", file=place)
    there = {name: kind for name, kind in OPTIONAL.items() if name in schema.names}
    for name, kind in {**COLUMNS, **there, **POSES}.items():
        found = schema.field(name).type if name in schema.names else "nothing"
        if found != kind:
            raise InputError(f"column {name!r} of type {found}", str(kind), file=place)


def check_columns(batch: pa.RecordBatch, place: Place) -> None:
    """InputError names the first clip whose columns cannot be."""
    batch.validate(full=True)
    for name in ("id", "frames", "hand_frames"):
        if batch.column(name).null_count:
            raise InputError(f"a clip without {name}", f"{name} of every clip", file=place)
    _refuse(batch, place, np.asarray(batch.column("frames")) < 1, "0 frames", "at least 1 frame")
    for name in ("width", "height"):
        wrong = np.asarray(batch.column(name).fill_null(1)) < 1
        _refuse(batch, place, wrong, f"{name} below 1", "pixels, or null where unknown")


def check_poses(batch: pa.RecordBatch, place: Place) -> None:
    """InputError names the first clip whose poses are of another length than its columns say."""
    batch.validate(full=True)
    frames = np.asarray(batch.column("frames"))
    for name in POSES:
        column = batch.column(name)
        if name != "score" and column.null_count:
            raise InputError(f"a clip without {name}", f"{name} of every clip", file=place)
        rows = np.diff(column.offsets.to_numpy())
        whole = rows == frames
        if name == "score":
            whole |= np.asarray(column.is_null()) & (rows == 0)
        _refuse(batch, place, ~whole, f"{name} of another number of frames", "as many as `frames` says")
        if column.values.null_count or column.values.values.null_count:
            raise InputError(f"gaps in {name}", "a number at every joint", file=place)


def _refuse(batch: pa.RecordBatch, place: Place, wrong: np.ndarray[tuple[int], np.dtype[np.bool_]], *said: str) -> None:
    if wrong.any():
        found, wanted = said
        raise InputError(found, wanted, file=place, clip=batch.column("id")[int(np.argmax(wrong))].as_py())
