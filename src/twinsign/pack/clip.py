"""One clip as a pack stores it: read, checked and encoded; what worker processes do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.datasets.sample import Sample
from twinsign.errors import InputError
from twinsign.files import sha256
from twinsign.pack.schema import COLUMNS, OPTIONAL, POSE_HASH, POSES, SCORE_STEPS
from twinsign.pose.layout import HANDS
from twinsign.pose.recording import Recording

SPLITS = ("train", "val", "test", "none", "", None)
"""The only names of splits, so that a clip called `Test` or `dev` is not taken for one to learn from."""
FPS_TOLERANCE = 0.02
"""Share by which two statements of a frame rate may differ: 29.97 and 30 are one."""
RESERVED = {*COLUMNS, *OPTIONAL, *POSES}
"""Columns that an annotation cannot add."""


class StoredClip(NamedTuple):
    """A clip's columns by name, xy (T 98), bits of joints seen (T 7), and score steps (T 49) unless all are 0 or 1."""

    columns: dict[str, Any]
    xy: NDArray[np.float16]
    seen: NDArray[np.uint8]
    score: NDArray[np.uint8] | None
    notes: list[str]
    """What its reader had to decide."""


def stored_clip(sample: Sample) -> StoredClip:
    """Read and encode one clip; InputError where it cannot be packed."""
    row = sample.row
    if row.get("split") not in SPLITS:
        found, wanted = f"split {row['split']!r}", "train, val, test, or none"
        raise InputError(found, wanted, file=sample.file, clip=sample.id)
    recording = _fill_in_annotation(sample, sample.read().fractions())
    check_float16(recording)
    xy = recording.xy.reshape(len(recording.xy), -1).astype(np.float16)
    seen = np.packbits(recording.seen, axis=1)
    width, height = recording.size or (None, None)
    columns = {
        "id": sample.id,
        # The annotation's source and estimator take precedence over the reader's.
        "source": row.get("source") or recording.source or None,
        "estimator": row.get("estimator") or recording.estimator or None,
        "fps": recording.fps,
        "width": width,
        "height": height,
        "frames": len(recording.xy),
        "hand_frames": int(recording.seen[:, HANDS].any(axis=1).sum()),
        **{name: row.get(name) or None for name in ("gloss", "split", "signer")},
        **{name: value or None for name, value in row.items() if name not in RESERVED},
        POSE_HASH: pose_hash(xy, seen),
    }
    score = None
    if not np.isin(recording.score, (0.0, 1.0)).all():  # a seen joint keeps at least one step
        steps = np.maximum(np.round(recording.score * SCORE_STEPS), 1)
        score = np.where(recording.seen, steps, 0).astype(np.uint8)
    return StoredClip(columns, xy, seen, score, list(recording.notes))


def pose_hash(xy: NDArray[np.float16], seen: NDArray[np.uint8]) -> str:
    """The same for clips of bit-identical coordinates xy (T 98) and masks (T 7), whatever their ids."""
    return sha256(xy.tobytes(), seen.tobytes())


def _fill_in_annotation(sample: Sample, recording: Recording) -> Recording:
    """Frame rate and image size from the annotation where the poses' own file states none."""
    rate, width, height = (_positive(sample, name) for name in ("fps", "width", "height"))
    size = (round(width), round(height)) if width and height else None
    notes = list(recording.notes)
    if rate and recording.fps and abs(rate - recording.fps) > FPS_TOLERANCE * recording.fps:
        notes.append(f"{recording.fps:g} frames a second by the file, {rate:g} by the table: the file's are taken")
    if size and recording.size and size != recording.size:
        by_file, by_table = (f"{w} x {h}" for w, h in (recording.size, size))
        notes.append(f"an image of {by_file} by the file, {by_table} by the table: the file's is taken")
    fps, size = recording.fps or rate, recording.size or size
    return replace(recording, id=sample.id, fps=fps, size=size, notes=tuple(notes))


def _positive(sample: Sample, name: str) -> float | None:
    text = sample.row.get(name)
    try:
        value = float(text) if text else None
    except ValueError:
        value = float("nan")
    if value is not None and not 0 < value < np.inf:
        raise InputError(f"{name} {text!r}", "a positive number, or nothing", file=sample.file, clip=sample.id)
    return value


def check_float16(recording: Recording) -> None:
    """InputError where image fractions are too large for a pack's float16."""
    wild = np.abs(recording.xy) > float(np.finfo(np.float16).max)
    if wild.any():
        frame = int(np.argwhere(wild)[0, 0])
        found = f"image fraction {recording.xy[wild][0]:g}"
        wanted = "image fractions near [0, 1] (are these pixels? then state the image size)"
        raise InputError(found, wanted, file=recording.source or None, clip=recording.id, frame=frame)
