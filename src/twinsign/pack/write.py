"""Writing a pack: a corpus in, one file or a folder of shards out, whole or not at all; an interrupted one goes on."""

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
from twinsign.files import atomic, atomic_folder, hash_file, sha256
from twinsign.pack.clip import StoredClip, extra_columns
from twinsign.pack.parts import Parts, parts_of
from twinsign.pack.report import PackReport, Tally
from twinsign.pack.schema import BATCH_CLIPS, BATCH_FRAMES, BATCH_MOST, POSES, ROWS_KEY, schema
from twinsign.pack.workers import cores, outcomes, outcomes_on_cluster

SHARD = "{number:05d}-of-{count:05d}.pack"


@dataclass(frozen=True)
class PackOptions:
    """How a corpus is packed; neither workers nor patience changes a byte of the pack."""

    workers: int | None = None
    """Processes that read clips; as many as there are cores unless told, 0: none beside this one."""
    patience: float = 300.0
    """Seconds after which a clip whose reader is silent is given up."""
    shard_clips: int | None = None
    """Write a folder of files of about so many clips each, in whole record batches; one file unless told."""
    cluster: str | None = None
    """A Ray cluster whose processes read the clips: local, auto or ray://HOST:PORT (docs/scaling.md)."""

    def __post_init__(self) -> None:
        for name, value, least in (("workers", self.workers, 0), ("shard_clips", self.shard_clips, 1)):
            if value is not None and value < least:
                raise InputError(f"{name} {value}", f"{least} or more")
        if not self.patience > 0:
            raise InputError(f"patience {self.patience}", "seconds above 0")


HERE = PackOptions(workers=0)
"""Reading in this process alone."""


class NothingPackedError(InputError):
    """No sample could be packed; `report` says why of each."""

    def __init__(self, report: PackReport) -> None:
        self.report = report
        listed = "; ".join(list(report.unreadable.values())[:3])
        super().__init__(
            f"no readable clip ({len(report.unreadable)} unreadable: {listed})", "at least one clip to pack"
        )


def write_pack(
    corpus: Corpus | Iterable[Sample],
    path: str | PathLike[str],
    *,
    provenance: Mapping[str, Any] | None = None,
    options: PackOptions = HERE,
    tick: Callable[[int], None] = lambda done: None,
    restarted: Callable[[], None] = lambda: None,
) -> PackReport:
    """Write a corpus to one pack, telling `tick` how many samples are done; goes on where the same import stopped.

    `restarted` is called where a stopped import to this path was of other inputs, and is thrown away.
    NothingPackedError, and no file, where no clip is readable.
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(list(corpus))
    target, extra = Path(path), extra_columns(sample.row for sample in corpus.samples)
    _check_target(target, options.shard_clips)
    files = {Path(file).name: hash_file(file) for file in corpus.files}
    note = {"twinsign": __version__, **(provenance or {})} | ({"files": files} if files else {})
    with parts_of(target, _inputs_key(corpus, note), schema(extra, "{}")) as (parts, other):
        if other:
            restarted()
        _fill(parts, corpus.samples, options, tick)
        tally = Tally()
        for batch in parts.batches():
            tally.add(batch)
        listed, lost = len(corpus.samples) + len(corpus.missing), len(corpus.missing)
        report = tally.report(parts.unreadable, parts.notes, listed, lost)
        if parts.rows:
            words = json.dumps(note | tally.facts(), sort_keys=False)
            missing = [dict(row) for row in corpus.missing]
            _assemble(parts, target, options.shard_clips, lambda rows: schema(extra, words, json.dumps(rows)), missing)
    if not parts.rows:
        raise NothingPackedError(report)
    return report


def _check_target(target: Path, shard_clips: int | None) -> None:
    """Refuse at the start what could not be replaced at the end of a long import."""
    if not target.is_dir():
        return
    strange = [file for file in target.iterdir() if file.suffix != ".pack"]
    if shard_clips is None or strange:
        found = f"a folder that holds {strange[0].name}" if strange else "a folder"
        raise InputError(found, "a new name, a pack to replace, or a folder of shards alone", file=target)


def _inputs_key(corpus: Corpus, note: Mapping[str, Any]) -> str:
    """A hash of all that decides a pack: options, annotation, and size and time of the poses' own files."""
    digest = hashlib.sha256()
    for sample in corpus.samples:
        digest.update(repr((sample.id, sorted(sample.row.items()))).encode())
        if sample.file is not None and sample.file.exists():
            about = sample.file.stat()
            digest.update(f"{about.st_size} {about.st_mtime_ns}".encode())
    missing = [sorted(row.items()) for row in corpus.missing]
    return sha256(json.dumps(note, default=str), repr(missing), digest.hexdigest())


