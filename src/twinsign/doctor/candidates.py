"""Which clips could be copies of one another: nearest neighbours of short descriptions, in cells, not all pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.doctor.tracks import BINS, CHANNELS, WAYS, shown, turned_profiles
from twinsign.pack.open import Indices
from twinsign.pose.recording import FloatArray

CUTS = (0, 8, 16)
WINDOWS = tuple((first, BINS - last) for first in CUTS for last in CUTS if first + last <= max(CUTS))
"""Parts of a clip, in bins, that are looked for as whole clips: up to a quarter cut away."""
MOMENTS = 8
"""Of a description."""
NEAREST = 6
"""Neighbours kept of each clip."""
FARTHEST = 0.35
"""Distance of two descriptions, each of unit size, beyond which clips are no candidates."""
CELL = 400
"""Clips a cell holds on average."""
PROBES = 8
"""Cells looked into for each question; with no more cells than that all pairs are compared."""
ROUNDS = 6
"""Of moving the cells' centres."""
CLIPS_AT_ONCE = 4096
"""Clips described at once."""
AT_ONCE = 2**21
"""Likenesses computed at once."""


class Candidates(NamedTuple):
    """Pairs of clips: two rows (K 2), how the first is turned, an index of WAYS (K), its window in [0, 1] (K 2)."""

    rows: Indices
    way: Indices
    window: FloatArray


class Near(NamedTuple):
    """Neighbours found: who asked (K), who is near (K), at what distance (K)."""

    one: Indices
    other: Indices
    distance: FloatArray


NOTHING = Near(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))


def describe(profile: NDArray[np.floating], first: int = 0, last: int = BINS) -> FloatArray:
    """Descriptions (N D) of bins first to last of profiles (N BINS CHANNELS 2): centred, of unit size."""
    part = np.asarray(profile[:, first:last], np.float32)
    moments = part.reshape(len(part), MOMENTS, -1, CHANNELS, 2).mean(axis=2)
    seen = np.isfinite(moments).all(axis=3, keepdims=True)
    count = np.maximum(seen.sum(axis=(1, 2), keepdims=True), 1)
    mean = np.where(seen, moments, 0).sum(axis=(1, 2), keepdims=True) / count
    centred = np.where(seen, moments - mean, 0).reshape(len(part), MOMENTS * CHANNELS * 2)
    return _unit(centred)


def candidates(profile: NDArray[np.float16], tick: Callable[[], None] = lambda: None) -> Candidates:
    """Pairs whose descriptions are near: a window of the first clip, turned any way, and the whole second."""
    usable = shown(profile)
    if len(usable) < 2:
        return Candidates(np.zeros((0, 2), np.int64), np.zeros(0, np.int64), np.zeros((0, 2), np.float32))
    mine = profile[usable]
    cells = Cells(_described(mine))
    best = NOTHING
    kinds = np.zeros((0, 2), np.int64)
    for way, name in enumerate(WAYS):
        for number, window in enumerate(WINDOWS):
            found = cells.near(_described(mine, name, window))
            near = _joined([best, found])
            kinds = np.concatenate([kinds, np.tile(np.asarray([way, number]), (len(found.one), 1))])
            kept = _best_of_pairs(near)
            best, kinds = Near(near.one[kept], near.other[kept], near.distance[kept]), kinds[kept]
            tick()
    window_of = np.asarray(WINDOWS, np.float32)[kinds[:, 1]] / np.float32(BINS)
    return Candidates(usable[np.stack([best.one, best.other], axis=1)], kinds[:, 0], window_of)


def _described(profile: NDArray[np.float16], way: str = "same", window: tuple[int, int] = (0, BINS)) -> FloatArray:
    """`describe` of turned profiles, some at a time: a large pack's profiles are not all copied."""
    starts = range(0, len(profile), CLIPS_AT_ONCE)
    parts = (profile[start : start + CLIPS_AT_ONCE] for start in starts)
    return np.concatenate([describe(turned_profiles(part, way), *window) for part in parts])


