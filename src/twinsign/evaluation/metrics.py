"""Top-1, -2 and -5 accuracy per instance and per class with 95 % intervals, calibration error, confusion matrix.

Ties count against the model: a class that scores as much as the true one ranks before it, so a constant score is
never right. A model with fewer than k classes is always right within its top k.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.errors import InputError

TOPS = (1, 2, 5)
TOP_NAMES = tuple(f"top{top}" for top in TOPS)
KINDS = ("per_instance", "per_class")
CALIBRATION_BINS = 15
_ROWS_AT_ONCE = 4096
_DRAWS_AT_ONCE = 100


@dataclass(frozen=True)
class ClipScores:
    """A model's scores (N C) of N clips, higher is better, with the clips' labels (N).

    `ids` names the N clips, `glosses` the C classes. Raises InputError where shapes disagree, there is no clip, a name
    is repeated, a label is none of the C classes or a score is NaN or infinite.
    """

    ids: list[str]
    glosses: list[str]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    unlike: NDArray[np.bool_] | None = None
    """Clips (N) so unlike the training clips that the model must abstain; None: not checked."""

    def __post_init__(self) -> None:
        labels, scores = np.asarray(self.labels), np.asarray(self.scores)
        clips, classes = len(self.ids), len(self.glosses)
        if not clips or not classes:
            raise InputError(f"{clips} clips of {classes} classes", "at least one of each")
        if labels.shape != (clips,) or labels.dtype.kind not in "iu":
            raise InputError(f"labels {labels.dtype} of shape {labels.shape}", f"({clips},) integers, one a clip")
        if scores.shape != (clips, classes) or scores.dtype.kind not in "fiu":
            raise InputError(f"scores {scores.dtype} of shape {scores.shape}", f"({clips}, {classes}) real numbers")
        check_unique(self.ids, "clip id")
        check_unique(self.glosses, "gloss")
        wrong = np.flatnonzero((labels < 0) | (labels >= classes))
        if len(wrong):
            raise InputError(f"label {labels[wrong[0]]}", f"a class in 0..{classes - 1}", clip=self.ids[wrong[0]])
        object.__setattr__(self, "labels", labels.astype(np.int64))
        object.__setattr__(self, "scores", finite_scores(scores, self.ids))


def check_unique(names: Sequence[str], what: str, file: Path | None = None) -> None:
    """Raise InputError where one of these names is repeated."""
    for name, times in Counter(names).most_common(1):
        if times > 1:
            raise InputError(f"{what} {name!r} {times} times", f"every {what} once", file=file)


def finite_scores(scores: NDArray[Any], ids: Sequence[str], file: Path | None = None) -> NDArray[np.float32]:
    """Scores (N C) as float32; raises InputError for the first clip with NaN or infinity among them."""
    with np.errstate(over="ignore"):
        scores = scores.astype(np.float32, copy=False)
    wrong = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(wrong):
        raise InputError("NaN, infinity or a number beyond 32 bits", "finite scores", file=file, clip=ids[wrong[0]])
    return scores


def map_rows(scored: ClipScores, function: Callable[..., NDArray[Any]]) -> NDArray[Any]:
    """`function` of scores (n C), labels (n 1) and scores of these labels (n 1), joined over blocks of n clips.

    So 35,000 clips of 2,000 classes need no second copy in memory.
    """
    results = []
    for start in range(0, len(scored.labels), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        scores, labels = scored.scores[rows], scored.labels[rows, None]
        results.append(function(scores, labels, np.take_along_axis(scores, labels, axis=1)))
    return np.concatenate(results)


def true_class_ranks(scored: ClipScores) -> NDArray[np.int64]:
    """Rank of each clip's true class (N), from 0: how many other classes score at least as much."""
    return map_rows(scored, lambda scores, _, true_scores: (scores >= true_scores).sum(axis=1) - 1)


def predictions(scored: ClipScores) -> NDArray[np.int64]:
    """Predicted class of each clip (N): never the true one where `true_class_ranks` is not 0, as on a tie."""

    def guess(scores: NDArray[Any], labels: NDArray[Any], true_scores: NDArray[Any]) -> NDArray[Any]:
        wrong = np.where(np.arange(scores.shape[1]) == labels, -np.inf, scores)
        return np.where((wrong >= true_scores).any(axis=1), wrong.argmax(axis=1), labels[:, 0])

    return map_rows(scored, guess)


def confidences(scored: ClipScores) -> NDArray[np.float64]:
    """Largest probability of softmax(scores) of each clip (N), in [1 / C, 1]."""

    def confidence(scores: NDArray[Any], *_: object) -> NDArray[Any]:
        below = np.subtract(scores, scores.max(axis=1, keepdims=True), dtype=np.float64)
        return np.asarray(1 / np.exp(below).sum(axis=1))

    return map_rows(scored, confidence)


def wilson_interval(hits: int, clips: int) -> tuple[float, float]:
    """Wilson's 95 % interval of the proportion hits / clips, in [0, 1] (Wilson 1927)."""
    share, spread = hits / clips, 1.959963984540054**2 / clips  # the normal distribution's 97.5 % point
    centre = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def percent(share: float) -> float:
    """A share as percent to two decimals, as in every report."""
    return round(100 * float(share), 2)


