"""Clips as a pack stores them: one read, checked and encoded; many by several processes, in order."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign import ray_cluster as ray_cluster
from twinsign.datasets.sample import Sample
from twinsign.errors import InputError
from twinsign.extract.workers import in_order, run_in_processes
from twinsign.files import sha256
from twinsign.pack.schema import COLUMNS, OPTIONAL, POSE_HASH, POSES, SCORE_STEPS
from twinsign.pose.layout import HANDS
from twinsign.pose.recording import Recording
from twinsign.ray_cluster import Answer

SPLITS = ("train", "val", "test", "none", "", None)
"""The only names of splits, so that a split called `Test` or `dev` is not taken for training clips."""
SPAN = 8
"""Clips sent to a process at once."""
RESERVED = {*COLUMNS, *OPTIONAL, *POSES}
"""Columns that an annotation cannot add."""


class EncodedClip(NamedTuple):
    """A clip's columns by name, xy (T 98), bits of joints seen (T 7), and score steps (T 49) unless all are 0 or 1."""

    columns: dict[str, Any]
    xy: NDArray[np.float16]
    seen: NDArray[np.uint8]
    score: NDArray[np.uint8] | None
    notes: list[str]
    """What its reader had to decide."""


def encode_clip(sample: Sample) -> EncodedClip:
    """Read and encode one clip; InputError where it cannot be packed."""
    row = sample.row
    if row.get("split") not in SPLITS:
        problem, wanted = f"split {row['split']!r}", "train, val, test, or none"
        raise InputError(problem, wanted, file=sample.file, clip=sample.id)
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
    return EncodedClip(columns, xy, seen, score, list(recording.notes))


def pose_hash(xy: NDArray[np.float16], seen: NDArray[np.uint8]) -> str:
    """The same for clips of bit-identical coordinates xy (T 98) and masks (T 7), whatever their ids."""
    return sha256(xy.tobytes(), seen.tobytes())


def _fill_in_annotation(sample: Sample, recording: Recording) -> Recording:
    """Frame rate and image size from the annotation where the poses' own file states none."""
    rate, width, height = (_positive(sample, name) for name in ("fps", "width", "height"))
    size = (round(width), round(height)) if width and height else None
    notes = list(recording.notes)
    if rate and recording.fps and abs(rate - recording.fps) > 0.02 * recording.fps:  # 29.97 and 30 are one rate
        notes.append(f"frame rate {recording.fps:g} in the file, {rate:g} in the annotation: the file's is used")
    if size and recording.size and size != recording.size:
        by_file, by_table = (f"{w} x {h}" for w, h in (recording.size, size))
        notes.append(f"image size {by_file} in the file, {by_table} in the annotation: the file's is used")
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
        problem = f"image fraction {recording.xy[wild][0]:g}"
        wanted = "image fractions near [0, 1] (are these pixels? then state the image size)"
        raise InputError(problem, wanted, file=recording.source or None, clip=recording.id, frame=frame)


def encode_samples(
    samples: Sequence[Sample], first: int, workers: int, patience: float, cluster: str | None = None
) -> Iterator[EncodedClip | str]:
    """Yield each sample from number `first` on, in order, as an encoded clip or the reason why it is unreadable.

    Encoded by this process (0 workers), forked ones or those of a Ray cluster; unreadable are also clips whose process
    dies TRIES times or gives no answer for `patience` seconds.
    """
    numbers = range(first, len(samples))
    if cluster is not None:
        answers = _encode_on_cluster(samples, numbers, patience, cluster)
    elif workers == 0:
        yield from (_encode(samples[number]) for number in numbers)
        return
    else:  # forked: samples may close over opened archives, which are then shared instead of sent
        options: dict[str, Any] = {"fork": True, "queued": SPAN, "patience": patience}
        answers = in_order(run_in_processes(lambda: lambda n: _encode(samples[n]), numbers, workers, **options))
    for number, answer in zip(numbers, answers, strict=True):
        yield answer.result if answer.error is None else _unreadable(samples[number], str(answer.error))


def _encode_on_cluster(samples: Sequence[Sample], numbers: range, patience: float, address: str) -> Iterator[Answer]:
    """Yield an answer per clip: clips are sent in spans, and one by one where the process of a span died."""
    spans = [numbers[start : start + SPAN] for start in range(0, len(numbers), SPAN)]
    load = partial(_cluster_encoder, samples, patience)
    with ray_cluster.connected(address):
        for span, answer in zip(spans, ray_cluster.map_outcomes(load, spans, address), strict=True):
            if answer.error is None:
                yield from map(Answer, answer.result)
                continue
            for alone in ray_cluster.map_outcomes(load, [[number] for number in span], address):
                yield Answer(alone.result[0]) if alone.error is None else alone


def _cluster_encoder(samples: Sequence[Sample], patience: float) -> Callable[[Sequence[int]], list[EncodedClip | str]]:
    def encode(number: int) -> EncodedClip | str:
        with Path(os.devnull).open("w", encoding="utf-8") as null:
            faulthandler.dump_traceback_later(patience, exit=True, file=null)  # whatever holds the interpreter
            try:
                return _encode(samples[number])
            finally:
                faulthandler.cancel_dump_traceback_later()

    return lambda numbers: [encode(number) for number in numbers]


def _encode(sample: Sample) -> EncodedClip | str:
    try:
        return encode_clip(sample)
    except InputError as error:
        return str(error)
    except Exception as error:  # a bug of one reader must not end the whole import
        return _unreadable(sample, f"a reader that failed ({type(error).__name__}: {error})")


def _unreadable(sample: Sample, reason: str) -> str:
    return str(InputError(reason, "a readable clip", file=sample.file, clip=sample.id))
