"""What a dictionary of signs holds at one moment: its entries, their unit vectors, and whose they are."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from twinsign.dictionary.calibration import OpenCalibration
from twinsign.errors import InputError
from twinsign.files import parse_json, sha256
from twinsign.inference.embeddings import EMBEDDING
from twinsign.nn.features import unit_means
from twinsign.pack.locate import ENDING
from twinsign.pack.open import Pack
from twinsign.pose.recording import Recording
from twinsign.runs.run import Run

ABOUT, FORMAT = "dictionary.json", 1


@dataclass(frozen=True)
class Sign:
    """A recording to enrol: of which gloss and, where known, by whom."""

    recording: Recording
    gloss: str
    signer: str = ""


@dataclass(frozen=True)
class Entry:
    """What a dictionary says of one of its signs; `added` is when, in UTC."""

    id: str
    gloss: str
    signer: str
    source: str
    added: str
    frames: int


@dataclass(frozen=True)
class Added:
    """Ids of the signs that were enrolled, and of those that were there: (recording's id, its entry's id)."""

    ids: list[str]
    known: list[tuple[str, str]]


@dataclass(frozen=True)
class About:
    """What dictionary.json holds: whose the vectors (D numbers) are, how often it changed, what a search may trust."""

    run: str
    run_hash: str
    width: int
    edition: int = 0
    calibration: dict[str, OpenCalibration] | None = None
    """By the way of ranking, `nearest` or `prototype`; None: not fitted since the last change."""
    signs: int | None = None
    """Entries when this was written; None: an earlier version wrote it."""
    reading: str = ""
    """How the RUN read poses when the vectors were made (`reading_key`)."""


def reading_key(run: Run) -> str:
    """A hash of what a RUN leaves out of poses, by which an earlier version's vectors are told; "" for nothing."""
    crop = run.recipe.read.crop
    return sha256(repr((crop.ignore, crop.shape))) if crop.ignore or crop.shape != "pixels" else ""


def files_of(folder: Path) -> list[tuple[str, int, int, int]]:
    """Name, inode, size and time of a dictionary's packs: others are other content, whatever dictionary.json says."""
    found = [(file.name, file.stat()) for file in sorted(folder.glob(f"*{ENDING}"))]
    return [(name, about.st_ino, about.st_size, about.st_mtime_ns) for name, about in found]


class Entries:
    """The signs of one edition of a dictionary; none of it changes."""

    def __init__(self, folder: Path, about: About) -> None:
        self.about, self.files = about, files_of(folder)
        self.pack = Pack(folder) if any(folder.glob(f"*{ENDING}")) else None

    def column(self, name: str) -> list[Any]:
        """A column's values, one an entry."""
        return [] if self.pack is None else self.pack.column(name)

    @property
    def calibration(self) -> dict[str, OpenCalibration] | None:
        """What was fitted on these entries; None where a process was killed between changing them and saying so."""
        return self.about.calibration if self.about.signs in (None, len(self.ids)) else None

    @cached_property
    def ids(self) -> list[str]:
        """Every entry's id."""
        return self.column("id")

    @cached_property
    def glosses(self) -> list[str]:
        """The glosses, sorted."""
        return sorted(set(self.column("gloss")))

    @cached_property
    def labels(self) -> Tensor:
        """Each entry's place (N) in `glosses`."""
        number = {gloss: place for place, gloss in enumerate(self.glosses)}
        return torch.tensor([number[gloss] for gloss in self.column("gloss")], dtype=torch.long)

    @cached_property
    def vectors(self) -> Tensor:
        """Unit vectors (N D) in memory."""
        if self.pack is None:
            return torch.zeros(0, self.about.width)
        found = self.pack.table[EMBEDDING] if EMBEDDING in self.pack.table.column_names else None
        wanted = pa.list_(pa.float32(), self.about.width)
        if found is None or found.type != wanted or found.null_count:
            raise InputError(
                f"vectors of type {found and found.type}", f"{wanted} in every row", file=self.pack.paths[0]
            )
        return torch.from_numpy(_numbers(found, self.about.width))

    @cached_property
    def prototypes(self) -> Tensor:
        """Each gloss's unit mean (C D)."""
        return unit_means(self.vectors, self.labels, len(self.glosses))

    @cached_property
    def places(self) -> dict[str, int]:
        """Each id's row."""
        return {name: row for row, name in enumerate(self.ids)}


def _numbers(column: pa.ChunkedArray, width: int) -> NDArray[np.float32]:
    """A column of fixed-size lists as one array (N D)."""
    found = [chunk.flatten().to_numpy(zero_copy_only=True).reshape(-1, width) for chunk in column.chunks]
    return np.concatenate(found)


def read_about(folder: Path) -> About:
    """The dictionary.json of a folder; InputError where it is none."""
    file = folder / ABOUT
    try:
        values = parse_json(file.read_bytes())
        if values["format"] != FORMAT:
            raise InputError(f"format {values['format']!r}", f"format {FORMAT}", file=file)
        return _about(values)
    except FileNotFoundError as error:
        hint = "`twinsign enrol` makes one."
        raise InputError(f"no {ABOUT}", "a dictionary of enrolled signs", file=folder, hint=hint) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"what is no dictionary ({error})", f"the {ABOUT} of one", file=file) from error


def _about(values: dict[str, Any]) -> About:
    """The checked fields; KeyError, TypeError or AttributeError where they are others."""
    fitted = values["calibration"]
    known = None if fitted is None else {name: OpenCalibration(**one) for name, one in fitted.items()}
    numbers = [number for one in (known or {}).values() for number in astuple(one)]
    if not all(type(one) in (int, float) and math.isfinite(one) for one in numbers):
        raise TypeError("a calibration that is no numbers")
    if not all(type(values[name]) is int and values[name] >= 0 for name in ("width", "edition")):
        raise TypeError("width or edition that is no number")
    signs = values.get("signs")
    if signs is not None and type(signs) is not int:
        raise TypeError("signs that are no number")
    facts = (str(values["run"]), str(values["run_hash"]), values["width"], values["edition"], known, signs)
    return About(*facts, str(values.get("reading", "")))
