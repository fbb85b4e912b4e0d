"""Where signs begin and end in a long recording that comes piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from twinsign.annotation.decode import DecodeConfig, decode
from twinsign.annotation.network import BoundaryNet
from twinsign.annotation.resampling import Poses, poses_of, resample
from twinsign.annotation.signals import AROUND, RATE, in_sight, signals
from twinsign.annotation.source import Piece
from twinsign.annotation.spans import Span
from twinsign.errors import InputError
from twinsign.files import write_bytes
from twinsign.pose.recording import FloatArray
from twinsign.pose.resampling import Times
from twinsign.runs.shipped import shipped_path
from twinsign.streaming.segmenter import Frame, Segmenter, SegmenterConfig

SEGMENTER = "segmenter.safetensors"
"""The file's name in a RUN."""
CONTEXT = AROUND / 2 + 2
"""Seconds around a moment that its signals and the network's answer depend on."""
SETTLE = 10.0
"""A segment is final once this many seconds after its end are known."""


class LongSegmenter(Protocol):
    """Finds the signs of one recording: `push` takes its pieces in order, `finish` ends it."""

    needed: float
    """Frames before this time, in seconds, belong to no later segment."""

    def push(self, piece: Piece) -> list[Span]:
        """Take the next piece; the segments that are final by now."""
        ...

    def finish(self) -> list[Span]:
        """End the recording; the remaining segments."""
        ...


def save_segmenter(network: BoundaryNet, path: Path) -> None:
    """Write a fitted network whole or not at all."""
    write_bytes(path, save({name: value.contiguous() for name, value in network.state_dict().items()}))


def load_segmenter(path: Path) -> BoundaryNet:
    """Read a fitted network; InputError where the file is none."""
    wanted = "a file that `twinsign segmenter` wrote"
    if not path.is_file():
        raise InputError("no such file", wanted, file=path)
    try:
        tensors = load_file(path)
        network = BoundaryNet(len(tensors["first.bias"]))
        network.load_state_dict(tensors)
    except (SafetensorError, KeyError, RuntimeError, OSError) as error:
        raise InputError(f"other content ({str(error).splitlines()[0][:100]})", wanted, file=path) from error
    return network.eval()


def likely_states(network: BoundaryNet, values: FloatArray) -> FloatArray:
    """Log-probabilities (T 3) of the states by signals (T CHANNELS)."""
    with torch.no_grad():
        logits = network(torch.from_numpy(values)[None])[0]
        return np.asarray(logits.log_softmax(dim=-1).numpy(), np.float32)


class LearnedSegmenter:
    """Segments by a fitted network; all that is kept is what segments that are not final depend on."""

    def __init__(self, network: BoundaryNet, config: DecodeConfig | None = None) -> None:
        self.needed = 0.0
        self._network, self._config = network, config or DecodeConfig()
        self._grid: Poses | None = None
        self._first, self._cut = 0, 0  # moments, in 1 / RATE s from the recording's begin: of the grid, of what is open
        self._last: tuple[Poses, Times] | None = None

    def push(self, piece: Piece) -> list[Span]:
        """Take the next piece; the segments that are final by now."""
        poses, times = poses_of(piece.recording), piece.times
        if self._last is not None:
            before, time = self._last
            poses = Poses(*(np.concatenate(pair) for pair in zip(before, poses, strict=True)))
            times = np.concatenate([time, times])
        start = 0 if self._grid is None else self._first + len(self._grid.xy)
        moments = np.arange(start, int(np.floor(times[-1] * RATE + 1e-6)) + 1) / RATE
        self._last = Poses(poses.xy[-1:], poses.score[-1:]), times[-1:]
        if len(moments):
            new = resample(poses, times, moments)
            grid = self._grid
            self._grid = new if grid is None else Poses(*map(np.concatenate, zip(grid, new, strict=True)))
        return self._settle(SETTLE)

    def finish(self) -> list[Span]:
        """End the recording; the remaining segments."""
        return self._settle(0.0)

    def _settle(self, margin: float) -> list[Span]:
        if self._grid is None:
            return []
        values = signals(self._grid)
        open_from = self._cut - self._first
        shown = in_sight(values)
        found = decode(likely_states(self._network, values)[open_from:], self._config)
        last = len(values) - open_from - round(margin * RATE)
        done = [segment for segment in found if segment[1] <= last]
        going_on = [segment[0] for segment in found if segment[1] > last]
        spans = [
            Span((self._cut + first) / RATE, (self._cut + stop) / RATE)
            for first, stop in done
            if shown[open_from + first : open_from + stop].any()
        ]
        self._cut += max(min([max(last, 0), *going_on]), done[-1][1] if done else 0)
        self.needed = self._cut / RATE
        keep = max(self._first, self._cut - round(CONTEXT * RATE))
        self._grid = Poses(*(part[keep - self._first :].copy() for part in self._grid))
        self._first = keep
        return spans


class LiveSegmenter:
    """Segments by the rules of the live segmenter, for RUNs without a fitted network, and as a baseline."""

    def __init__(self, config: SegmenterConfig | None = None) -> None:
        self.needed = 0.0
        self._config = config or SegmenterConfig()
        self._segmenter: Segmenter | None = None

    def push(self, piece: Piece) -> list[Span]:
        """Take the next piece; the segments that are final by now."""
        recording, spans = piece.recording, list[Span]()
        self._segmenter = self._segmenter or Segmenter(self._config, recording.size)
        for time, xy, score in zip(piece.times.tolist(), recording.xy, recording.score, strict=True):
            segment = self._segmenter.push(Frame(time, xy, score))
            if segment is not None:
                spans.append(Span(segment.begin, segment.end))
        begin = self._segmenter.begin
        self.needed = (piece.times[-1] if begin is None else begin) - self._config.longest
        return spans

    def finish(self) -> list[Span]:
        """End the recording; the remaining segments."""
        segment = self._segmenter.finish() if self._segmenter else None
        return [] if segment is None else [Span(segment.begin, segment.end)]


def segmenter_file(path: Path | None, model: Path | None) -> Path | None:
    """This file, by default that of a RUN or shipped model; None where that has none."""
    if path is not None or model is None:
        return path
    own = (shipped_path(model) or model) / SEGMENTER
    return own if own.is_file() else None


def segmenter_of(path: Path | None, model: Path) -> BoundaryNet | None:
    """The network of this file, by default the RUN's or shipped model's own; None where that has none."""
    file = segmenter_file(path, model)
    return None if file is None else load_segmenter(file)


def long_segmenter(network: BoundaryNet | None) -> LongSegmenter:
    """A segmenter for one recording: by the network, or without one by the live segmenter's rules."""
    return LiveSegmenter() if network is None else LearnedSegmenter(network)
