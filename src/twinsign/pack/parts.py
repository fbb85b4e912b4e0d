"""An import's finished record batches, each a file of its own, so that an interrupted import goes on where it was."""

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

KEY = "key"
DONE_KEY = b"twinsign_done"
"""Footer metadata of a part: JSON of the samples read so far, and of what was remarkable since the last part."""


class Parts:
    """The parts written so far of one import: which samples they cover, and which of these were unreadable."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self.folder, self.schema = folder, schema
        self.read = 0
        """Samples that the parts stand for."""
        self.rows: list[int] = []
        """Clips of each part."""
        self.unreadable: dict[str, str] = {}
        self.notes: dict[str, list[str]] = {}
        while self._go_on():
            pass

    def _go_on(self) -> bool:
        """Take in the next part; False where there is none, or only a damaged one."""
        try:
            reader = ipc.open_file(pa.memory_map(str(self._file(len(self.rows)))))
            done = json.loads(reader.metadata[DONE_KEY])
            whole = bool(reader.num_record_batches == 1 and reader.schema.equals(self.schema))
        except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
            return False
        if whole:
            self._took(reader.get_batch(0), done)
        return whole

    def add(self, batch: pa.RecordBatch, read: int, unreadable: dict[str, str], notes: dict[str, list[str]]) -> None:
        """Keep a finished batch, after `read` samples, and what was `unreadable` or noted since the last part."""
        done = {"read": read, "unreadable": unreadable, "notes": notes}
        with (
            atomic(self._file(len(self.rows))) as temporary,
            ipc.new_file(temporary, self.schema, metadata={DONE_KEY: json.dumps(done).encode()}) as file,
        ):
            file.write_batch(batch)
        self._took(batch, done)

    def _took(self, batch: pa.RecordBatch, done: dict[str, Any]) -> None:
        self.rows.append(batch.num_rows)
        self.read = done["read"]
        self.unreadable.update(done["unreadable"])
        self.notes.update(done["notes"])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The batches in order, memory-mapped."""
        for number in range(len(self.rows)):
            yield ipc.open_file(pa.memory_map(str(self._file(number)))).get_batch(0)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06d}.arrow"


@contextmanager
def parts_of(target: Path, key: str, schema: pa.Schema) -> Iterator[tuple[Parts, bool]]:
    """The parts of an import to `target`, and whether parts of other inputs were thrown away for it.

    They survive the block's failure, and go with its success. InputError where another process imports to `target`.
    """
    folder = target.with_name(f".{target.name}.partial")
    with locked(folder):
        other = (folder / KEY).is_file() and (folder / KEY).read_text(encoding="utf-8") != key
        if other:
            for file in folder.glob("*.arrow"):
                file.unlink()
        write_text(folder / KEY, key)
        yield Parts(folder, schema), other
        shutil.rmtree(folder)
