"""The main job end to end on generated signs."""

from __future__ import annotations

from pathlib import Path


def demo(out: Path = Path("demo")) -> int:
    """Generate signs, pre-train, compare."""
    return 0
