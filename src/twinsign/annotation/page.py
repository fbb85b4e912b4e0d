"""A page that plays a recording's skeleton, and its video, beside the timeline of its segments."""

from __future__ import annotations

import base64
import os
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from twinsign.annotation.source import Piece
from twinsign.annotation.writers import Document, vtt_text
from twinsign.files import write_text
from twinsign.pose.layout import BONES, LEFT_HAND, RIGHT_HAND

PAGE_RATE = 12.5
"""Frames a second that the page plays of longer recordings."""
MOST_FRAMES = 60_000
"""Frames in a page; of longer recordings every second, fourth, eighth … one is shown."""
EDGE = 0.25
"""How far outside the picture joints are drawn, in pictures."""


class PageFrames:
    """The skeleton's frames for the page, thinned out as the recording goes on; a byte a coordinate."""

    def __init__(self) -> None:
        self._frames: list[NDArray[np.uint8]] = []
        self._times: list[float] = []
        self._step, self._next = 1 / PAGE_RATE, 0.0
        self.size: tuple[int, int] = (4, 3)

    def add(self, piece: Piece) -> None:
        """Add the frames of the next piece."""
        recording = piece.recording
        self.size = recording.size or self.size
        wanted = []
        for number, time in enumerate(piece.times.tolist()):
            if time >= self._next - 1e-6:
                wanted.append(number)
                self._next = max(self._next + self._step, time + self._step / 2)
        if wanted:
            xy, seen = recording.xy[wanted], recording.seen[wanted]
            steps = 1 + np.round(np.clip((xy + EDGE) / (1 + 2 * EDGE), 0, 1) * 254)
            self._frames += list(np.where(seen[..., None], steps, 0).astype(np.uint8))
            self._times += piece.times[wanted].tolist()
        while len(self._frames) > MOST_FRAMES:
            self._frames, self._times, self._step = self._frames[::2], self._times[::2], 2 * self._step

    def plain(self) -> dict[str, Any]:
        """Times in milliseconds and coordinates as text."""
        coordinates = np.stack(self._frames).tobytes() if self._frames else b""
        times = np.round(1000 * np.asarray(self._times)).astype("<u4").tobytes()
        return {
            "frames": base64.b64encode(coordinates).decode(),
            "times": base64.b64encode(times).decode(),
            "size": list(self.size),
            "edge": EDGE,
            "bones": [list(bone) for bone in BONES],
            "right": [RIGHT_HAND.start, RIGHT_HAND.stop],
            "left": [LEFT_HAND.start, LEFT_HAND.stop],
        }


def write_page(document: Document, frames: PageFrames, path: Path) -> None:
    """Write one self-contained page, whole or not at all; a video is linked, not copied."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8"))
    media = None if document.media is None else quote(os.path.relpath(document.media, path.parent))
    rows = [segment.row() for segment in document.segments]
    page = template.render(
        title=document.name, rows=rows, skeleton=frames.plain(), media=media or "", captions=vtt_text(document)
    )
    write_text(path, page.encode("utf-8", "replace").decode() + "\n")
