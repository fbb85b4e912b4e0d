"""The clips that a classifier learnt from, in learnt.parquet beside its config.yaml: copies and signers are told by it.

Where a RUN has no such file, only packs that the user's own command named are looked at: the packs that its config.yaml
names are never opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from twinsign.errors import InputError
from twinsign.files import atomic, sha256
from twinsign.pack.locate import is_url
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import POSE_HASH
from twinsign.pack.selection import select_labelled_training
from twinsign.pose.bounds import max_unpacked_bytes, parquet_bytes
from twinsign.runs.run import Run

TRAINING_CLIPS = "learnt.parquet"
"""The file's name; it is not shared by `push`."""
_KEY = b"twinsign_rows_hash"
_SCHEMA = pa.schema([("id", pa.string()), (POSE_HASH, pa.string()), ("signer", pa.string())])


@dataclass(frozen=True)
class TrainingClips:
    """Of the clips that a classifier learnt from (N): hashes of their poses, and hashes of their signers' names."""

    poses: frozenset[str]
    signers: list[str]
    """One a clip, "" where the clip names nobody."""


def save_training_clips(folder: str | PathLike[str], pack: Pack, rows: Indices) -> None:
    """Write the ids, pose hashes and hashed signers of these rows into a RUN's folder, whole or not at all."""
    columns = [pack.table["id"].take(rows).to_pylist(), pack.pose_hashes(rows), hashed_signers(pack, rows)]
    schema = _SCHEMA.with_metadata({_KEY: pack.split_hash(rows).encode()})
    with atomic(Path(folder) / TRAINING_CLIPS) as temporary:
        pq.write_table(pa.table(columns, schema=schema), temporary)


def load_training_clips(run: Run, pack: Pack) -> TrainingClips | None:
    """What a classifier learnt from, by its own file or by the packs that the command named.

    None where that is unknown: another kind of run, or neither holds these clips. InputError for a damaged file.
    """
    if run.kind != "classifier" or "rows_hash" not in run.about:
        return None
    if (run.path / TRAINING_CLIPS).is_file():
        clips, rows_hash = _read(run.path / TRAINING_CLIPS)
        if rows_hash == run.about["rows_hash"]:
            return clips
    return _drawn_again(run, pack)


def hashed_signers(pack: Pack, rows: Indices) -> list[str]:
    """A hash of the name of each row's signer, "" where the clip names nobody."""
    return [sha256("signer", name) if name else "" for name in pack.table["signer"].take(rows).to_pylist()]


def _read(file: Path) -> tuple[TrainingClips, str]:
    hint = "Delete it: evaluations then look at the packs of --data alone."
    try:
        unpacked = parquet_bytes(pq.read_metadata(file))
        if unpacked > max_unpacked_bytes(file.stat().st_size):
            raise OSError(f"{file.stat().st_size:,} bytes that unpack to {unpacked:,}")
        table = pq.read_table(file, memory_map=False)
        if not table.schema.equals(_SCHEMA, check_metadata=False):
            raise InputError(f"columns {', '.join(table.column_names)}", ", ".join(map(str, _SCHEMA)), file=file)
        poses, signers = (table[name].to_pylist() for name in (POSE_HASH, "signer"))
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:  # texts are decoded when they are asked for
        raise InputError(f"a damaged file ({error})", "clips learnt from", file=file, hint=hint) from error
    rows_hash = (table.schema.metadata or {}).get(_KEY, b"").decode("utf-8", "replace")
    return TrainingClips(frozenset(poses), [name or "" for name in signers]), rows_hash


def _drawn_again(run: Run, pack: Pack) -> TrainingClips | None:
    """The same from the command's own packs, drawn as config.yaml says, where that gives the clips of its hash."""
    about, named = run.about, [str(path) for path in pack.given]
    if named != about.get("data") and not any(map(is_url, named)):
        packs = [path for path in pack.given if str(path) in about.get("data", [])]
        pack = Pack(packs) if packs and len(packs) < len(named) else pack
    try:
        share = (about.get("label_fraction", 1.0), about.get("seed") or 0, about.get("labels_per_class"))
        rows = select_labelled_training(pack, about.get("where", []), *share)[0].rows
    except InputError:
        return None
    if pack.split_hash(rows) != about["rows_hash"]:
        return None
    return TrainingClips(frozenset(pack.pose_hashes(rows)), hashed_signers(pack, rows))
