"""Opening packs: memory-mapped, so that a batch touches only its own clips' pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.files import sha256
from twinsign.pack.check import decoding
from twinsign.pack.clip import pose_hash
from twinsign.pack.file import Chunk, Indices, PackFile, scores, spans
from twinsign.pack.locate import Place, is_url, locate
from twinsign.pack.schema import COLUMNS, POSE_HASH
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray, Recording

__all__ = ["Flat", "Indices", "Pack"]


ANY_DATASET = ("landmarks", "set", "folder", "synthetic")
"""Words of `pack` commands that say nothing of the dataset."""


class Flat(NamedTuple):
    """Clips end to end: xy (F 49 2) fractions, score (F 49), image size (F 2) or ones, frame counts (B)."""

    xy: FloatArray
    score: FloatArray
    size: FloatArray
    length: Indices


def dataset_of(provenance: dict[str, Any]) -> str:
    """The dataset that a pack names, or whose own command packed it (`pack wlasl`); "" where unknown."""
    command = str(provenance.get("command", "")).split()
    packed_as = command[1] if command[:1] == ["pack"] and len(command) == 2 else ""
    return str(provenance.get("dataset") or ("" if packed_as in ANY_DATASET else packed_as)).lower()


def split_hash(ids: Sequence[str], glosses: Sequence[str | None]) -> str:
    """A hash of clips' ids and glosses, whatever their order: equal reports are of equal clips."""
    return sha256(*sorted(f"{one}\t{gloss}" for one, gloss in zip(ids, glosses, strict=True)))


