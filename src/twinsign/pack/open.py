"""Opening packs: memory-mapped, so that a batch touches only its own clips' pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.files import sha256
from twinsign.pack.clip import pose_hash
from twinsign.pack.file import Chunk, Indices, PackFile, concatenated_ranges
from twinsign.pack.locate import Location, is_url, locate
from twinsign.pack.schema import COLUMNS, POSE_HASH, decoding
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray, Recording

__all__ = ["FlatClips", "Indices", "Pack"]


class FlatClips(NamedTuple):
    """Clips end to end: xy (F 49 2) fractions, score (F 49), image size (F 2) or ones, frame counts (B)."""

    xy: FloatArray
    score: FloatArray
    size: FloatArray
    length: Indices


def dataset_of(provenance: dict[str, Any]) -> str:
    """The dataset that a pack states, or whose own command packed it (`pack wlasl`); "" where unknown."""
    command = str(provenance.get("command", "")).split()
    of_dataset = command[:1] == ["pack"] and len(command) == 2
    packed_as = command[1] if of_dataset and command[1] not in ("landmarks", "set", "folder", "synthetic") else ""
    return str(provenance.get("dataset") or packed_as).lower()


def split_hash(ids: Sequence[str], glosses: Sequence[str | None]) -> str:
    """A hash of clips' ids and glosses, whatever their order: equal reports are of equal clips."""
    return sha256(*sorted(f"{clip}\t{gloss}" for clip, gloss in zip(ids, glosses, strict=True)))


