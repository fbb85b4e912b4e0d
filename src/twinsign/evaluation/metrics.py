"""How right a model is: top-1, -2 and -5 per instance and per class, their 95 % intervals, calibration, confusions.

Ties count against the model: a class that scores as much as the true one stands before it, so a constant score is
never right. A model with fewer than k classes is always right within its top k.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.errors import InputError

TOPS = (1, 2, 5)
CALIBRATION_BINS = 15
NORMAL_95 = 1.959963984540054
"""The 97.5 % point of the standard normal distribution."""
_ROWS_AT_ONCE = 4096
_DRAWS_AT_ONCE = 100


@dataclass(frozen=True)
class Scored:
    """What a model said of a set of clips: labels (N), scores (N C), higher is better.

    `ids` names the N clips, `glosses` the C classes. Raises InputError where shapes disagree, there is no clip, a name
    comes twice, a label is none of the C classes or a score is NaN or infinite.
    """

    ids: list[str]
    glosses: list[str]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    unlike: NDArray[np.bool_] | None = None
    """Which clips (N) are so unlike the training clips that no answer is sure; None: none are known to be."""

    def __post_init__(self) -> None:
        labels, scores = np.asarray(self.labels), np.asarray(self.scores)
        clips, classes = len(self.ids), len(self.glosses)
        if not clips or not classes:
            raise InputError(f"{clips} clips of {classes} classes", "at least one of each")
        if labels.shape != (clips,) or labels.dtype.kind not in "iu":
            raise InputError(f"labels {labels.dtype} of shape {labels.shape}", f"({clips},) integers, one a clip")
        if scores.shape != (clips, classes) or scores.dtype.kind not in "fiu":
            raise InputError(f"scores {scores.dtype} of shape {scores.shape}", f"({clips}, {classes}) real numbers")
        _check_unique(self.ids, "clip id")
        _check_unique(self.glosses, "gloss")
        wrong = np.flatnonzero((labels < 0) | (labels >= classes))
        if len(wrong):
            raise InputError(f"label {labels[wrong[0]]}", f"a class in 0..{classes - 1}", clip=self.ids[wrong[0]])
        with np.errstate(over="ignore"):
            scores = scores.astype(np.float32, copy=False)
        wrong = np.flatnonzero(~np.isfinite(scores).all(axis=1))
        if len(wrong):
            raise InputError("NaN or infinity among the scores", "finite float32 scores", clip=self.ids[wrong[0]])
        object.__setattr__(self, "labels", labels.astype(np.int64))
        object.__setattr__(self, "scores", scores)


def _check_unique(names: list[str], what: str) -> None:
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise InputError(f"{what} {name!r} {times} times", f"every {what} once")


def _chunks(scored: Scored) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.int64]]]:
    """Rows, their scores (n C) and labels (n): so that 35,000 clips of 2,000 classes need no second copy in memory."""
    for start in range(0, len(scored.labels), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        yield rows, scored.scores[rows], scored.labels[rows]


def ranks(scored: Scored) -> NDArray[np.int64]:
    """How many other classes score at least as much as the true one, (N): 0 is right; ties count against."""
    found = np.empty(len(scored.labels), np.int64)
    for rows, scores, labels in _chunks(scored):
        truth = np.take_along_axis(scores, labels[:, None], axis=1)
        found[rows] = (scores >= truth).sum(axis=1) - 1
    return found


def guesses(scored: Scored) -> NDArray[np.int64]:
    """The class that each clip was taken for, (N): never the true one where `ranks` is not 0, as on a tie."""
    found = np.empty(len(scored.labels), np.int64)
    for rows, scores, labels in _chunks(scored):
        best = scores.argmax(axis=1)
        truth = np.take_along_axis(scores, labels[:, None], axis=1)
        others = np.where(np.arange(scores.shape[1]) == labels[:, None], -np.inf, scores)
        tied = (others >= truth).any(axis=1)
        found[rows] = np.where(tied, others.argmax(axis=1), best)
    return found


def confidences(scored: Scored) -> NDArray[np.float64]:
    """The largest of softmax(scores), (N), in [1 / C, 1]."""
    found = np.empty(len(scored.labels), np.float64)
    for rows, scores, _ in _chunks(scored):
        wide = scores.astype(np.float64)
        found[rows] = 1 / np.exp(wide - wide.max(axis=1, keepdims=True)).sum(axis=1)
    return found


def wilson(hits: int, clips: int) -> tuple[float, float]:
    """Wilson's 95 % interval of the share hits / clips, in [0, 1] (Wilson 1927)."""
    share, spread = hits / clips, NORMAL_95**2 / clips
    centre = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _class_means(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """From clips by class and bucket of rank, counts (… C 4), the mean over classes present of each top-k, (… 3)."""
    clips = counts.sum(axis=-1)
    hits = counts.cumsum(axis=-1)[..., : len(TOPS)]
    shares = np.divide(hits, clips[..., None], out=np.zeros(hits.shape), where=clips[..., None] > 0)
    means: NDArray[np.float64] = shares.sum(axis=-2) / (clips > 0).sum(axis=-1)[..., None]
    return means


def _bootstrap(counts: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.float64]:
    """95 % percentile interval, (2 3), of `_class_means` over clips drawn with replacement.

    A clip matters by its class and bucket alone, so drawing clips is one multinomial draw over those that occur.
    """
    flat, clips = counts.ravel(), int(counts.sum())
    occurring = np.flatnonzero(flat)
    generator = np.random.default_rng(seed)
    means = []
    for start in range(0, resamples, _DRAWS_AT_ONCE):
        draws = np.zeros((min(_DRAWS_AT_ONCE, resamples - start), len(flat)), np.int64)
        draws[:, occurring] = generator.multinomial(clips, flat[occurring] / clips, size=len(draws))
        means.append(_class_means(draws.reshape(-1, *counts.shape)))
    interval: NDArray[np.float64] = np.percentile(np.concatenate(means), [2.5, 97.5], axis=0)
    return interval


def calibration_error(scored: Scored) -> float:
    """Expected calibration error of softmax(scores) in [0, 1], over 15 equal bins of confidence (Guo et al. 2017)."""
    return _error_of(confidences(scored), ranks(scored) == 0)


def calibration_error_by_chance(scored: Scored, draws: int = 200, seed: int = 0) -> tuple[float, float]:
    """The error in [0, 1] that so many clips show where confidences are right: mean, 95 % are below.

    A clip is then right as often as its confidence says; few clips alone make an error of several percent.
    """
    confidence, generator = confidences(scored), np.random.default_rng(seed)
    found = [_error_of(confidence, generator.random(len(confidence)) < confidence) for _ in range(draws)]
    return float(np.mean(found)), float(np.percentile(found, 95))


def _error_of(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    gap = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gap).sum() / len(right))


