"""Writing a pack: a corpus in, one file or a folder of shards out, whole or not at all; interrupted imports resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from twinsign import __version__
from twinsign.datasets.sample import Corpus, Sample
from twinsign.errors import InputError
from twinsign.extract.workers import cores
from twinsign.files import atomic, atomic_folder, hash_file, sha256
from twinsign.pack.clip import RESERVED, EncodedClip, encode_samples
from twinsign.pack.parts import Parts, open_parts
from twinsign.pack.report import PackReport, summarize
from twinsign.pack.schema import BATCH_CLIPS, BATCH_FRAMES, BATCH_MOST, POSES, ROWS_KEY, schema


@dataclass(frozen=True)
class PackOptions:
    """How a corpus is packed; neither workers nor patience changes a byte of the pack."""

    workers: int | None = None
    """Processes that read clips; by default one per core. 0: read in this process."""
    patience: float = 300.0
    """Seconds without an answer after which a clip is given up as unreadable."""
    shard_clips: int | None = None
    """Write a folder of files of about this many clips each, in whole record batches; by default one file."""
    cluster: str | None = None
    """A Ray cluster whose processes read the clips: local, auto or ray://HOST:PORT (docs/scaling.md)."""

    def __post_init__(self) -> None:
        for name, value, least in (("workers", self.workers, 0), ("shard_clips", self.shard_clips, 1)):
            if value is not None and value < least:
                raise InputError(f"{name} {value}", f"{least} or more")
        if not self.patience > 0:
            raise InputError(f"patience {self.patience}", "seconds above 0")


IN_THIS_PROCESS = PackOptions(workers=0)


class NothingPackedError(InputError):
    """No sample could be packed; `report` says why of each."""

    def __init__(self, report: PackReport) -> None:
        self.report = report
        reasons = "; ".join(islice(report.unreadable.values(), 3))
        problem = f"no readable clip ({len(report.unreadable)} unreadable: {reasons})"
        super().__init__(problem, "at least one clip to pack")


def write_pack(
    corpus: Corpus | Iterable[Sample],
    path: str | PathLike[str],
    *,
    provenance: Mapping[str, Any] | None = None,
    options: PackOptions = IN_THIS_PROCESS,
    tick: Callable[[int], None] = lambda done: None,
    restarted: Callable[[], None] = lambda: None,
) -> PackReport:
    """Write a corpus to one pack; resumes where the same import was interrupted.

    `tick` is called with the number of samples done, `restarted` where an interrupted import to this path was of other
    inputs and is discarded.
    NothingPackedError, and no file, where no clip is readable.
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(list(corpus))
    target = Path(path)
    _check_target(target, options.shard_clips)
    extra = sorted({name for sample in corpus.samples for name in sample.row} - RESERVED)
    files = {Path(file).name: hash_file(file) for file in corpus.files}
    note = {"twinsign": __version__, **(provenance or {})} | ({"files": files} if files else {})
    with open_parts(target, _hash_inputs(corpus, note), schema(extra, "{}")) as (parts, of_other_inputs):
        if of_other_inputs:
            restarted()
        _read_samples(parts, corpus.samples, options, tick)
        report, facts = summarize(parts.batches())
        report.unreadable, report.notes, report.missing = parts.unreadable, parts.notes, len(corpus.missing)
        report.listed = len(corpus.samples) + report.missing
        if parts.rows:
            words, missing = json.dumps(note | facts), json.dumps([dict(row) for row in corpus.missing])
            _join_parts(parts, target, options.shard_clips, schema(extra, words, missing), schema(extra, words))
    if not parts.rows:
        raise NothingPackedError(report)
    return report


def _check_target(target: Path, shard_clips: int | None) -> None:
    """Refuse at the start what could not be replaced at the end of a long import."""
    if target.is_dir():
        foreign = [file.name for file in target.iterdir() if file.suffix != ".pack"]
        if shard_clips is None or foreign:
            problem = f"a folder that holds {foreign[0]}" if foreign else "a folder"
            raise InputError(problem, "a new name, a pack to replace, or a folder of shards alone", file=target)


def _hash_inputs(corpus: Corpus, note: Mapping[str, Any]) -> str:
    """A hash of all that decides a pack: options, annotation, and size and time of the poses' own files."""
    digest = hashlib.sha256()
    for sample in corpus.samples:
        digest.update(repr((sample.id, sorted(sample.row.items()))).encode())
        if sample.file is not None and sample.file.exists():
            status = sample.file.stat()
            digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    missing = [sorted(row.items()) for row in corpus.missing]
    return sha256(json.dumps(note, default=str), repr(missing), digest.hexdigest())


