"""Contents of a dictionary of signs at one moment: entries, their unit vectors, and the metadata in dictionary.json."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from twinsign.dictionary.calibration import OpenCalibration
from twinsign.errors import InputError
from twinsign.files import parse_json, sha256
from twinsign.inference.embeddings import EMBEDDING
from twinsign.nn.features import unit_means
from twinsign.pack.locate import PACK_SUFFIX
from twinsign.pack.open import Pack
from twinsign.pose.recording import Recording
from twinsign.runs.run import Run

ABOUT, FORMAT = "dictionary.json", 1


@dataclass(frozen=True)
class Sign:
    """A recording to enrol, its gloss and, if known, its signer.

    Examples:
        >>> import twinsign as ts
        >>> ts.Sign(ts.read("clip.npz"), "tea", signer="Ada").gloss
        'tea'
    """

    recording: Recording
    gloss: str
    signer: str = ""


@dataclass(frozen=True)
class Entry:
    """An enrolled sign; `added` is when it was enrolled, in UTC."""

    id: str
    gloss: str
    signer: str
    source: str
    added: str
    frames: int


@dataclass(frozen=True)
class EnrolResult:
    """Ids of newly enrolled signs, and of recordings enrolled before: (recording's id, its entry's id)."""

    ids: list[str]
    known: list[tuple[str, str]]


@dataclass(frozen=True)
class Metadata:
    """Contents of dictionary.json: the RUN that made the vectors (D numbers), edition and calibration."""

    run: str
    run_hash: str
    width: int
    edition: int = 0
    calibration: dict[str, OpenCalibration] | None = None
    """By ranking, `nearest` or `prototype`; None: not fitted since the last change."""
    signs: int | None = None
    """Entries when this was written; None: written by an earlier version."""
    reading: str = ""
    """How the RUN read poses when the vectors were made (`reading_key`)."""


def reading_key(run: Run) -> str:
    """A hash of which joints and shapes a RUN ignores in poses, to detect vectors of earlier versions; "" for none."""
    crop = run.recipe.read.crop
    return sha256(repr((crop.ignore, crop.shape))) if crop.ignore or crop.shape != "pixels" else ""


def file_stats(folder: Path) -> list[tuple[str, int, int, int]]:
    """Name, inode, size and time of each pack: they change with the content, whatever dictionary.json says."""
    stats = [(file.name, file.stat()) for file in sorted(folder.glob(f"*{PACK_SUFFIX}"))]
    return [(name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


class Entries:
    """The signs of one edition of a dictionary, immutable."""

    def __init__(self, folder: Path, metadata: Metadata) -> None:
        self.metadata, self.files = metadata, file_stats(folder)
        self.pack = Pack(folder) if self.files else None

    def column(self, name: str) -> list[Any]:
        """A column's values, one per entry."""
        return [] if self.pack is None else self.pack.column(name)

    @property
    def calibration(self) -> dict[str, OpenCalibration] | None:
        """What was fitted on these entries; None where a process was killed between changing and recording them."""
        return self.metadata.calibration if self.metadata.signs in (None, len(self.ids)) else None

    @cached_property
    def ids(self) -> list[str]:
        """Every entry's id."""
        return self.column("id")

    @cached_property
    def places(self) -> dict[str, int]:
        """Row of each id."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def glosses(self) -> list[str]:
        """The glosses, sorted."""
        return sorted(set(self.column("gloss")))

    @cached_property
    def labels(self) -> Tensor:
        """Each entry's index (N) in `glosses`."""
        number = {gloss: index for index, gloss in enumerate(self.glosses)}
        return torch.tensor([number[gloss] for gloss in self.column("gloss")], dtype=torch.long)

    @cached_property
    def vectors(self) -> Tensor:
        """Unit vectors (N D) in memory."""
        width = self.metadata.width
        if self.pack is None:
            return torch.zeros(0, width)
        column = self.pack.table[EMBEDDING] if EMBEDDING in self.pack.table.column_names else None
        wanted = pa.list_(pa.float32(), width)
        if column is None or column.type != wanted or column.null_count:
            kind = f"vectors of type {column and column.type}"
            raise InputError(kind, f"{wanted} in every row", file=self.pack.paths[0])
        chunks = [chunk.flatten().to_numpy(zero_copy_only=True).reshape(-1, width) for chunk in column.chunks]
        return torch.from_numpy(np.concatenate(chunks))

    @cached_property
    def prototypes(self) -> Tensor:
        """Unit mean of each gloss's vectors (C D)."""
        return unit_means(self.vectors, self.labels, len(self.glosses))


def read_metadata(folder: Path) -> Metadata:
    """Parse and check a folder's dictionary.json; raises InputError where there is none or it is damaged."""
    file = folder / ABOUT
    try:
        values = parse_json(file.read_bytes())
        if values["format"] != FORMAT:
            raise InputError(f"format {values['format']!r}", f"format {FORMAT}", file=file)
        calibration = values["calibration"]
        if calibration is not None:
            calibration = {by: OpenCalibration(**fitted) for by, fitted in calibration.items()}
        numbers = [number for fitted in (calibration or {}).values() for number in astuple(fitted)]
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise TypeError("calibration with values that are no numbers")
        signs = values.get("signs")
        counts = [values["width"], values["edition"], *([] if signs is None else [signs])]
        if not all(type(count) is int and count >= 0 for count in counts):
            raise TypeError("width, edition or signs that is no count")
        facts = (str(values["run"]), str(values["run_hash"]), values["width"], values["edition"], calibration, signs)
        return Metadata(*facts, str(values.get("reading", "")))
    except FileNotFoundError as error:
        hint = "`twinsign enrol` makes one."
        raise InputError(f"no {ABOUT}", "a dictionary of enrolled signs", file=folder, hint=hint) from error
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"a damaged dictionary ({error})", f"the {ABOUT} of one", file=file) from error