def means_in_percent(means: NDArray[np.float64], names: Sequence[str] = TOP_NAMES) -> dict[str, Any]:
    """A report's entries of means (2 K) per instance and per class: `{"per_instance": {name: percent}, …}`."""
    return {kind: dict(zip(names, map(percent, row), strict=True)) for kind, row in zip(KINDS, means, strict=True)}


def intervals_in_percent(
    low: NDArray[np.float64], high: NDArray[np.float64], names: Sequence[str] = TOP_NAMES
) -> dict[str, list[float]]:
    """A report's `interval95` of bounds (2 K) per instance and per class: `{"per_instance.top1": [low, high], …}`."""
    keys = [f"{kind}.{name}" for kind in KINDS for name in names]
    return {key: [*map(percent, bounds)] for key, *bounds in zip(keys, low.flat, high.flat, strict=True)}


def _class_means(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the classes present of each top-k accuracy (… 3), from clips by class and bucket of rank (… C 4)."""
    clips = counts.sum(axis=-1)
    hits = counts.cumsum(axis=-1)[..., : len(TOPS)]
    shares = np.divide(hits, clips[..., None], out=np.zeros(hits.shape), where=clips[..., None] > 0)
    return np.asarray(shares.sum(axis=-2) / (clips > 0).sum(axis=-1)[..., None])


def _bootstrap(counts: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.float64]:
    """95 % percentile interval (2 3) of `_class_means` over clips drawn with replacement.

    A clip matters by its class and bucket alone, so drawing clips is one multinomial draw over the buckets that occur.
    """
    flat, random, means = counts.ravel(), np.random.default_rng(seed), []
    occurring = np.flatnonzero(flat)
    for start in range(0, resamples, _DRAWS_AT_ONCE):
        draws = np.zeros((min(_DRAWS_AT_ONCE, resamples - start), len(flat)), np.int64)
        draws[:, occurring] = random.multinomial(flat.sum(), flat[occurring] / flat.sum(), size=len(draws))
        means.append(_class_means(draws.reshape(-1, *counts.shape)))
    return np.asarray(np.percentile(np.concatenate(means), [2.5, 97.5], axis=0))


def accuracy_report(scored: ClipScores, *, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Top-1, -2, -5 per instance and per class (mean over the classes present) with 95 % intervals, in percent.

    Intervals: Wilson per instance; per class a seeded percentile bootstrap over clips, of width 0 at 0 and 100 %.
    """
    rank = true_class_ranks(scored)
    present, position = np.unique(scored.labels, return_inverse=True)
    buckets = len(TOPS) + 1
    cells = position * buckets + np.searchsorted(TOPS, rank, side="right")
    counts = np.bincount(cells, minlength=len(present) * buckets).reshape(len(present), buckets)
    hits = [int((rank < top).sum()) for top in TOPS]
    per_instance = np.transpose([wilson_interval(top_hits, len(rank)) for top_hits in hits])  # 2 3
    low, high = np.stack([per_instance, _bootstrap(counts, resamples, seed)], axis=1)
    return {
        **means_in_percent(np.stack([np.divide(hits, len(rank)), _class_means(counts)])),
        "clips": len(rank),
        "classes": len(present),
        "label_count": len(scored.glosses),
        "interval95": intervals_in_percent(low, high),
        "ece": percent(calibration_error(scored)),
    }


def calibration_error(scored: ClipScores) -> float:
    """Expected calibration error of softmax(scores) in [0, 1], over 15 equal bins of confidence (Guo et al. 2017)."""
    return _binned_error(confidences(scored), true_class_ranks(scored) == 0)


def calibration_error_by_chance(scored: ClipScores, draws: int = 200, seed: int = 0) -> tuple[float, float]:
    """Mean and 95th percentile of the calibration error, in [0, 1], that this many calibrated clips show by chance.

    Each clip is drawn right with the probability that its confidence states; few clips alone make several percent.
    """
    confidence, generator = confidences(scored), np.random.default_rng(seed)
    errors = [_binned_error(confidence, generator.random(len(confidence)) < confidence) for _ in range(draws)]
    return float(np.mean(errors)), float(np.percentile(errors, 95))


def _binned_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(right))


def confusion_counts(scored: ClipScores) -> NDArray[np.int64]:
    """Clips by true class and predicted class (C C): rows are the truth; the diagonal sums to the top-1 hits."""
    classes = len(scored.glosses)
    return np.bincount(scored.labels * classes + predictions(scored), minlength=classes**2).reshape(classes, classes)


def per_class_table(scored: ClipScores) -> list[dict[str, Any]]:
    """One row per class present, in label order: gloss, clips, top1 and top5 in percent, commonest wrong prediction.

    `wrong_guess` is None where every clip was right; `wrong_clips` counts the clips predicted as it.
    """
    rank, counts = true_class_ranks(scored), confusion_counts(scored)
    clips = counts.sum(axis=1)
    top1, top5 = (np.bincount(scored.labels[rank < top], minlength=len(counts)) for top in (1, 5))
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


def surest_mistakes(scored: ClipScores, limit: int = 8) -> list[dict[str, Any]]:
    """The wrong predictions of highest confidence, in order: row, id, truth, guess, confidence in [0, 1]."""
    guess, confidence = predictions(scored), confidences(scored)
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