def _read_samples(parts: Parts, samples: Sequence[Sample], options: PackOptions, tick: Callable[[int], None]) -> None:
    """Read the samples that no part covers yet, in order, and add a part a record batch."""
    ids = {name for batch in parts.batches() for name in batch.column("id").to_pylist()}
    unreadable: dict[str, str] = {}
    clips: list[EncodedClip] = []
    frames = 0
    tick(parts.read)
    workers = cores() if options.workers is None else options.workers
    outcomes = encode_samples(samples, parts.read, workers, options.patience, options.cluster)
    for done, outcome in enumerate(outcomes, parts.read + 1):
        sample = samples[done - 1]
        name = sample.id
        if isinstance(outcome, EncodedClip) and name in ids:
            outcome = str(InputError(f"id {name!r} a second time", "unique ids", file=sample.file, clip=name))
        if isinstance(outcome, EncodedClip):
            ids.add(name)
            clips.append(outcome)
            frames += len(outcome.xy)
        else:
            while name in ids or name in unreadable or name in parts.unreadable:
                name += " (again)"
            unreadable[name] = outcome
        full = (len(clips) >= BATCH_CLIPS and frames >= BATCH_FRAMES) or len(clips) >= BATCH_MOST
        if full or (clips and done == len(samples)):
            notes = {clip.columns["id"]: clip.notes for clip in clips if clip.notes}
            parts.add(record_batch(clips, parts.schema), done, unreadable, notes)
            clips, unreadable, frames = [], {}, 0
        tick(done)
    parts.unreadable.update(unreadable)


def record_batch(clips: Sequence[EncodedClip], layout: pa.Schema) -> pa.RecordBatch:
    """Encoded clips as one Arrow record batch of a pack's schema."""
    columns = [
        _pose_column([getattr(clip, field.name) for clip in clips], field.type)
        if field.name in POSES
        else pa.array([clip.columns.get(field.name) for clip in clips], field.type)
        for field in layout
    ]
    return pa.record_batch(columns, schema=layout)


def _pose_column(arrays: list[Any], kind: pa.DataType) -> pa.Array:
    """Arrays (frames values) of each clip, or None, as one Arrow column."""
    offsets = np.cumsum([0, *(0 if array is None else len(array) for array in arrays)]).astype(np.int32)
    present = [array for array in arrays if array is not None]
    values: Any = np.concatenate(present).ravel() if present else []
    frames = pa.FixedSizeListArray.from_arrays(pa.array(values, kind.value_type.value_type), kind.value_type.list_size)
    absent = pa.array([array is None for array in arrays])
    return pa.ListArray.from_arrays(pa.array(offsets), frames, mask=absent).cast(kind)


def _join_parts(parts: Parts, target: Path, shard_clips: int | None, layout: pa.Schema, further: pa.Schema) -> None:
    """One file of all parts, or a folder of files of some parts each, those after the first with schema `further`."""
    batches = parts.batches()
    if shard_clips is None:
        write_file(target, layout, batches, parts.rows)
        return
    shards: list[list[int]] = [[]]
    for rows in parts.rows:
        if sum(shards[-1]) >= shard_clips:
            shards.append([])
        shards[-1].append(rows)
    with atomic_folder(target) as folder:
        for number, rows_of_shard in enumerate(shards):
            file = folder / f"{number:05d}-of-{len(shards):05d}.pack"
            write_file(file, further if number else layout, islice(batches, len(rows_of_shard)), rows_of_shard)


def write_file(path: Path, layout: pa.Schema, batches: Iterable[pa.RecordBatch], rows: list[int]) -> None:
    """Write one file of a pack whole or not at all, with the rows of each batch in its footer, for fast opening."""
    metadata = {ROWS_KEY: json.dumps(rows).encode()}
    with atomic(path) as temporary, ipc.new_file(temporary, layout, metadata=metadata) as file:
        for batch in batches:
            file.write_batch(batch)
