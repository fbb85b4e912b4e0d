"""Many clips in one file: a row each, read one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from twinsign.files import writable
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.recording import Recording

SPLITS = frozenset(("train", "training", "val", "valid", "validation", "dev", "test", "testing"))
"""Names, in any case, of splits that files state as such; packing calls them train, val and test."""


@dataclass(frozen=True)
class PoseSet(ABC):
    """The clips of one file: a row each with a unique `id`, and `gloss`, `split`, `signer` where the file states them.

    `notes` describe the file as a whole. Raises InputError where an id is empty or occurs twice.
    """

    file: ClipFile
    rows: list[dict[str, str]]
    notes: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        ids: set[str] = set()
        for number, row in enumerate(self.rows):
            if not row.get("id"):
                raise self.file.error(f"clip number {number} without an id", "an id for each clip")
            if not all(writable(text) for text in (*row, *row.values())):
                wanted = "text that UTF-8 can encode"
                raise self.file.error(f"half a surrogate pair in the row of clip number {number}", wanted)
            if row["id"] in ids:
                raise replace(self.file, clip_id=row["id"]).error("an id used twice", "unique ids")
            ids.add(row["id"])

    @property
    def path(self) -> Path:
        """The file that holds the clips."""
        return self.file.path

    @property
    def files(self) -> list[Path]:
        """All files that the clips and rows come from."""
        return [self.path]

    def __len__(self) -> int:
        return len(self.rows)

    def clip(self, number: int) -> Recording:
        """Clip `number` from 0; InputError if it alone is damaged, IndexError beyond the last."""
        number = range(len(self))[number]
        return self._read(number, replace(self.file, clip_id=self.rows[number]["id"]))

    @abstractmethod
    def _read(self, number: int, clip: ClipFile) -> Recording:
        """The recording of clip `number`; `clip` is the file under that clip's id."""

    def __iter__(self) -> Iterator[tuple[Recording, dict[str, str]]]:
        """Every clip with its row; ends with InputError at the first bad one: call `clip` to continue past it."""
        for number, row in enumerate(self.rows):
            yield self.clip(number), row