def percent(share: float) -> float:
    """A share as percent to two decimals, as every report gives it."""
    return round(100 * float(share), 2)


def accuracy_report(scored: Scored, *, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Top-1, -2, -5 per instance and per class (mean over classes present) with 95 % intervals, in percent.

    Intervals: Wilson per instance; per class a seeded percentile bootstrap over clips, of no width at 0 and 100 %.
    """
    rank = ranks(scored)
    present, position = np.unique(scored.labels, return_inverse=True)
    buckets = len(TOPS) + 1
    where = position * buckets + np.searchsorted(TOPS, rank, side="right")
    counts = np.bincount(where, minlength=len(present) * buckets).reshape(len(present), buckets)
    hits = [int((rank < top).sum()) for top in TOPS]
    means, (low, high) = _class_means(counts), _bootstrap(counts, resamples, seed)
    intervals = {f"per_instance.top{top}": wilson(hit, len(rank)) for top, hit in zip(TOPS, hits, strict=True)}
    intervals |= {f"per_class.top{top}": (low[column], high[column]) for column, top in enumerate(TOPS)}
    return {
        "per_instance": {f"top{top}": percent(hit / len(rank)) for top, hit in zip(TOPS, hits, strict=True)},
        "per_class": {f"top{top}": percent(mean) for top, mean in zip(TOPS, means, strict=True)},
        "clips": len(rank),
        "classes": len(present),
        "label_count": len(scored.glosses),
        "interval95": {name: [percent(low), percent(high)] for name, (low, high) in intervals.items()},
        "ece": percent(calibration_error(scored)),
    }


def confusion(scored: Scored) -> NDArray[np.int64]:
    """Clips by true class and guess, (C C): rows are the truth; the diagonal sums to the top-1 hits."""
    classes = len(scored.glosses)
    counts = np.bincount(scored.labels * classes + guesses(scored), minlength=classes * classes)
    return counts.reshape(classes, classes)


def per_class_table(scored: Scored) -> list[dict[str, Any]]:
    """One row a class present, in label order: gloss, clips, top1 and top5 in percent, commonest wrong guess.

    `wrong_guess` is None where every clip was right; `wrong_clips` counts the clips taken for it.
    """
    rank, counts = ranks(scored), confusion(scored)
    classes = len(scored.glosses)
    clips = np.bincount(scored.labels, minlength=classes)
    top1, top5 = (np.bincount(scored.labels[rank < top], minlength=classes) for top in (1, 5))
    np.fill_diagonal(counts, 0)
    wrong = counts.argmax(axis=1)
    return [
        {
            "gloss": scored.glosses[label],
            "clips": int(clips[label]),
            "top1": percent(top1[label] / clips[label]),
            "top5": percent(top5[label] / clips[label]),
            "wrong_guess": scored.glosses[wrong[label]] if counts[label, wrong[label]] else None,
            "wrong_clips": int(counts[label, wrong[label]]),
        }
        for label in np.flatnonzero(clips)
    ]


def mistakes(scored: Scored, limit: int = 8) -> list[dict[str, Any]]:
    """The wrong clips of which the model was surest, in order: row, id, truth, guess, confidence in [0, 1]."""
    guess, confidence = guesses(scored), confidences(scored)
    wrong = np.flatnonzero(guess != scored.labels)
    return [
        {
            "row": int(row),
            "id": scored.ids[row],
            "truth": scored.glosses[scored.labels[row]],
            "guess": scored.glosses[guess[row]],
            "confidence": float(confidence[row]),
        }
        for row in wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]
    ]
