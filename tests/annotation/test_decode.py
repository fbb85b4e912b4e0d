from __future__ import annotations

import itertools

import numpy as np
import pytest

from twinsign.annotation.decode import BEGIN, INSIDE, OUT, DecodeConfig, decode, targets
from twinsign.annotation.signals import RATE


def brute_force(likely: np.ndarray, config: DecodeConfig) -> float:
    """The best score over all sets of segments, one by one."""
    count, begin = len(likely), round(0.2 * RATE)
    best = -np.inf
    low, high = round(config.shortest * RATE), round(config.longest * RATE)
    cuts = [(a, b) for a in range(count) for b in range(a + low, min(a + high, count) + 1)]
    for size in range(3):
        for chosen in itertools.combinations(cuts, size):
            if all(one[1] <= other[0] for one, other in itertools.pairwise(chosen)):
                best = max(best, score(likely, list(chosen), config, begin))
    return best


def score(likely: np.ndarray, segments: list[tuple[int, int]], config: DecodeConfig, begin: int) -> float:
    states = np.full(len(likely), OUT)
    total = 0.0
    for first, stop in segments:
        states[first:stop] = INSIDE
        states[first : first + begin] = BEGIN
        length = np.log((stop - first) / RATE / config.usual) / config.spread
        total -= config.weight * 0.5 * length**2 + config.each
    return total + float(likely[np.arange(len(likely)), states].sum())


@pytest.mark.parametrize("seed", range(4))
def test_decoding_finds_the_likeliest_segments(seed: int) -> None:
    config = DecodeConfig(longest=0.6)
    logits = np.random.default_rng(seed).normal(0, 2, (22, 3))
    likely = (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
    found = decode(likely, config)
    assert score(likely, found, config, 5) == pytest.approx(brute_force(likely, config), abs=1e-4)


def test_segments_come_back_from_their_own_states() -> None:
    spans = [(1.0, 2.4), (2.4, 4.0), (6.0, 7.2)]
    states = targets(spans, 200)
    likely = np.log(np.full((200, 3), 0.05, np.float32))
    likely[np.arange(200), states] = np.log(0.9)
    assert [(a / RATE, b / RATE) for a, b in decode(likely, DecodeConfig())] == spans
    assert decode(likely[:0], DecodeConfig()) == []
