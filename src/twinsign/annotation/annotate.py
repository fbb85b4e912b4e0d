"""One long recording: its segments and their names, found piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from twinsign.annotation.naming import Name, Namer
from twinsign.annotation.resampling import Poses, at_even_rate
from twinsign.annotation.segmenter import LongSegmenter
from twinsign.annotation.source import Piece
from twinsign.annotation.spans import Span
from twinsign.pose.layout import HANDS
from twinsign.pose.recording import Recording
from twinsign.pose.resampling import Times

BATCH = 64
"""Segments named at once."""


@dataclass(frozen=True)
class Annotated:
    """A segment, in seconds and frames of the recording, and what it is."""

    begin: float
    end: float
    first_frame: int
    stop_frame: int
    name: Name

    def row(self) -> dict[str, Any]:
        """The segment as plain values."""
        name = {key: value for key, value in asdict(self.name).items() if value or key in ("guesses", "sure")}
        times = {"begin": round(self.begin, 3), "end": round(self.end, 3)}
        return {**times, "first_frame": self.first_frame, "stop_frame": self.stop_frame, **name}


class _Buffer:
    """The frames that later segments may still need."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self.first = 0
        """Number of the first frame kept."""

    def add(self, piece: Piece) -> None:
        self._pieces.append(piece)

    def forget(self, before: float) -> None:
        """Drop pieces that end before this time."""
        while len(self._pieces) > 1 and self._pieces[0].times[-1] < before:
            self.first += len(self._pieces.pop(0).times)

    def cut(self, span: Span) -> tuple[Recording, int] | None:
        """The frames of a segment at an even rate and the number of the first; None where it has no frame."""
        times = np.concatenate([piece.times for piece in self._pieces])
        first, stop = np.searchsorted(times, [span.begin - 1e-6, span.end - 1e-6])
        if stop <= first:
            return None
        parts = []
        place = 0
        for piece in self._pieces:
            low, high = max(first - place, 0), min(stop - place, len(piece.times))
            if low < high:
                parts.append((piece.recording.xy[low:high], piece.recording.score[low:high]))
            place += len(piece.times)
        poses = Poses(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        like = self._pieces[-1].recording
        return _even(like, poses, times[first:stop], span), self.first + int(first)


def _even(like: Recording, poses: Poses, times: Times, span: Span) -> Recording:
    poses, fps = at_even_rate(poses, times, like.fps or 1)
    return replace(like, id=f"{like.id} at {span.begin:.2f} s", xy=poses.xy, score=poses.score, fps=fps, notes=())


def annotate_pieces(
    pieces: Iterable[Piece],
    segmenter: LongSegmenter,
    namer: Namer,
    tick: Callable[[Piece], object] = lambda piece: None,
) -> Iterator[Annotated]:
    """Yield the segments of a recording in their order; `tick` is called with each piece that is done."""
    buffer, waiting = _Buffer(), list[tuple[Span, int, Recording]]()

    def cut(spans: Iterable[Span]) -> None:
        for span in spans:
            found = buffer.cut(span)
            if found is not None and found[0].seen[:, HANDS].any():
                waiting.append((span, found[1], found[0]))

    def named(least: int) -> Iterator[Annotated]:
        while waiting and len(waiting) >= least:
            batch = waiting[:BATCH]
            del waiting[:BATCH]
            names = namer.name([recording for _, _, recording in batch])
            for (span, first, recording), name in zip(batch, names, strict=True):
                yield Annotated(span.begin, span.end, first, first + len(recording.xy), name)

    for piece in pieces:
        buffer.add(piece)
        cut(segmenter.push(piece))
        buffer.forget(segmenter.needed)
        yield from named(BATCH)
        tick(piece)
    cut(segmenter.finish())
    yield from named(1)