class Pack:
    """Packs (files, globs, folders of shards, URLs) as one list of clips; nothing is read before it is asked for."""

    def __init__(self, paths: str | PathLike[str] | Sequence[str | PathLike[str]]) -> None:
        listed = [paths] if isinstance(paths, str | PathLike) else list(paths)
        self.given: list[Place] = [str(one) if is_url(one) else Path(one) for one in listed]
        """The packs as they were named."""
        located = [locate(one) for one in self.given]
        self.paths = list(chain.from_iterable(located))
        self._files = [PackFile(path) for path in self.paths]
        self.provenance = [file.provenance for file in self._files]
        self.datasets = [dataset_of(note) for note in self.provenance]
        """Name of the dataset of each of `paths`, "" where unknown."""
        self.missing = [row for file in self._files for row in file.missing]
        """Clips that the annotations list without poses: id, gloss, split and more."""
        self._places = [(file, number) for file in self._files for number in range(len(file.rows))]
        self._firsts = np.cumsum([0, *(rows for file in self._files for rows in file.rows)])
        if not len(self):
            raise InputError("a pack without clips", "at least one clip", file=self.paths[0])
        rows = [sum(file.rows) for file in self._files]
        self._file_firsts = np.cumsum([0, *rows])
        self._given_of = np.repeat(np.arange(len(located)), [len(files) for files in located])

    def __reduce__(self) -> tuple[type[Pack], tuple[list[Place]]]:
        """Another process opens the files itself instead of being sent their content."""
        return Pack, (self.given,)

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @cached_property
    def table(self) -> pa.Table:
        """All columns but the poses, checked; read when first asked for."""
        batches = [pa.Table.from_batches([file.columns(number)]) for file, number in self._places]
        with decoding(self.paths[-1]):
            return pa.concat_tables(batches, promote_options="default")

    def file_of(self, rows: Indices) -> Indices:
        """Which of `paths` each of these rows is in."""
        return np.searchsorted(self._file_firsts, rows, side="right") - 1

    def given_of(self, rows: Indices) -> Indices:
        """Which of `given` each of these rows is in."""
        found: Indices = self._given_of[self.file_of(rows)]
        return found

    @cached_property
    def frames(self) -> Indices:
        """Frames of each clip (N)."""
        return np.asarray(self.table["frames"], dtype=np.int64)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which clips (N) show a hand at all; the others are left out of training."""
        return np.asarray(self.table["hand_frames"]) > 0

    @cached_property
    def splits(self) -> NDArray[np.str_]:
        """The split of each clip (N), `none` where it has none."""
        stated = pc.dictionary_encode(pc.fill_null(self.table["split"], "none")).combine_chunks()
        names = np.asarray([name or "none" for name in stated.dictionary.to_pylist()], np.str_)
        found: NDArray[np.str_] = names[stated.indices.to_numpy()]
        return found

    def column(self, name: str) -> list[Any]:
        """A column's values, one a clip; InputError where the pack lacks it."""
        if name not in self.table.column_names:
            wanted = f"one of {', '.join(self.table.column_names)}"
            raise InputError(f"no column {name!r}", wanted, file=self.paths[0])
        values: list[Any] = self.table[name].to_pylist()
        return values

    def select(self, splits: Sequence[str] | None = None, where: Sequence[str] = ()) -> Indices:
        """Rows of the named splits (None: all) for which every `COLUMN=VALUE` holds; InputError where none does."""
        keep = np.ones(len(self), bool)
        for condition in where:
            name, _, value = condition.partition("=")
            self.column(name)
            keep &= np.asarray(pc.fill_null(pc.equal(pc.cast(self.table[name], pa.string()), value), False))
        if splits is not None:
            known = np.unique(self.splits).tolist()
            for split in splits:
                if split not in known:
                    if known == ["none"]:
                        hint = "Pack them with splits: a column of --annotations, SPLIT/GLOSS/clip, or --split_by."
                        found = f"no clip of split {split!r}: no clip of the pack has a split"
                        raise InputError(found, "clips with a split", file=self.paths[0], hint=hint)
                    raise InputError(f"split {split!r}", f"one of {', '.join(known)}", file=self.paths[0])
            keep &= np.isin(self.splits, list(splits))
        rows = np.flatnonzero(keep)
        if not len(rows):
            asked = " and ".join([*where, *([f"split in {list(splits)}"] if splits is not None else [])])
            raise InputError("no clip", f"clips with {asked}", file=self.paths[0])
        return rows

    def split_hash(self, rows: Indices) -> str:
        """A hash of the ids and glosses of these rows, whatever their order."""
        ids, glosses = self.table["id"].take(rows).to_pylist(), self.table["gloss"].take(rows).to_pylist()
        return split_hash(ids, glosses)

    def pose_hashes(self, rows: Sequence[int] | Indices) -> list[str]:
        """A hash of each clip's coordinates and mask, equal for bit-identical clips only: stored, or made."""
        rows = np.asarray(rows, dtype=np.int64)
        hashes: list[str | None] = [None] * len(rows)
        if POSE_HASH in self.table.column_names:
            hashes = self.table[POSE_HASH].take(rows).to_pylist()
        return [found or self._pose_hash(row) for found, row in zip(hashes, rows.tolist(), strict=True)]

    def _pose_hash(self, row: int) -> str:
        chunk, inside = self._chunk_of(row)
        span = slice(chunk.offsets[inside], chunk.offsets[inside + 1])
        return pose_hash(chunk.xy[span], chunk.seen[span])

    def flat(self, rows: Sequence[int] | Indices) -> Flat:
        """The clips of these rows end to end, in their order; touches only their own pages."""
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)} clips")
        found = self._chunks_of(rows)
        length = np.empty(len(rows), np.int64)
        for chunk, mine, inside in found:
            length[mine] = chunk.offsets[inside + 1] - chunk.offsets[inside]
        total, place = int(length.sum()), np.cumsum(length) - length
        xy = np.empty((total, JOINT_COUNT * 2), np.float16)
        score = np.empty((total, JOINT_COUNT), np.float32)
        size = np.empty((len(rows), 2), np.float32)
        for chunk, mine, inside in found:
            source = spans(chunk.offsets[inside], length[mine])
            target = spans(place[mine], length[mine])
            xy[target] = chunk.xy[source]
            score[target] = scores(chunk, inside, source, length[mine])
            size[mine] = chunk.size[inside]
        wide = xy.astype(np.float32)
        if not np.isfinite(wide).all():
            raise self._not_finite(rows, length, wide)
        return Flat(wide.reshape(total, JOINT_COUNT, 2), score, size.repeat(length, axis=0), length)

    def _chunks_of(self, rows: Indices) -> list[tuple[Chunk, Indices, Indices]]:
        """The chunks that hold these rows: each with the places in `rows` it answers, and its own rows for them."""
        batch_of = np.searchsorted(self._firsts, rows, side="right") - 1
        found: list[tuple[Chunk, Indices, Indices]] = []
        wanted: dict[PackFile, list[tuple[Chunk, Indices]]] = {}
        for batch in np.unique(batch_of).tolist():
            file, number = self._places[batch]
            mine = np.flatnonzero(batch_of == batch)
            chunk, inside = file.chunk(number), rows[mine] - self._firsts[batch]
            found.append((chunk, mine, inside))
            wanted.setdefault(file, []).append((chunk, inside))
        for file, chunks in wanted.items():
            file.need(chunks)
        return found

    def _chunk_of(self, row: int) -> tuple[Chunk, int]:
        chunk, _, inside = self._chunks_of(np.asarray([row], np.int64))[0]
        return chunk, int(inside[0])

    def _not_finite(self, rows: Indices, length: Indices, xy: FloatArray) -> InputError:
        place, ends = int(np.argmin(np.isfinite(xy).all(axis=1))), np.cumsum(length)
        which = int(np.searchsorted(ends, place, side="right"))
        frame, row = place - int(ends[which] - length[which]), int(rows[which])
        name = self.name_of(row)
        return InputError("NaN or infinity", "finite coordinates", file=name["pack"], clip=name["id"], frame=frame)

    def name_of(self, row: int) -> dict[str, str]:
        """A clip's id, and the pack file it is in."""
        chunk, inside = self._chunk_of(row)
        file = self.paths[int(self.file_of(np.asarray([row]))[0])]
        return {"pack": str(file), "id": chunk.batch.column("id")[inside].as_py()}

    def recording(self, row: int) -> Recording:
        """One clip as a Recording in image fractions."""
        flat = self.flat([row])
        chunk, inside = self._chunk_of(row)
        about = {name: chunk.batch.column(name)[inside].as_py() for name in COLUMNS}
        size = (about["width"], about["height"]) if about["width"] and about["height"] else None
        return Recording(
            about["id"],
            flat.xy,
            flat.score,
            size=size,
            fps=about["fps"],
            source=about["source"] or "",
            estimator=about["estimator"] or "",
        )
