"""A folder of enrolled signs: packs whose clips carry a unit vector each, bound to the RUN that made the vectors.

dictionary.json names the RUN; 000001.pack and so on hold the signs with their poses, so that they can be played back,
drawn (`twinsign view`) and enrolled again for another RUN (`twinsign enrol --data DICTIONARY --split all`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from twinsign import __version__
from twinsign.datasets.sample import Sample
from twinsign.dictionary.calibration import OpenCalibration
from twinsign.dictionary.entries import (
    ABOUT,
    FORMAT,
    EnrolResult,
    Entries,
    Entry,
    Metadata,
    Sign,
    file_stats,
    read_metadata,
    reading_key,
)
from twinsign.errors import InputError
from twinsign.files import locked, write_json
from twinsign.inference.embeddings import EMBEDDING
from twinsign.pack.clip import EncodedClip, encode_clip
from twinsign.pack.locate import PACK_SUFFIX
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import BATCH_CLIPS, BATCH_MOST, POSE_HASH, decoding, schema
from twinsign.pack.write import record_batch, write_file
from twinsign.pose.recording import FloatArray, Recording
from twinsign.runs.run import Run

ADDED = "added"
"""The column of when a sign was enrolled."""
NEAR = 5
"""Similar names listed where one is not in the dictionary."""


class DictionaryStore:
    """Enrolled signs in a folder. Every change is whole or not at all; `refresh` shows those of other processes."""

    def __init__(self, path: str | PathLike[str], metadata: Metadata) -> None:
        self.path = Path(path)
        self.entries = Entries(self.path, metadata)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> DictionaryStore:
        """Open a dictionary; raises InputError where there is none."""
        return cls(path, read_metadata(Path(path)))

    @classmethod
    def of(cls, path: str | PathLike[str], run: Run, width: int) -> DictionaryStore:
        """The dictionary in a folder, or an empty one for a RUN, not yet written, for a new folder."""
        folder = Path(path)
        if (folder / ABOUT).is_file():
            return cls.open(folder)
        if folder.is_dir() and any(not file.name.startswith(".") for file in folder.iterdir()):
            raise InputError(f"a folder without {ABOUT}", "a dictionary, or a new folder", file=path)
        return cls(folder, Metadata(run.reference, run.vectors_digest(), width, reading=reading_key(run)))

    @property
    def metadata(self) -> Metadata:
        """Contents of dictionary.json when it was last read."""
        return self.entries.metadata

    def __len__(self) -> int:
        return len(self.entries.ids)

    def check(self, run: Run) -> None:
        """Raise InputError where another RUN made the vectors: their angles to this one's mean nothing."""
        if self.metadata.run_hash != run.vectors_digest():
            hint = f"Enrol it again: twinsign enrol --model {run.path} --data {self.path} --split all --dictionary NEW."
            maker = f"vectors of the RUN {self.metadata.run_hash} ({self.metadata.run})"
            raise InputError(maker, f"those of {run.path} ({run.vectors_digest()})", file=self.path, hint=hint)

    def refresh(self) -> Entries:
        """The current entries, read again where another process has changed them."""
        if (self.path / ABOUT).is_file():
            metadata = read_metadata(self.path)
            if metadata != self.metadata or file_stats(self.path) != self.entries.files:
                self.entries = Entries(self.path, metadata)
        return self.entries

    def listed(self) -> list[Entry]:
        """Every entry, in the order of enrolling."""
        columns: list[list[Any]] = [
            ["" if value is None else value for value in self.entries.column(field.name)] for field in fields(Entry)
        ]
        return [Entry(*row) for row in zip(*columns, strict=True)]

    def recording(self, id: str) -> Recording:
        """An entry's poses; InputError names similar ids where there is no such entry."""
        entries = self.entries
        if entries.pack is None or id not in entries.places:
            raise self._unknown(id, entries.ids)
        return entries.pack.recording(entries.places[id])

    def add(self, signs: Sequence[Sign], vectors: FloatArray) -> EnrolResult:
        """Enrol recordings with their unit vectors (N D), except those with the poses of an entry."""
        with locked(self.path, tidy=True):
            entries = self.refresh()
            id_of = dict(zip(entries.column(POSE_HASH), entries.ids, strict=True))
            names, new, enrolled = set(entries.ids), [], []
            now = datetime.now(UTC).isoformat(timespec="seconds")
            for sign, vector in zip(signs, vectors, strict=True):
                clip = _encode(sign)
                poses, base = clip.columns[POSE_HASH], f"{clip.columns['gloss']}:{sign.recording.id}"
                if poses in id_of:
                    enrolled.append((sign.recording.id, id_of[poses]))
                    continue
                name = (
                    base if base not in names else next(f"{base}-{n}" for n in count(2) if f"{base}-{n}" not in names)
                )
                names.add(name)
                id_of[poses] = name
                new.append(clip._replace(columns={**clip.columns, "id": name, EMBEDDING: vector, ADDED: now}))
            if new:
                if not (self.path / ABOUT).is_file():  # first, so that no crash leaves signs without their RUN
                    self._save(None)
                self._append(new)
                self._save(None)
            return EnrolResult([clip.columns["id"] for clip in new], enrolled)

    def remove(self, names: Sequence[str]) -> list[str]:
        """Delete entries by id or gloss and return their ids; InputError, with nothing deleted, for an unknown name."""
        with locked(self.path, tidy=True):
            entries, leaving = self.refresh(), set()
            for name in names:
                glosses = zip(entries.ids, entries.column("gloss"), strict=True)
                ids = [name] if name in entries.places else [id for id, gloss in glosses if gloss == name]
                if not ids:
                    raise self._unknown(name, [*entries.glosses, *entries.ids])
                leaving.update(ids)
            for file in sorted(self.path.glob(f"*{PACK_SUFFIX}")):
                table = _read(file)
                kept = table.filter(pa.array([id not in leaving for id in table["id"].to_pylist()]))
                if not len(kept):
                    file.unlink()
                elif len(kept) < len(table):
                    _write(file, kept)
            self._save(None)
            return [id for id in entries.ids if id in leaving]

    def renew(self, run: Run, vectors_of: Callable[[Pack, Indices], FloatArray]) -> bool:
        """Recompute the vectors where the RUN reads poses otherwise than when they were made; whether it did so.

        An earlier version showed networks joints without training on them. Raises InputError where the dictionary
        cannot be written.
        """
        if self.metadata.reading == reading_key(run):
            return False
        try:
            with locked(self.path, tidy=True):
                for file in sorted(self.path.glob(f"*{PACK_SUFFIX}")):
                    table, pack = _read(file), Pack(file)
                    values = pa.array(vectors_of(pack, np.arange(len(pack))).ravel())
                    column = pa.FixedSizeListArray.from_arrays(values, self.metadata.width)
                    _write(file, table.set_column(table.column_names.index(EMBEDDING), EMBEDDING, column))
                self._save(None, reading_key(run))
        except OSError as error:
            hint = "Enrol it again in a writable place: --data this dictionary, --split all, --dictionary NEW."
            vectors = f"vectors of an earlier version ({error})"
            raise InputError(vectors, "a dictionary that can be updated", file=self.path, hint=hint) from error
        return True

    def save_calibration(self, calibration: dict[str, OpenCalibration]) -> None:
        """Keep what was fitted on the entries of this edition; nothing where they have changed since."""
        with locked(self.path, tidy=True):
            if read_metadata(self.path) == self.metadata:
                self._save(calibration)

    def _unknown(self, name: str, names: Sequence[str]) -> InputError:
        near = get_close_matches(name, names, NEAR, 0.5) or names[:NEAR]
        hint = f"Near: {', '.join(near)}." if near else "It is empty."
        return InputError(f"no sign {name!r}", "a gloss or an id of the dictionary", file=self.path, hint=hint)

    def _append(self, clips: Sequence[EncodedClip]) -> None:
        """Write clips to new files, the first of them together with the last file while that is a small one."""
        layout = schema([], json.dumps({"twinsign": __version__, "command": "enrol"}))
        layout = layout.append(pa.field(ADDED, pa.string()))
        layout = layout.append(pa.field(EMBEDDING, pa.list_(pa.float32(), self.metadata.width)))
        files = sorted(self.path.glob(f"*{PACK_SUFFIX}"))
        number, before = int(files[-1].stem) + 1 if files else 1, layout.empty_table()
        if files and len(last := _read(files[-1])) < BATCH_CLIPS:
            number, before = number - 1, last
        for start in range(0, len(clips), BATCH_MOST):
            batch = pa.Table.from_batches([record_batch(clips[start : start + BATCH_MOST], layout)])
            _write(self.path / f"{number:06d}{PACK_SUFFIX}", pa.concat_tables([before, batch]))
            number, before = number + 1, layout.empty_table()

    def _save(self, calibration: dict[str, OpenCalibration] | None, reading: str | None = None) -> None:
        """Write dictionary.json for the packs as they are now, and read them."""
        metadata = replace(
            self.metadata,
            edition=self.metadata.edition + 1,
            calibration=calibration,
            signs=len(Entries(self.path, self.metadata).ids),
            reading=self.metadata.reading if reading is None else reading,
        )
        write_json(self.path / ABOUT, {"format": FORMAT, "twinsign": __version__, **asdict(metadata)})
        self.entries = Entries(self.path, metadata)


def _encode(sign: Sign) -> EncodedClip:
    gloss = " ".join(sign.gloss.split())
    if not gloss:
        raise InputError(f"gloss {sign.gloss!r}", "a name for the sign", clip=sign.recording.id)
    return encode_clip(Sample(sign.recording.id, lambda: sign.recording, {"gloss": gloss, "signer": sign.signer}))


def _read(file: Path) -> pa.Table:
    """All rows of one file, memory-mapped."""
    with decoding(file):
        return ipc.open_file(pa.memory_map(str(file))).read_all()


def _write(file: Path, table: pa.Table) -> None:
    batches = table.combine_chunks().to_batches()
    write_file(file, table.schema, batches, [batch.num_rows for batch in batches])