def _fill(parts: Parts, samples: Sequence[Sample], options: PackOptions, tick: Callable[[int], None]) -> None:
    """Read what is not in the parts yet, in order, a part a record batch."""
    ids = {name for batch in parts.batches() for name in batch.column("id").to_pylist()}
    unreadable: dict[str, str] = {}
    clips: list[StoredClip] = []
    done, frames = parts.read, 0
    tick(done)
    if options.cluster is None:
        workers = cores() if options.workers is None else options.workers
        found = outcomes(samples, parts.read, workers, options.patience)
    else:
        found = outcomes_on_cluster(samples, parts.read, options.cluster, options.patience)
    for outcome in found:
        name = samples[done].id
        if isinstance(outcome, StoredClip) and name in ids:
            twice, file = f"id {name!r} a second time", samples[done].file
            outcome = str(InputError(twice, "ids that occur once", file=file, clip=name))
        if isinstance(outcome, StoredClip):
            ids.add(name)
            clips.append(outcome)
            frames += len(outcome.xy)
        else:
            while name in ids or name in unreadable or name in parts.unreadable:
                name += " (again)"
            unreadable[name] = outcome
        done += 1
        if clips and (_full(len(clips), frames) or done == len(samples)):
            notes = {clip.columns["id"]: clip.notes for clip in clips if clip.notes}
            parts.add(record_batch(clips, parts.schema), done, unreadable, notes)
            clips, unreadable, frames = [], {}, 0
        tick(done)
    parts.unreadable.update(unreadable)


def _full(clips: int, frames: int) -> bool:
    return (clips >= BATCH_CLIPS and frames >= BATCH_FRAMES) or clips >= BATCH_MOST


def record_batch(clips: Sequence[StoredClip], layout: pa.Schema) -> pa.RecordBatch:
    """Encoded clips as one Arrow record batch of a pack's schema."""
    poses = {name: _ragged([getattr(clip, name) for clip in clips], name) for name in POSES}
    columns = [
        poses.get(name) or pa.array([clip.columns.get(name) for clip in clips], layout.field(name).type)
        for name in layout.names
    ]
    return pa.record_batch(columns, schema=layout)


def _ragged(rows: list[Any], name: str) -> pa.Array:
    kind = POSES[name]
    width = kind.value_type.list_size
    offsets = np.cumsum([0, *(0 if row is None else len(row) for row in rows)]).astype(np.int32)
    present = [row for row in rows if row is not None]
    values: Any = np.concatenate(present).ravel() if present else []
    frames = pa.FixedSizeListArray.from_arrays(pa.array(values, kind.value_type.value_type), width)
    absent = pa.array([row is None for row in rows])
    return pa.ListArray.from_arrays(pa.array(offsets), frames, mask=absent).cast(kind)


def _assemble(
    parts: Parts, target: Path, shard_clips: int | None, layout: Callable[[list[Any]], pa.Schema], missing: list[Any]
) -> None:
    """One file of all parts, or a folder of files of some parts each; the first of them lists what is missing."""
    if shard_clips is None:
        write_file(target, layout(missing), parts.batches(), parts.rows)
        return
    shards: list[list[int]] = [[]]
    for rows in parts.rows:
        if sum(shards[-1]) >= shard_clips:
            shards.append([])
        shards[-1].append(rows)
    batches = parts.batches()
    with atomic_folder(target) as folder:
        for number, shard in enumerate(shards):
            file = folder / SHARD.format(number=number, count=len(shards))
            write_file(file, layout([] if number else missing), islice(batches, len(shard)), shard)


def write_file(path: Path, layout: pa.Schema, batches: Iterable[pa.RecordBatch], rows: list[int]) -> None:
    """Write one file of a pack whole or not at all; the rows of each batch stand in its footer, for opening."""
    metadata = {ROWS_KEY: json.dumps(rows).encode()}
    with atomic(path) as temporary, ipc.new_file(temporary, layout, metadata=metadata) as file:
        for batch in batches:
            file.write_batch(batch)
