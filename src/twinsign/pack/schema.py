"""What a pack's rows and metadata hold, and the checks that a file holds it: of its schema, columns and poses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from twinsign.errors import InputError
from twinsign.pose.layout import JOINT_COUNT, LAYOUT_VERSION

if TYPE_CHECKING:
    from twinsign.pack.locate import Location

FORMAT_KEY = b"twinsign_layout"
"""Schema metadata: the layout version the pack was written with."""
PROVENANCE_KEY = b"twinsign_provenance"
"""Schema metadata: JSON of command, source and version."""
MISSING_KEY = b"twinsign_missing"
"""Schema metadata: JSON list of the clips (id, gloss, split) that the annotation lists without poses."""
ROWS_KEY = b"twinsign_rows"
"""Footer metadata: JSON list of the clips in each record batch; other programs that rewrite a pack drop it."""
FORMAT = str(LAYOUT_VERSION).encode()
SEEN_BYTES = (JOINT_COUNT + 7) // 8
SCORE_STEPS = 255
"""Scores are stored as whole numbers 0 to SCORE_STEPS."""
BATCH_CLIPS, BATCH_FRAMES, BATCH_MOST = 256, 256 * 100, 4096
"""An Arrow record batch is full at so many clips and so many frames, or, where these are short, at the most clips."""
WANTED = "a pack written by `twinsign pack`"

COLUMNS: dict[str, pa.DataType] = {
    **dict.fromkeys(("id", "gloss", "split", "signer", "source", "estimator"), pa.string()),
    "fps": pa.float32(),
    **dict.fromkeys(("width", "height", "frames", "hand_frames"), pa.int32()),
}
"""`hand_frames`: frames that show a hand; clips with 0 are left out of training. Null: unknown."""
POSE_HASH = "pose_hash"
OPTIONAL: dict[str, pa.DataType] = {POSE_HASH: pa.string()}
"""Columns that older packs lack. `pose_hash`: of a clip's stored coordinates and mask, equal for copies."""
POSES: dict[str, pa.DataType] = {
    "xy": pa.list_(pa.list_(pa.float16(), JOINT_COUNT * 2)),
    "seen": pa.list_(pa.list_(pa.uint8(), SEEN_BYTES)),
    "score": pa.list_(pa.list_(pa.uint8(), JOINT_COUNT)),
}
"""A row a frame: image fractions x0 y0 x1 y1 …; bits of joints found (numpy.packbits); scores, null where none."""


def schema(extra: list[str], provenance: str, missing: str = "[]") -> pa.Schema:
    """Arrow schema of a pack whose annotation has `extra` columns."""
    fields = {**COLUMNS, **OPTIONAL, **{name: pa.string() for name in extra}, **POSES}
    metadata = {FORMAT_KEY: FORMAT, PROVENANCE_KEY: provenance.encode(), MISSING_KEY: missing.encode()}
    return pa.schema(list(fields.items()), metadata=metadata)


@contextmanager
def decoding(location: Location) -> Iterator[None]:
    """Turn whatever Arrow raises on damaged bytes into an InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    # Depending on the damage, Arrow's errors derive from ValueError, KeyError, OSError, MemoryError and more.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise InputError(f"a damaged Arrow file ({reason})", WANTED, file=location) from error


def check_schema(schema: pa.Schema, location: Location) -> None:
    """InputError where a schema is not a pack's of this version."""
    version = (schema.metadata or {}).get(FORMAT_KEY)
    if version != FORMAT:
        stored = "no layout version" if version is None else f"layout version {version.decode(errors='replace')}"
        raise InputError(stored, f"layout version {FORMAT.decode()}", file=location, hint="Pack the poses again.")
    if len(set(schema.names)) != len(schema.names):
        raise InputError("two columns of the same name", "unique column names", file=location)
    for name, kind in {**COLUMNS, **OPTIONAL, **POSES}.items():
        stored = schema.field(name).type if name in schema.names else "nothing"
        if stored != kind and (name in schema.names or name not in OPTIONAL):
            raise InputError(f"column {name!r} of type {stored}", str(kind), file=location)


def check_columns(batch: pa.RecordBatch, location: Location) -> None:
    """InputError names the first clip whose columns are invalid."""
    batch.validate(full=True)
    _check_no_nulls(batch, ("id", "frames", "hand_frames"), location)
    _check_clips(batch, location, np.asarray(batch.column("frames")) < 1, "0 frames", "at least 1 frame")
    for name in ("width", "height"):
        wrong = np.asarray(batch.column(name).fill_null(1)) < 1
        _check_clips(batch, location, wrong, f"{name} below 1", "pixels, or null where unknown")


def check_poses(batch: pa.RecordBatch, location: Location) -> None:
    """InputError names the first clip whose poses are of another length than its columns say."""
    batch.validate(full=True)
    _check_no_nulls(batch, ("xy", "seen"), location)
    frames = np.asarray(batch.column("frames"))
    for name in POSES:
        column = batch.column(name)
        length = np.diff(column.offsets.to_numpy())
        absent = np.asarray(column.is_null()) & (length == 0)
        wrong = (length != frames) & ~absent
        _check_clips(batch, location, wrong, f"{name} of another number of frames", "as many as `frames` says")
        if column.values.null_count or column.values.values.null_count:
            raise InputError(f"gaps in {name}", "a number at every joint", file=location)


def _check_no_nulls(batch: pa.RecordBatch, names: tuple[str, ...], location: Location) -> None:
    for name in names:
        if batch.column(name).null_count:
            raise InputError(f"a clip without {name}", f"{name} of every clip", file=location)


def _check_clips(batch: pa.RecordBatch, location: Location, wrong: Any, found: str, wanted: str) -> None:
    if wrong.any():
        raise InputError(found, wanted, file=location, clip=batch.column("id")[int(np.argmax(wrong))].as_py())
