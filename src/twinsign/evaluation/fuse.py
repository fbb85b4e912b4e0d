"""Late fusion: a weighted sum of several models' predictions of the same clips, the paper's "+R" (Sec. III-E)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from twinsign.errors import InputError
from twinsign.evaluation.calibrate import calibrate
from twinsign.evaluation.metrics import ClipScores, accuracy_report, map_rows
from twinsign.evaluation.score_files import NAMED, ScoreFile, check_same_glosses

Addends = Literal["softmax", "logits"]
HELD_BACK = ("test", "all")
"""Splits, as score files state them, that nothing may be tuned on."""
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class FusionWeights:
    """A weight, at least 0, and a temperature, above 0, of each model; softmaxes or logits are added."""

    weights: tuple[float, ...]
    temperatures: tuple[float, ...]
    add: Addends = "softmax"

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.temperatures):
            raise InputError(f"{len(self.temperatures)} temperatures", f"{len(self.weights)}, one a file")
        if not all(np.isfinite(weight) and weight >= 0 for weight in self.weights) or not sum(self.weights) > 0:
            raise InputError(f"weights {self.weights}", "numbers of at least 0, not all 0")
        if not all(np.isfinite(temperature) and temperature > 0 for temperature in self.temperatures):
            raise InputError(f"temperatures {self.temperatures}", "numbers above 0")


def fusion_weights(
    count: int, weights: Sequence[float] = (), temperatures: Sequence[float] = (), add: Addends = "softmax"
) -> FusionWeights:
    """Return weights for `count` models, 1 where weights or temperatures are missing; InputError for other counts."""
    for values, name in ((weights, "weights"), (temperatures, "temperatures")):
        if values and len(values) != count:
            raise InputError(f"{len(values)} {name}", f"{count}, one a file")
    ones = (1.0,) * count
    return FusionWeights(tuple(weights) or ones, tuple(temperatures) or ones, add)


def fuse(members: Sequence[ClipScores], mix: FusionWeights) -> ClipScores:
    """The weighted sum of the members' softmaxes, as its logarithm, or of their logits (paper, Sec. III-E).

    The members are of the same clips and glosses in the same order (`aligned`).
    """
    if len(mix.weights) != len(members):
        raise InputError(f"{len(mix.weights)} weights", f"{len(members)}, one a model")
    total, combine = sum(mix.weights), np.add if mix.add == "logits" else np.logaddexp

    def term(member: ClipScores, rows: slice, weight: float, temperature: float) -> NDArray[np.float64]:
        logs = _log_probabilities(member.scores[rows], temperature)
        return logs * weight if mix.add == "logits" else logs + np.log(weight / total)

    fused = np.empty(members[0].scores.shape, np.float32)
    for start in range(0, len(fused), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        weighted = zip(members, mix.weights, mix.temperatures, strict=True)
        fused[rows] = reduce(combine, (term(member, rows, *each) for member, *each in weighted if each[0]))
    return ClipScores(members[0].ids, members[0].glosses, members[0].labels, fused)


def _log_probabilities(scores: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """log softmax(scores / temperature) of scores (n C), in float64."""
    return np.asarray(log_softmax(scores.astype(np.float64) / temperature, axis=1))


def tune(members: Sequence[ClipScores], add: Addends = "softmax") -> FusionWeights:
    """Temperatures of least cross-entropy of each; then, for softmaxes, the weights of least cross-entropy of the sum.

    The likelihood of a mixture is concave in its weights, so expectation maximisation from equal ones finds the best.
    Logits keep equal weights.
    """
    temperatures = tuple(calibrate(member).temperature for member in members)
    if add == "logits":
        return FusionWeights((1.0,) * len(members), temperatures, add)

    def log_truth(scores: NDArray[Any], labels: NDArray[Any], _: object, temperature: float) -> NDArray[Any]:
        return np.take_along_axis(_log_probabilities(scores, temperature), labels, axis=1)

    fitted = zip(members, temperatures, strict=True)
    log_truths = [map_rows(member, partial(log_truth, temperature=temperature)) for member, temperature in fitted]
    return FusionWeights(_mixture_weights(np.concatenate(log_truths, axis=1)), temperatures, add)


def _mixture_weights(logs: NDArray[np.float64]) -> tuple[float, ...]:
    """Weights (M), summing to 1, that maximise the likelihood of the mixture of these log probabilities (N M)."""
    likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
    weights = np.full(logs.shape[1], 1 / logs.shape[1])
    for _ in range(2000):
        shares = likelihood * weights
        previous, weights = weights, (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(weights - previous).max() < 1e-9:
            break
    return tuple(round(float(weight), 6) for weight in weights)


def check_tuning(tuning: Sequence[ScoreFile], fused: Sequence[ScoreFile]) -> None:
    """Raise InputError where weights would be tuned on a test split, or on a clip that is also fused."""
    if len(tuning) != len(fused):
        raise InputError(f"{len(tuning)} files to tune on", f"{len(fused)}, one a fused file, in the same order")
    reported = set().union(*(file.ids for file in fused))
    for file, fused_file in zip(tuning, fused, strict=True):
        check_same_glosses(fused_file, file)
        held_back = [split for split in file.splits if split in HELD_BACK]
        if held_back:
            raise InputError(f"scores of split {', '.join(held_back)}", "scores of val to tune on", file=file.path)
        common = [name for name in file.ids if name in reported]
        if common:
            names = ", ".join(common[:NAMED])
            message = f"{len(common)} clips that are also fused ({names})"
            raise InputError(message, "other clips to tune on than to report on", file=file.path)


def fused_report(
    files: Sequence[ScoreFile], members: Sequence[ClipScores], mix: FusionWeights, fused: ClipScores
) -> dict[str, Any]:
    """The JSON report of the fused clips, with each file's own accuracies (design, rule 7)."""
    entries = []
    for file, member, weight, temperature in zip(files, members, mix.weights, mix.temperatures, strict=True):
        report = accuracy_report(member)
        entry = {"file": str(file.path), "weight": weight, "temperature": temperature}
        entry |= {"probabilities": file.probabilities, "left_out": len(file.ids) - len(fused.ids)}
        entries.append(entry | {name: report[name] for name in ("per_instance", "per_class", "interval95")})
    return {
        **accuracy_report(fused),
        "split": sorted({split for file in files for split in file.splits}) or ["unnamed"],
        "selected_on": sorted({split for file in files for split in file.selected_on}),
        "protocol": "fuse",
        "add": mix.add,
        "members": entries,
    }