class Pack:
    """Packs (files, globs, folders of shards, URLs) as one list of clips; nothing is read before it is needed.

    Examples:
        >>> import twinsign as ts
        >>> pack = ts.Pack("packs/signs.pack")
        >>> test = pack.select("test")
        >>> 0 < len(test) < len(pack), pack.recording(int(test[0])).xy.shape[1:]
        (True, (49, 2))
    """

    def __init__(self, paths: str | PathLike[str] | Sequence[str | PathLike[str]]) -> None:
        names = [paths] if isinstance(paths, str | PathLike) else list(paths)
        self.given: list[Location] = [str(name) if is_url(name) else Path(name) for name in names]
        """The packs as the caller named them."""
        located = [locate(name) for name in self.given]
        self.paths = [path for files in located for path in files]
        self._files = [PackFile(path) for path in self.paths]
        self.provenance = [file.provenance for file in self._files]
        self.datasets = [dataset_of(note) for note in self.provenance]
        """Name of the dataset of each of `paths`, "" where unknown."""
        self.missing = [row for file in self._files for row in file.missing]
        """Clips that the annotations list without poses: id, gloss, split and more."""
        self._batches = [(file, number) for file in self._files for number in range(len(file.rows))]
        self._batch_starts = np.cumsum([0, *(rows for file in self._files for rows in file.rows)])
        self._file_starts = np.cumsum([0, *(sum(file.rows) for file in self._files)])
        self._given_of_file = np.repeat(np.arange(len(located)), [len(files) for files in located])
        if not len(self):
            raise InputError("a pack without clips", "at least one clip", file=self.paths[0])

    def __reduce__(self) -> tuple[type[Pack], tuple[list[Location]]]:
        """Another process opens the files itself instead of being sent their content."""
        return Pack, (self.given,)

    def __len__(self) -> int:
        return int(self._batch_starts[-1])

    @cached_property
    def table(self) -> pa.Table:
        """All columns but the poses, checked; read when first needed."""
        batches = [pa.Table.from_batches([file.columns(number)]) for file, number in self._batches]
        with decoding(self.paths[-1]):
            return pa.concat_tables(batches, promote_options="default")

    @property
    def rows(self) -> pa.Table:
        """Id, gloss, split, signer and every other column of the clips, as an Arrow table."""
        return self.table

    def file_of(self, rows: Indices) -> Indices:
        """Which of `paths` each of these rows is in."""
        return np.searchsorted(self._file_starts, rows, side="right") - 1

    def given_of(self, rows: Indices) -> Indices:
        """Which of `given` each of these rows is in."""
        numbers: Indices = self._given_of_file[self.file_of(rows)]
        return numbers

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
        encoded = pc.dictionary_encode(pc.fill_null(self.table["split"], "none")).combine_chunks()
        names = np.asarray([name or "none" for name in encoded.dictionary.to_pylist()], np.str_)
        splits: NDArray[np.str_] = names[encoded.indices.to_numpy()]
        return splits

    def column(self, name: str) -> list[Any]:
        """A column's values, one a clip; InputError where the pack lacks it."""
        if name not in self.table.column_names:
            wanted = f"one of {', '.join(self.table.column_names)}"
            raise InputError(f"no column {name!r}", wanted, file=self.paths[0])
        values: list[Any] = self.table[name].to_pylist()
        return values

    def select(self, split: str | Sequence[str] | None = None, where: str | Sequence[str] = ()) -> Indices:
        """Return the rows of one or more splits (None: all) for which every `COLUMN=VALUE` holds, else InputError."""
        splits = [split] if isinstance(split, str) else split
        where = [where] if isinstance(where, str) else where
        keep = np.ones(len(self), bool)
        for condition in where:
            name, equals, value = condition.partition("=")
            if not equals:
                raise InputError(f"condition {condition!r}", "COLUMN=VALUE", file=self.paths[0])
            self.column(name)
            keep &= np.asarray(pc.fill_null(pc.equal(pc.cast(self.table[name], pa.string()), value), False))
        if splits is not None:
            existing = np.unique(self.splits).tolist()
            for split in splits:
                if split not in existing and existing == ["none"]:
                    hint = "Pack them with splits: a column of --annotations, SPLIT/GLOSS/clip, or --split_by."
                    problem = f"no clip of split {split!r}: no clip of the pack has a split"
                    raise InputError(problem, "clips with a split", file=self.paths[0], hint=hint)
                if split not in existing:
                    raise InputError(f"split {split!r}", f"one of {', '.join(existing)}", file=self.paths[0])
            keep &= np.isin(self.splits, list(splits))
        if not keep.any():
            conditions = [*where, *([f"split in {list(splits)}"] if splits is not None else [])]
            raise InputError("no clip", f"clips with {' and '.join(conditions)}", file=self.paths[0])
        return np.flatnonzero(keep)

    def split_hash(self, rows: Indices) -> str:
        """A hash of the ids and glosses of these rows, whatever their order."""
        return split_hash(*(self.table[name].take(rows).to_pylist() for name in ("id", "gloss")))

    def pose_hashes(self, rows: Sequence[int] | Indices) -> list[str]:
        """A hash of each clip's coordinates and mask, equal for bit-identical clips only: stored, or computed."""
        rows = np.asarray(rows, dtype=np.int64)
        has_hashes = POSE_HASH in self.table.column_names
        hashes = self.table[POSE_HASH].take(rows).to_pylist() if has_hashes else [None] * len(rows)
        return [stored or self._pose_hash(row) for stored, row in zip(hashes, rows.tolist(), strict=True)]

    def _pose_hash(self, row: int) -> str:
        chunk, clip = self._chunk_of(row)
        frames = slice(chunk.offsets[clip], chunk.offsets[clip + 1])
        return pose_hash(chunk.xy[frames], chunk.seen[frames])

    def flat(self, rows: Sequence[int] | Indices) -> FlatClips:
        """The clips of these rows end to end, in their order; touches only their own pages."""
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of {len(self)} clips")
        chunks = self._chunks_of(rows)
        length = np.empty(len(rows), np.int64)
        for chunk, places, clips in chunks:
            length[places] = chunk.offsets[clips + 1] - chunk.offsets[clips]
        total, starts = int(length.sum()), np.cumsum(length) - length
        xy = np.empty((total, JOINT_COUNT * 2), np.float16)
        score = np.empty((total, JOINT_COUNT), np.float32)
        size = np.empty((len(rows), 2), np.float32)
        for chunk, places, clips in chunks:
            source = concatenated_ranges(chunk.offsets[clips], length[places])
            target = concatenated_ranges(starts[places], length[places])
            xy[target] = chunk.xy[source]
            score[target] = chunk.scores(clips, source, length[places])
            size[places] = chunk.size[clips]
        wide = xy.astype(np.float32)
        if not np.isfinite(wide).all():
            frame = int(np.argmin(np.isfinite(wide).all(axis=1)))
            place = int(np.searchsorted(starts + length, frame, side="right"))
            clip, frame = self.name_of(int(rows[place])), frame - int(starts[place])
            raise InputError("NaN or infinity", "finite coordinates", file=clip["pack"], clip=clip["id"], frame=frame)
        return FlatClips(wide.reshape(total, JOINT_COUNT, 2), score, size.repeat(length, axis=0), length)

    def _chunks_of(self, rows: Indices) -> list[tuple[Chunk, Indices, Indices]]:
        """The chunks that hold these rows: each with the places in `rows` of its own, and their numbers within it."""
        batch_of = np.searchsorted(self._batch_starts, rows, side="right") - 1
        chunks: list[tuple[Chunk, Indices, Indices]] = []
        needed: dict[PackFile, list[tuple[Chunk, Indices]]] = {}
        for batch in np.unique(batch_of).tolist():
            file, number = self._batches[batch]
            places = np.flatnonzero(batch_of == batch)
            chunk, clips = file.chunk(number), rows[places] - self._batch_starts[batch]
            chunks.append((chunk, places, clips))
            needed.setdefault(file, []).append((chunk, clips))
        for file, clips_of_chunks in needed.items():
            file.need(clips_of_chunks)
        return chunks

    def _chunk_of(self, row: int) -> tuple[Chunk, int]:
        ((chunk, _, clips),) = self._chunks_of(np.asarray([row], np.int64))
        return chunk, int(clips[0])

    def name_of(self, row: int) -> dict[str, str]:
        """A clip's id, and the pack file it is in."""
        chunk, clip = self._chunk_of(row)
        file = self.paths[int(self.file_of(np.asarray([row]))[0])]
        return {"pack": str(file), "id": chunk.batch.column("id")[clip].as_py()}

    def recording(self, row: int) -> Recording:
        """One clip as a Recording in image fractions."""
        flat = self.flat([row])
        chunk, clip = self._chunk_of(row)
        values = {name: chunk.batch.column(name)[clip].as_py() for name in COLUMNS}
        size = (values["width"], values["height"]) if values["width"] and values["height"] else None
        source, estimator = values["source"] or "", values["estimator"] or ""
        return Recording(
            values["id"], flat.xy, flat.score, size=size, fps=values["fps"], source=source, estimator=estimator
        )
