"""Which clips could be copies of one another: nearest neighbours of short descriptions, in cells, not all pairs.

Comparing all pairs, as scikit-learn's NearestNeighbors does, is faster for 3,000 clips but slower from 10,000 on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.doctor.tracks import BINS, CHANNELS, WAYS, nonempty_profiles, turn_profiles
from twinsign.pack.open import Indices
from twinsign.pose.recording import FloatArray

CUTS = (0, 8, 16)
WINDOWS = tuple((first, BINS - last) for first in CUTS for last in CUTS if first + last <= max(CUTS))
"""Parts of a clip, in bins, that are searched for as whole clips: up to a quarter is cut away."""
MOMENTS = 8
"""Of a description."""
NEAREST = 6
"""Neighbours kept of each clip."""
FARTHEST = 0.35
"""Distance of two descriptions, each of unit norm, beyond which clips are no candidates."""
CELL = 400
"""Clips in a cell on average."""
PROBES = 8
"""Cells searched for each query; with no more cells than that all pairs are compared."""
ROUNDS = 6
"""Iterations of Lloyd's algorithm."""
CLIPS_AT_ONCE = 4096
"""Clips described at once."""
AT_ONCE = 2**21
"""Similarities computed at once."""
_NEIGHBOURS = np.dtype(
    [("query", np.int64), ("near", np.int64), ("distance", np.float64), ("way", np.int64), ("window", np.int64)]
)
"""Two clips, the distance of their descriptions, how the first is turned (index of WAYS), its part (of WINDOWS)."""


class Candidates(NamedTuple):
    """Pairs of clips: two rows (K 2), how the first is turned, an index of WAYS (K), its window in [0, 1] (K 2)."""

    rows: Indices
    way: Indices
    window: FloatArray


def describe(profile: NDArray[np.floating], first: int = 0, last: int = BINS) -> FloatArray:
    """Descriptions (N D) of bins first to last of profiles (N BINS CHANNELS 2): centred, of unit norm."""
    part = np.asarray(profile[:, first:last], np.float32)
    moments = part.reshape(len(part), MOMENTS, -1, CHANNELS, 2).mean(axis=2)
    seen = np.isfinite(moments).all(axis=3, keepdims=True)
    count = np.maximum(seen.sum(axis=(1, 2), keepdims=True), 1)
    mean = np.where(seen, moments, 0).sum(axis=(1, 2), keepdims=True) / count
    return _unit(np.where(seen, moments - mean, 0).reshape(len(part), MOMENTS * CHANNELS * 2))


def find_candidates(profile: NDArray[np.float16]) -> Candidates:
    """Pairs whose descriptions are near: a window of the first clip, turned in any way, and the whole second."""
    usable = nonempty_profiles(profile)
    pairs = np.zeros(0, _NEIGHBOURS)
    if len(usable) > 1:
        shown_profile = profile[usable]
        cells = _Cells(_described(shown_profile))
        for way, name in enumerate(WAYS):
            for number, window in enumerate(WINDOWS):
                neighbours = cells.search(_described(shown_profile, name, window))
                neighbours["way"], neighbours["window"] = way, number
                pairs = _best_of_pairs(np.concatenate([pairs, neighbours]))
    window_of = np.asarray(WINDOWS, np.float32)[pairs["window"]] / np.float32(BINS)
    return Candidates(usable[np.stack([pairs["query"], pairs["near"]], axis=1)], pairs["way"], window_of)


def _described(profile: NDArray[np.float16], way: str = "same", window: tuple[int, int] = (0, BINS)) -> FloatArray:
    """`describe` of turned profiles, in parts: a large pack's profiles are never all copied."""
    parts = (profile[start : start + CLIPS_AT_ONCE] for start in range(0, len(profile), CLIPS_AT_ONCE))
    return np.concatenate([describe(turn_profiles(part, way), *window) for part in parts])


def _best_of_pairs(neighbours: NDArray[np.void]) -> NDArray[np.void]:
    """The nearest record of each pair in either direction; of these the NEAREST of each query."""
    low, high = (pick(neighbours["query"], neighbours["near"]) for pick in (np.minimum, np.maximum))
    pair = low * (high.max(initial=0) + 1) + high
    order = np.lexsort((neighbours["distance"], pair))
    best = neighbours[order[np.unique(pair[order], return_index=True)[1]]]
    best = best[np.lexsort((best["distance"], best["query"]))]
    rank = np.arange(len(best)) - np.searchsorted(best["query"], best["query"])
    kept: NDArray[np.void] = best[rank < NEAREST]
    return kept


class _Cells:
    """Descriptions (N D) sorted into cells around means, so that a query is compared with few of them."""

    def __init__(self, described: FloatArray) -> None:
        self.described = described
        count = len(described) // CELL
        self.centres = described[:1] if count <= PROBES else _centres(described, count)
        home = self._nearest_cells(described, 1)[:, 0]
        self.members = [np.flatnonzero(home == cell) for cell in range(len(self.centres))]

    def _nearest_cells(self, described: FloatArray, count: int) -> Indices:
        rows = max(1, AT_ONCE // len(self.centres))
        parts = (described[start : start + rows] @ self.centres.T for start in range(0, len(described), rows))
        return np.concatenate([_largest(part, count) for part in parts])

    def search(self, queries: FloatArray) -> NDArray[np.void]:
        """Of each query (N D), of the same clips in the same order, the nearest others, NEAREST per cell."""
        probes = self._nearest_cells(queries, PROBES)
        order = np.argsort(probes, axis=None, kind="stable")
        ends = np.searchsorted(probes.ravel()[order], np.arange(len(self.members) + 1))
        neighbours = [np.zeros(0, _NEIGHBOURS)]
        for cell, members in enumerate(self.members):
            asking = order[ends[cell] : ends[cell + 1]] // probes.shape[1]
            rows = max(1, AT_ONCE // max(1, len(members)))
            for start in range(0, len(asking) if len(members) else 0, rows):
                neighbours.append(self._search_cell(queries, asking[start : start + rows], members))
        return np.concatenate(neighbours)

    def _search_cell(self, queries: FloatArray, rows: Indices, members: Indices) -> NDArray[np.void]:
        similarity = queries[rows] @ self.described[members].T
        similarity[rows[:, None] == members[None]] = -1
        close = similarity > 1 - FARTHEST**2 / 2
        if close.sum() > NEAREST * len(rows):  # crowded: at most NEAREST of each query
            kept = np.zeros_like(close)
            np.put_along_axis(kept, _largest(similarity, NEAREST), True, axis=1)
            close &= kept
        query, near = np.nonzero(close)
        neighbours = np.zeros(len(query), _NEIGHBOURS)
        neighbours["query"], neighbours["near"] = rows[query], members[near]
        neighbours["distance"] = np.sqrt(np.maximum(2 - 2 * similarity[query, near], 0))
        return neighbours


def _centres(described: FloatArray, count: int) -> FloatArray:
    """Means of a sample's clusters, by a few iterations of Lloyd's algorithm on the sphere."""
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


def _largest(values: FloatArray, count: int) -> Indices:
    """The columns of each row's largest values, (n count) or all, in no order."""
    count = min(count, values.shape[1])
    columns: Indices = np.argpartition(-values, count - 1, axis=1)[:, :count].copy()  # a view would keep all columns
    return columns