def _best_of_pairs(near: Near) -> Indices:
    """Of each pair, however asked, the nearest question; then of each asking clip the NEAREST of these."""
    low, high = np.minimum(near.one, near.other), np.maximum(near.one, near.other)
    order = np.lexsort((near.distance, high, low))
    first = np.ones(len(order), bool)
    first[1:] = (low[order][1:] != low[order][:-1]) | (high[order][1:] != high[order][:-1])
    pairs = order[first]
    pairs = pairs[np.lexsort((near.distance[pairs], near.one[pairs]))]
    one = near.one[pairs]
    start = np.searchsorted(one, one)
    kept: Indices = pairs[np.arange(len(pairs)) - start < NEAREST]
    return kept


class Cells:
    """Descriptions (N D) sorted into cells around means, so that a question is compared with few of them."""

    def __init__(self, described: FloatArray) -> None:
        self.described = described
        count = len(described) // CELL
        self.centres = described[:1] if count <= PROBES else _centres(described, count)
        home = np.concatenate([near[:, 0] for near in self._nearest_cells(described, 1)])
        self.members = [np.flatnonzero(home == cell) for cell in range(len(self.centres))]

    def _nearest_cells(self, described: FloatArray, kept: int) -> list[Indices]:
        rows = max(1, AT_ONCE // len(self.centres))
        parts = [described[start : start + rows] @ self.centres.T for start in range(0, len(described), rows)]
        return [_largest(part, kept) for part in parts]

    def near(self, asked: FloatArray) -> Near:
        """For each question (N D), of the same clips in the same order, its nearest others, NEAREST a cell."""
        probes = np.concatenate(self._nearest_cells(asked, PROBES))
        found = [NOTHING]
        order = np.argsort(probes, axis=None, kind="stable")
        ends = np.searchsorted(probes.ravel()[order], np.arange(len(self.members) + 1))
        for cell, members in enumerate(self.members):
            asking = order[ends[cell] : ends[cell + 1]] // probes.shape[1]
            rows = max(1, AT_ONCE // max(1, len(members)))
            for start in range(0, len(asking) if len(members) else 0, rows):
                found.append(self._in_cell(asked, asking[start : start + rows], members))
        return _joined(found)

    def _in_cell(self, asked: FloatArray, rows: Indices, members: Indices) -> Near:
        likeness = asked[rows] @ self.described[members].T
        likeness[rows[:, None] == members[None]] = -1
        good = likeness > 1 - FARTHEST**2 / 2
        if good.sum() > NEAREST * len(rows):  # crowded: not more than NEAREST of each question
            top = _largest(likeness, NEAREST)
            kept = np.zeros_like(good)
            np.put_along_axis(kept, top, True, axis=1)
            good &= kept
        one, other = np.nonzero(good)
        distance = np.sqrt(np.maximum(2 - 2 * likeness[one, other], 0))
        return Near(rows[one], members[other], distance)


def _joined(parts: Sequence[Near]) -> Near:
    one, other, distance = zip(*parts, strict=True)
    return Near(np.concatenate(one), np.concatenate(other), np.concatenate(distance))


def _centres(described: FloatArray, count: int) -> FloatArray:
    """Means of a sample's clusters, by a few rounds of Lloyd's algorithm on the sphere."""
    random = np.random.default_rng(0)
    sample = described[np.sort(random.permutation(len(described))[: 40 * count])]
    centres = sample[random.permutation(len(sample))[:count]]
    for _ in range(ROUNDS):
        nearest = (sample @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        centres = np.where(np.bincount(nearest, minlength=count)[:, None] > 0, _unit(sums), centres)
    return centres


def _unit(vectors: FloatArray) -> FloatArray:
    out: FloatArray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-6))
    return out


def _largest(values: FloatArray, kept: int) -> Indices:
    """The columns of each row's largest values, (n kept) or all, in no order."""
    kept = min(kept, values.shape[1])
    found: Indices = np.argpartition(-values, kept - 1, axis=1)[:, :kept].copy()  # a view would keep all columns
    return found
