"""How much a file of one clip may hold; readers check it against headers and bytes, before anything is decoded."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """Upper bounds of one file. The defaults are far above any real clip; a server sets its own.

    Args:
        frames: Frames of the clip.
        seconds: Length of a video, by its own clock.
        pixels: Pixels of one stored frame of a video.
        persons: Persons in one frame.
        points: Points of one person in a `.pose` file.
        members: Members of an archive.
        values: Numbers in all arrays of a file together.
        nodes: Values, objects and lists of a JSON file; an object counts four times, as it takes more memory.
    """

    frames: float = math.inf
    seconds: float = math.inf
    pixels: float = math.inf
    persons: int = 1000
    points: int = 10_000
    members: int = 1000
    values: float = math.inf
    nodes: float = math.inf


NO_BOUNDS = Bounds()
"""The defaults."""


def count_nodes(text: bytes | bytearray) -> int:
    """At least the number of values in a part of a JSON text, as `Bounds.nodes` counts them, without parsing it."""
    return text.count(b",") + text.count(b"[") + 4 * text.count(b"{")
