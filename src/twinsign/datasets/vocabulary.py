"""Nested vocabularies: the first so many classes of a corpus."""

from __future__ import annotations

from collections.abc import Sequence


def memberships(name: str, label: int, sizes: Sequence[int]) -> dict[str, str]:
    """A column for each subset, "1" where class number `label` (from 0) is in it: {"wlasl100": "1", …}."""
    return {f"{name}{size}": str(int(label < size)) for size in sizes}
