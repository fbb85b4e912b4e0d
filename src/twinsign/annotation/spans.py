"""A stretch of a recording and what is said of it."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """From `begin` to `end`, in seconds from the recording's begin, and the sign there, if known."""

    begin: float
    end: float
    gloss: str = ""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.begin


def overlap(first: Span, second: Span) -> float:
    """Intersection over union of two stretches, 0 to 1."""
    common = min(first.end, second.end) - max(first.begin, second.begin)
    return max(0.0, common) / max(max(first.end, second.end) - min(first.begin, second.begin), 1e-9)
