"""What a check gives: a value for JSON, findings in words with their clips, and tables for the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from twinsign.report.html import Table

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
"""error: results would be wrong; warning: likely bad data; note: good to know."""


@dataclass(frozen=True)
class Finding:
    """One thing found: its level, a sentence, and the clips it is about."""

    level: Level
    said: str
    clips: Sequence[str] = ()


@dataclass(frozen=True)
class Checked:
    """A check's JSON value, its findings, its tables, and further JSON keys."""

    value: Any
    findings: Sequence[Finding] = ()
    tables: Sequence[Table] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def counted(count: int, one: str, many: str = "") -> str:
    """ "1 clip", "3 clips"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def some(names: Iterable[str], limit: int = 8) -> str:
    """The first names of a list, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")
