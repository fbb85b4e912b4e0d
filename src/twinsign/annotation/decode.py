"""The likeliest segments, from how likely it is at each moment that a sign begins, goes on, or that there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinsign.annotation.signals import RATE
from twinsign.pose.recording import FloatArray

OUT, BEGIN, INSIDE = range(3)
BEGIN_SECONDS = 0.2
"""The first part of a sign, which counts as its begin."""


@dataclass(frozen=True)
class DecodeConfig:
    """Which segments are likely at all; times in seconds."""

    shortest: float = 0.3
    longest: float = 6.0
    usual: float = 1.8
    """Signs' usual length, median of a log-normal distribution."""
    spread: float = 0.5
    """Its standard deviation, of the logarithm."""
    weight: float = 1.0
    """How much the length counts beside the moments."""
    each: float = 0.0
    """What every segment costs."""


def decode(likely: FloatArray, config: DecodeConfig) -> list[tuple[int, int]]:
    """The segments [first, stop), in moments, that together are likeliest by log-probabilities (T 3)."""
    count = len(likely)
    total = np.concatenate([np.zeros((1, 3)), np.cumsum(likely, axis=0, dtype=np.float64)])
    begin = round(BEGIN_SECONDS * RATE)
    low, high = max(begin, round(config.shortest * RATE)), round(config.longest * RATE)
    lengths = np.arange(low, high + 1)
    prior = -config.weight * 0.5 * ((np.log(lengths / RATE) - np.log(config.usual)) / config.spread) ** 2 - config.each
    # A sign from s to t: its begin's moments as such, the others as inside.
    started = total[begin:, BEGIN] - total[: count + 1 - begin, BEGIN] - total[begin:, INSIDE]
    best, choice = np.zeros(count + 1), np.full(count + 1, -1)
    for stop in range(1, count + 1):
        best[stop] = best[stop - 1] + likely[stop - 1, OUT]
        if stop >= low:
            usable = lengths[: max(0, min(len(lengths), stop - low + 1))]
            first = stop - usable
            scores = best[first] + started[first] + prior[: len(usable)]
            place = int(np.argmax(scores))
            score = scores[place] + total[stop, INSIDE]
            if score > best[stop]:
                best[stop], choice[stop] = score, first[place]
    return _trace(choice)


def _trace(choice: NDArray[np.int64]) -> list[tuple[int, int]]:
    segments, stop = [], len(choice) - 1
    while stop > 0:
        first = int(choice[stop])
        if first >= 0:
            segments.append((first, stop))
        stop = first if first >= 0 else stop - 1
    return segments[::-1]


def targets(spans: list[tuple[float, float]], count: int) -> NDArray[np.int64]:
    """The state (T) of each moment, for segments in seconds."""
    states = np.full(count, OUT)
    for begin, end in spans:
        first, stop = round(begin * RATE), round(end * RATE)
        states[first:stop] = INSIDE
        states[first : min(stop, first + round(BEGIN_SECONDS * RATE))] = BEGIN
    return states
