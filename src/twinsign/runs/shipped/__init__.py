"""Models that come with the package: RUN folders beside this file, found by their names wherever a RUN goes.

Their weights are float16, and under LICENSE.weights, not the package's licence. `make models` trains them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from twinsign.files import parse_json

RECOGNISER, ENCODER = Path("asl300"), Path("asl2000")
"""The models of commands that name signs, and of those that compare them, where no other is asked for. Features that
labels of 1,996 American signs taught compare the signs of unfamiliar people better than `encoder` (docs/models.md)."""
LICENCE = "LICENSE.weights"
CARD = "model.json"
"""What a shipped model is for, what it can do and on which clips that was measured."""
_HOME = Path(__file__).parent


@dataclass(frozen=True)
class ShippedModel:
    """A model of the package: its name, its folder, its size in bytes, and the facts of its card."""

    name: str
    path: Path
    size: int
    facts: dict[str, Any]


def shipped_models() -> list[ShippedModel]:
    """The models that come with the package, by name."""
    return [_read(card.parent) for card in sorted(_HOME.glob(f"*/{CARD}"))]


def shipped_path(model: str | PathLike[str]) -> Path | None:
    """The folder of the shipped model of this name; None where there is none, or a local path has the name."""
    name = str(model)
    if Path(name).name != name or Path(name).exists():
        return None
    return _HOME / name if (_HOME / name / CARD).is_file() else None


def is_shipped(path: str | PathLike[str]) -> bool:
    """Whether this is the folder of a shipped model, which no command writes to."""
    return Path(path).resolve().parent == _HOME.resolve()


def _read(folder: Path) -> ShippedModel:
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    return ShippedModel(folder.name, folder, size, parse_json((folder / CARD).read_bytes()))
