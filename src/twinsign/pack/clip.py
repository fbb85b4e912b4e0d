"""One clip as a pack stores it: read, checked and encoded; what worker processes do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
RATES = 0.02
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
    """What its reader had to settle."""


def stored_clip(sample: Sample) -> StoredClip:
    """Read and encode one clip; InputError where it cannot be packed."""
    if sample.row.get("split") not in SPLITS:
        found, wanted = f"split {sample.row['split']!r}", "train, val, test, or none"
        raise InputError(found, wanted, file=sample.file, clip=sample.id)
    recording = _with_facts(sample, sample.read().fractions())
    check_float16(recording)
    xy = recording.xy.reshape(len(recording.xy), -1).astype(np.float16)
    seen = np.packbits(recording.seen, axis=1)
    columns = _columns(sample, recording) | {POSE_HASH: pose_hash(xy, seen)}
    plain = bool(np.isin(recording.score, (0.0, 1.0)).all())
    return StoredClip(columns, xy, seen, None if plain else _quantised(recording), list(recording.notes))


def pose_hash(xy: NDArray[np.float16], seen: NDArray[np.uint8]) -> str:
    """The same for clips of bit-identical coordinates xy (T 98) and masks (T 7), whatever their ids."""
    return sha256(xy.tobytes(), seen.tobytes())


def _columns(sample: Sample, recording: Recording) -> dict[str, Any]:
    row, size = sample.row, recording.size or (None, None)
    facts = {
        "id": sample.id,
        # The annotation's word on source and estimator goes before the reader's.
        "source": row.get("source") or recording.source or None,
        "estimator": row.get("estimator") or recording.estimator or None,
        "fps": recording.fps,
        "width": size[0],
        "height": size[1],
        "frames": len(recording.xy),
        "hand_frames": int(recording.seen[:, HANDS].any(axis=1).sum()),
    }
    stated = {name: row.get(name) or None for name in ("gloss", "split", "signer")}
    return facts | stated | {name: value or None for name, value in row.items() if name not in RESERVED}


def _with_facts(sample: Sample, recording: Recording) -> Recording:
    """Frame rate and image size from the annotation where the poses' own file is silent."""
    rate = _number(sample, "fps")
    width, height = (_number(sample, name) for name in ("width", "height"))
    stated = (round(width), round(height)) if width and height else None
    notes = list(recording.notes)
    if rate and recording.fps and abs(rate - recording.fps) > RATES * recording.fps:
        notes.append(f"{recording.fps:g} frames a second by the file, {rate:g} by the table: the file's are taken")
    if stated and recording.size and stated != recording.size:
        notes.append(
            "an image of {} x {} by the file, {} x {} by the table: the file's is taken".format(
                *recording.size, *stated
            )
        )
    fps, size = recording.fps or rate, recording.size or stated
    return replace(recording, id=sample.id, fps=fps, size=size, notes=tuple(notes))


def _number(sample: Sample, name: str) -> float | None:
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
    limit = float(np.finfo(np.float16).max)
    wild = np.abs(recording.xy) > limit
    if wild.any():
        frame = int(np.argwhere(wild)[0, 0])
        found = f"image fraction {recording.xy[wild][0]:g}"
        wanted = "image fractions near [0, 1] (are these pixels? then state the image size)"
        raise InputError(found, wanted, file=recording.source or None, clip=recording.id, frame=frame)


def _quantised(recording: Recording) -> NDArray[np.uint8]:
    """Scores as whole steps; a seen joint keeps at least one step."""
    steps = np.round(recording.score * SCORE_STEPS)
    return np.where(recording.seen, np.maximum(steps, 1), 0).astype(np.uint8)


def extra_columns(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Names of the annotation's further columns, sorted."""
    return sorted({name for row in rows for name in row} - RESERVED)
