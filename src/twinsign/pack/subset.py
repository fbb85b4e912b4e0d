"""Some of a pack's clips as a pack of their own: those kept, or a fold of a cross-validation inside a split."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

from twinsign.errors import InputError
from twinsign.files import atomic
from twinsign.pack.locate import is_url
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import MISSING_KEY, PROVENANCE_KEY, ROWS_KEY


class Fold(NamedTuple):
    """A fold's pack: which clips it has (N), the split of each (N), and held-out glosses without a train clip."""

    kept: NDArray[np.bool_]
    splits: list[str]
    lost: list[str]


def held_out(pack: Pack, rows: Indices, folds: int, fold: int, by: str | None = None, seed: int = 0) -> Indices:
    """Those of `rows` that fold 0 … folds - 1 holds out; the folds are disjoint and glosses spread evenly.

    Clips of identical poses, and those with one value in the column `by` (signer, recording session), are never on two
    sides; clips without a gloss are never held out. Raises InputError where a clip has no value in `by`, or there are
    fewer groups, or clips of each gloss, than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # slow to import, and of use here alone

    if folds < 2 or not 0 <= fold < folds:
        raise InputError(f"fold {fold} of {folds}", "two folds or more, and one of 0 to their number less 1")
    glosses = np.asarray(pack.table["gloss"].take(rows).fill_null("").to_pylist(), dtype=object)
    rows, glosses = rows[glosses != ""], glosses[glosses != ""]
    if not len(rows):
        raise InputError("no clip with a gloss", "labelled clips", file=pack.paths[0])
    groups = _groups(pack, rows, by)
    if (count := len(set(groups))) < folds:
        raise InputError(f"{count} groups of clips", f"one or more for each of {folds} folds", file=pack.paths[0])
    ((gloss, clips),) = Counter(glosses.tolist()).most_common(1)
    if clips < folds:
        raise InputError(
            f"{clips} clips of {gloss!r}, the most of any gloss", f"{folds}, one a fold", file=pack.paths[0]
        )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # that some glosses have fewer clips than there are folds
        warnings.filterwarnings("ignore", "The least populated class")
        return np.sort(rows[list(splitter.split(rows, glosses.astype(str), groups))[fold][1]])


def _groups(pack: Pack, rows: Indices, by: str | None) -> list[str]:
    """A name for each row, equal where clips must stay together: copies, and groups that share a copy."""
    hashes = pack.pose_hashes(rows)
    if by is None:
        return hashes
    values = pack.column(by)
    for row in rows.tolist():
        if not values[row]:
            clip = pack.name_of(row)["id"]
            raise InputError(f"no value in {by!r}", "a group for each clip", file=pack.paths[0], clip=clip)
    groups = [str(values[row]) for row in rows]
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    first: dict[str, str] = {}
    for group, pose_hash in zip(groups, hashes, strict=True):
        parent[root(group)] = root(first.setdefault(pose_hash, group))
    return [root(group) for group in groups]


def make_fold(pack: Pack, rows: Indices, held: Indices, name: str) -> Fold:
    """The clips of `rows`: those held out as split `name`, the others as train.

    Held-out clips of a gloss without a train clip that shows a hand are left out: nobody could learn it.
    """
    kept, is_held = np.zeros(len(pack), bool), np.zeros(len(pack), bool)
    kept[rows], is_held[held] = True, True
    glosses = np.asarray(pack.table["gloss"].fill_null("").to_pylist(), dtype=object)
    lost = sorted({*glosses[is_held]} - {*glosses[kept & ~is_held & pack.usable]})
    kept &= ~(is_held & np.isin(glosses.astype(str), lost))
    return Fold(kept, np.where(is_held, name, "train").tolist(), lost)


def write_subset(
    pack: Pack, kept: NDArray[np.bool_], out: Path, note: Mapping[str, Any], splits: Sequence[str] | None = None
) -> None:
    """Write the kept clips (N), a record batch at a time, with `note` added to the provenance.

    `splits` (N) replace the pack's, and drop its list of clips that the annotation has without poses.
    Raises InputError where there are several files, `out` is the pack itself, or no clip is kept.
    """
    source = _single_file(pack, out)
    if not kept.any():
        raise InputError("no clip to keep", "at least one", file=source)
    reader = ipc.open_file(pa.memory_map(str(source)))
    metadata = {PROVENANCE_KEY: json.dumps({**pack.provenance[0], **note}).encode()}
    metadata |= {} if splits is None else {MISSING_KEY: b"[]"}
    schema = reader.schema.with_metadata({**reader.schema.metadata, **metadata})
    ends = np.cumsum([reader.get_batch(number).num_rows for number in range(reader.num_record_batches)])
    batches = enumerate(np.split(np.arange(len(kept)), ends[:-1]))
    rows_of_batch = {number: rows for number, rows in batches if kept[rows].any()}
    clips = json.dumps([int(kept[rows].sum()) for rows in rows_of_batch.values()])
    column = schema.get_field_index("split")
    with atomic(out) as temporary, ipc.new_file(temporary, schema, metadata={ROWS_KEY: clips}) as file:
        for number, rows in rows_of_batch.items():
            batch = reader.get_batch(number)
            if splits is not None:
                batch = batch.set_column(column, schema.field(column), pa.array([splits[row] for row in rows]))
            batch = batch if kept[rows].all() else batch.filter(pa.array(kept[rows]))
            file.write_batch(batch.replace_schema_metadata(schema.metadata))


def _single_file(pack: Pack, out: Path) -> Path:
    """The pack's one file; InputError where `out` may not be written, or the pack is not one local file."""
    if len(pack.paths) != 1:
        hint = "Do each by itself; --keep_out keeps packs apart in training."
        raise InputError(f"{len(pack.paths)} files", "one pack in one file", hint=hint)
    source = Path(pack.paths[0])
    if is_url(pack.paths[0]):
        raise InputError("a pack behind a URL", "a local file", file=pack.paths[0])
    if out.exists():
        if out.samefile(source):
            raise InputError("the pack itself", "another file to write", file=out)
        try:
            notes = [note for note in Pack(out).provenance[0].values() if isinstance(note, dict)]
        except InputError:
            notes = []
        if all(Path(str(note.get("of") or "")).resolve() != source.resolve() for note in notes):
            raise InputError(f"a file that was not made from {source}", "a new name", file=out, hint="Remove it first.")
    return source
