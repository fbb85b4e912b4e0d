"""Simple ways to cut a long recording, which anything better is compared with."""

from __future__ import annotations

import numpy as np

from twinsign.annotation.fit import recording_signals
from twinsign.annotation.resampling import frame_times
from twinsign.annotation.segmenter import LiveSegmenter
from twinsign.annotation.signals import PER_HAND, RATE, SPEED, in_sight
from twinsign.annotation.source import Piece
from twinsign.annotation.spans import Span
from twinsign.pose.recording import Recording

WINDOW = 1.7
"""Seconds of a fixed window, of 1 to 2.2 among the best on validation clips; the median sign of WLASL takes 1.6."""
MOVING = 1.0
"""Hand lengths a second above which a hand moves; of 0.5 to 4 the best on validation clips on the whole."""
SHORTEST = 0.3
"""Seconds of the shortest movement that counts, and of the longest stop within one."""


def fixed_windows(recording: Recording) -> list[Span]:
    """Windows of one length end to end, where a hand is in sight."""
    shown = in_sight(recording_signals(recording))
    length = round(WINDOW * RATE)
    return [
        Span(first / RATE, min(first + length, len(shown)) / RATE)
        for first in range(0, len(shown), length)
        if shown[first : first + length].mean() > 0.5
    ]


def movement_threshold(recording: Recording) -> list[Span]:
    """Stretches in which a hand moves faster than a threshold."""
    values = recording_signals(recording)
    speed = values[:, [SPEED, PER_HAND + SPEED]].max(axis=1)
    moving = np.concatenate([[False], speed > MOVING, [False]])
    edges = np.flatnonzero(np.diff(moving.astype(int)))
    spans: list[Span] = []
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if spans and first / RATE - spans[-1].end <= SHORTEST:
            spans[-1] = Span(spans[-1].begin, stop / RATE)
        else:
            spans.append(Span(first / RATE, stop / RATE))
    return [span for span in spans if span.seconds >= SHORTEST]


def live_segments(recording: Recording) -> list[Span]:
    """What the live segmenter finds."""
    segmenter = LiveSegmenter()
    return segmenter.push(Piece(recording, frame_times(recording))) + segmenter.finish()


BASELINES = {"fixed windows": fixed_windows, "movement threshold": movement_threshold, "live segmenter": live_segments}
