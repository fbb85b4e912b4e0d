"""An import's finished record batches, each a file of its own, from which an interrupted import resumes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from twinsign.files import atomic, locked, write_text

DONE_KEY = b"twinsign_done"
"""Footer metadata of a part: JSON of the samples read so far, and of what was unreadable or noted since the last."""


class Parts:
    """The parts of one import written so far, up to the first damaged one, and what they cover."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.folder, self.schema = folder, schema
        self.read = 0
        """Samples that the parts cover."""
        self.rows: list[int] = []
        """Clips of each part."""
        self.unreadable: dict[str, str] = {}
        self.notes: dict[str, list[str]] = {}
        while True:
            try:
                reader = ipc.open_file(pa.memory_map(str(self._file(len(self.rows)))))
                done = json.loads(reader.metadata[DONE_KEY])
                if reader.num_record_batches != 1 or not reader.schema.equals(self.schema):
                    break
            except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
                break
            self._count(reader.get_batch(0), done)

    def add(self, batch: pa.RecordBatch, read: int, unreadable: dict[str, str], notes: dict[str, list[str]]) -> None:
        """Write a finished batch, after `read` samples, with what was unreadable or noted since the last part."""
        done = {"read": read, "unreadable": unreadable, "notes": notes}
        with (
            atomic(self._file(len(self.rows))) as temporary,
            ipc.new_file(temporary, self.schema, metadata={DONE_KEY: json.dumps(done).encode()}) as file,
        ):
            file.write_batch(batch)
        self._count(batch, done)

    def _count(self, batch: pa.RecordBatch, done: dict[str, Any]) -> None:
        self.rows.append(batch.num_rows)
        self.read = done["read"]
        self.unreadable.update(done["unreadable"])
        self.notes.update(done["notes"])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The batches in order, memory-mapped one after the other."""
        return (ipc.open_file(pa.memory_map(str(self._file(n)))).get_batch(0) for n in range(len(self.rows)))

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.arrow"


@contextmanager
def open_parts(target: Path, key: str, schema: pa.Schema) -> Iterator[tuple[Parts, bool]]:
    """The parts of an import to `target` of inputs with this hash, and whether parts of other inputs were removed.

    They survive the block's failure, and are removed after its success. InputError where another process imports there.
    """
    folder = target.with_name(f".{target.name}.partial")
    with locked(folder):
        file = folder / "key"
        of_other_inputs = file.is_file() and file.read_text(encoding="utf-8") != key
        if of_other_inputs:
            for part in folder.glob("*.arrow"):
                part.unlink()
        write_text(file, key)
        yield Parts(folder, schema), of_other_inputs
        shutil.rmtree(folder)
