"""A folder of enrolled signs: packs whose clips carry a unit vector each, bound to the RUN that made the vectors.

dictionary.json says whose it is; 000001.pack and so on hold the signs, poses too, so that they can be played back,
drawn (`twinsign view`) and enrolled anew for another RUN (`twinsign enrol --data DICTIONARY --split all`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import count
from os import PathLike
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from twinsign import __version__
from twinsign.datasets.sample import Sample
from twinsign.dictionary.calibration import OpenCalibration
from twinsign.dictionary.entries import (
    ABOUT,
    FORMAT,
    About,
    Added,
    Entries,
    Entry,
    Sign,
    files_of,
    read_about,
    reading_key,
)
from twinsign.errors import InputError
from twinsign.files import locked, write_json
from twinsign.inference.embeddings import EMBEDDING
from twinsign.pack.clip import StoredClip, stored_clip
from twinsign.pack.locate import ENDING
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import BATCH_CLIPS, BATCH_MOST, POSE_HASH, decoding, schema
from twinsign.pack.write import record_batch, write_file
from twinsign.pose.recording import FloatArray, Recording
from twinsign.runs.run import Run

ADDED = "added"
NEAR = 5
"""Names listed where one was not found."""


class Dictionary:
    """Enrolled signs in a folder; every change is whole or not at all, and other processes see it by `refresh`."""

    def __init__(self, path: str | PathLike[str], about: About) -> None:
        self.path = Path(path)
        self.entries = Entries(self.path, about)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Dictionary:
        """Open one; InputError where there is none."""
        return cls(path, read_about(Path(path)))

    @classmethod
    def of(cls, path: str | PathLike[str], run: Run, width: int) -> Dictionary:
        """A RUN's dictionary, or an empty one, not yet written, where none is there; InputError for another RUN's."""
        if not (Path(path) / ABOUT).is_file():
            if Path(path).is_dir() and any(not one.name.startswith(".") for one in Path(path).iterdir()):
                raise InputError(f"a folder without {ABOUT}", "a dictionary, or a new folder", file=path)
            return cls(path, About(str(run.path.resolve()), run.vectors_digest(), width, reading=reading_key(run)))
        found = cls.open(path)
        found.check(run)
        return found

    @property
    def about(self) -> About:
        """What dictionary.json held when it was last looked at."""
        return self.entries.about

    def __len__(self) -> int:
        return len(self.entries.ids)

    def check(self, run: Run) -> None:
        """InputError where the vectors are another RUN's: their angles to this one's mean nothing."""
        if self.about.run_hash != run.vectors_digest():
            hint = f"Enrol it anew: twinsign enrol --model {run.path} --data {self.path} --split all --dictionary NEW."
            found = f"vectors of the RUN {self.about.run_hash} ({self.about.run})"
            raise InputError(found, f"those of {run.path} ({run.vectors_digest()})", file=self.path, hint=hint)

    def refresh(self) -> Entries:
        """The entries as they are now, read anew where another process has changed them."""
        if (self.path / ABOUT).is_file():
            about = read_about(self.path)
            if about != self.about or files_of(self.path) != self.entries.files:
                self.entries = Entries(self.path, about)
        return self.entries

    def listed(self) -> list[Entry]:
        """What is known of every entry, in the order of enrolling."""
        columns = [self.entries.column(name) for name in ("id", "gloss", "signer", "source", ADDED, "frames")]
        return [
            Entry(id, gloss, signer or "", source or "", added, frames)
            for id, gloss, signer, source, added, frames in zip(*columns, strict=True)
        ]

    def recording(self, id: str) -> Recording:
        """An entry's poses; InputError names ids like one that is not there."""
        entries = self.entries
        if entries.pack is None or id not in entries.places:
            raise self._unknown(id, entries.ids)
        return entries.pack.recording(entries.places[id])

    def add(self, signs: Sequence[Sign], vectors: FloatArray) -> Added:
        """Enrol recordings with their unit vectors (N D); those whose very poses are there stay out."""
        with locked(self.path, tidy=True):
            entries = self.refresh()
            there = dict(zip(entries.column(POSE_HASH), entries.ids, strict=True))
            taken, new, known = set(entries.ids), [], []
            now = datetime.now(UTC).isoformat(timespec="seconds")
            for sign, vector in zip(signs, vectors, strict=True):
                clip = _stored(sign)
                if clip.columns[POSE_HASH] in there:
                    known.append((sign.recording.id, there[clip.columns[POSE_HASH]]))
                    continue
                name = _unused(f"{clip.columns['gloss']}:{sign.recording.id}", taken)
                taken.add(name)
                there[clip.columns[POSE_HASH]] = name
                new.append(clip._replace(columns={**clip.columns, "id": name, EMBEDDING: vector, ADDED: now}))
            if new:
                if not (self.path / ABOUT).is_file():  # first, so that no crash leaves signs of no RUN
                    self._changed(None)
                self._append(new)
                self._changed(None)
            return Added([clip.columns["id"] for clip in new], known)

    def remove(self, names: Sequence[str]) -> list[str]:
        """Delete entries by id, glosses with all of theirs, and give the ids; InputError, and nothing, for others."""
        with locked(self.path, tidy=True):
            entries = self.refresh()
            leaving = {one for name in names for one in self._named(name, entries)}
            for file in sorted(self.path.glob(f"*{ENDING}")):
                whole = _table(file)
                kept = whole.filter(pa.array([one not in leaving for one in whole["id"].to_pylist()]))
                if not len(kept):
                    file.unlink()
                elif len(kept) < len(whole):
                    _write(file, kept)
            self._changed(None)
            return [one for one in entries.ids if one in leaving]

    def renew(self, run: Run, vectors_of: Callable[[Pack, Indices], FloatArray]) -> bool:
        """Make the vectors anew where the RUN reads poses otherwise than when they were made; whether that was so.

        An earlier version showed networks joints that they had never learnt from. InputError where nothing can be
        written.
        """
        if self.about.reading == reading_key(run):
            return False
        try:
            with locked(self.path, tidy=True):
                for file in sorted(self.path.glob(f"*{ENDING}")):
                    whole, pack = _table(file), Pack(file)
                    values = pa.array(vectors_of(pack, np.arange(len(pack))).ravel())
                    column = pa.FixedSizeListArray.from_arrays(values, self.about.width)
                    _write(file, whole.set_column(whole.column_names.index(EMBEDDING), EMBEDDING, column))
                self._changed(None, reading_key(run))
        except OSError as error:
            hint = "Enrol it anew where it can be written: --data this dictionary, --split all, --dictionary NEW."
            found = f"vectors of an earlier version ({error})"
            raise InputError(found, "a dictionary that can be brought up to date", file=self.path, hint=hint) from error
        return True

    def calibrated(self, calibration: dict[str, OpenCalibration]) -> None:
        """Keep what was fitted on the entries of this edition; nothing where they have changed since."""
        with locked(self.path, tidy=True):
            if read_about(self.path) == self.about:
                self._changed(calibration)

    def _named(self, name: str, entries: Entries) -> list[str]:
        if name in entries.places:
            return [name]
        ids = [one for one, gloss in zip(entries.ids, entries.column("gloss"), strict=True) if gloss == name]
        if not ids:
            raise self._unknown(name, [*entries.glosses, *entries.ids])
        return ids

    def _unknown(self, name: str, names: Sequence[str]) -> InputError:
        near = get_close_matches(name, names, NEAR, 0.5) or names[:NEAR]
        hint = f"Near: {', '.join(near)}." if near else "It is empty."
        return InputError(f"no sign {name!r}", "a gloss or an id of the dictionary", file=self.path, hint=hint)

    def _append(self, clips: Sequence[StoredClip]) -> None:
        """Into the last file while that is a small one, which is then written anew, else into new ones."""
        files = sorted(self.path.glob(f"*{ENDING}"))
        layout = _layout(self.about.width)
        first, before = int(files[-1].stem) + 1 if files else 1, layout.empty_table()
        if files and len(last := _table(files[-1])) < BATCH_CLIPS:
            first, before = first - 1, last
        for number, start in enumerate(range(0, len(clips), BATCH_MOST), start=first):
            batch = record_batch(clips[start : start + BATCH_MOST], layout)
            _write(self.path / f"{number:06d}{ENDING}", pa.concat_tables([before, pa.Table.from_batches([batch])]))
            before = layout.empty_table()

    def _changed(self, calibration: dict[str, OpenCalibration] | None, reading: str | None = None) -> None:
        signs = len(Entries(self.path, self.about).ids)
        about = replace(self.about, edition=self.about.edition + 1, calibration=calibration, signs=signs)
        about = about if reading is None else replace(about, reading=reading)
        write_json(self.path / ABOUT, {"format": FORMAT, "twinsign": __version__, **asdict(about)})
        self.entries = Entries(self.path, about)


def _stored(sign: Sign) -> StoredClip:
    gloss = " ".join(sign.gloss.split())
    if not gloss:
        raise InputError(f"gloss {sign.gloss!r}", "a name for the sign", clip=sign.recording.id)
    row = {"gloss": gloss, "signer": sign.signer}
    return stored_clip(Sample(sign.recording.id, lambda: sign.recording, row))


def _unused(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(other for other in (f"{name}-{number}" for number in count(2)) if other not in taken)


def _layout(width: int) -> pa.Schema:
    made = schema([], json.dumps({"twinsign": __version__, "command": "enrol"}))
    return made.append(pa.field(ADDED, pa.string())).append(pa.field(EMBEDDING, pa.list_(pa.float32(), width)))


def _table(file: Path) -> pa.Table:
    """All of one file, mapped."""
    with decoding(file):
        return ipc.open_file(pa.memory_map(str(file))).read_all()


def _write(file: Path, table: pa.Table) -> None:
    batches = table.combine_chunks().to_batches()
    write_file(file, table.schema, batches, [one.num_rows for one in batches])
