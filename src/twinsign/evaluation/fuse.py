"""Late fusion: several models' predictions of the same clips added up, the paper's "+R" (Sec. III-E)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.evaluation.calibrate import calibrate
from twinsign.evaluation.join import NAMED, difference
from twinsign.evaluation.metrics import Scored, accuracy_report
from twinsign.evaluation.scores import ScoreFile

Addends = Literal["softmax", "logits"]
HELD_BACK = ("test", "all")
"""Splits, as score files state them, that choose nothing."""
_ROWS_AT_ONCE = 4096
_MOST_ROUNDS = 2000
_STILL = 1e-9


@dataclass(frozen=True)
class Mix:
    """How models are added: a weight, at least 0, and a temperature, above 0, each; softmaxes or logits are added."""

    weights: tuple[float, ...]
    temperatures: tuple[float, ...]
    add: Addends = "softmax"

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.temperatures):
            raise InputError(f"{len(self.temperatures)} temperatures", f"{len(self.weights)}, one a file")
        if not all(np.isfinite(one) and one >= 0 for one in self.weights) or not sum(self.weights) > 0:
            raise InputError(f"weights {self.weights}", "numbers of at least 0, not all 0")
        if not all(np.isfinite(one) and one > 0 for one in self.temperatures):
            raise InputError(f"temperatures {self.temperatures}", "numbers above 0")


def mix_of(count: int, weights: Sequence[float] = (), temperatures: Sequence[float] = (), **add: Addends) -> Mix:
    """Weights and temperatures for that many models, 1 where none are given; InputError where their number is wrong."""
    for given, what in ((weights, "weights"), (temperatures, "temperatures")):
        if given and len(given) != count:
            raise InputError(f"{len(given)} {what}", f"{count}, one a file")
    ones = (1.0,) * count
    return Mix(tuple(weights) or ones, tuple(temperatures) or ones, **add)


def log_softmax(scores: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """log softmax(scores / temperature) of (n C) scores, in float64."""
    wide = scores.astype(np.float64) / temperature
    wide -= wide.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return found


def fuse(members: Sequence[Scored], mix: Mix) -> Scored:
    """The weighted sum of the members' softmaxes, kept as its logarithm, or of their logits (paper, Sec. III-E).

    The members are of the same clips and glosses in the same order (`aligned`).
    """
    if len(mix.weights) != len(members):
        raise InputError(f"{len(mix.weights)} weights", f"{len(members)}, one a model")
    total, out = sum(mix.weights), np.empty(members[0].scores.shape, np.float32)
    for start in range(0, len(out), _ROWS_AT_ONCE):
        rows, joined = slice(start, start + _ROWS_AT_ONCE), None
        for member, weight, temperature in zip(members, mix.weights, mix.temperatures, strict=True):
            if weight:
                logs = log_softmax(member.scores[rows], temperature)
                mine = logs * weight if mix.add == "logits" else logs + np.log(weight / total)
                both = np.add if mix.add == "logits" else np.logaddexp
                joined = mine if joined is None else both(joined, mine)
        out[rows] = joined
    return Scored(members[0].ids, members[0].glosses, members[0].labels, out)


def tune(members: Sequence[Scored], add: Addends = "softmax") -> Mix:
    """Temperatures of least cross-entropy each; then, for softmaxes, the weights of least cross-entropy of the sum.

     The likelihood of a mixture is concave in its weights: expectation maximisation finds the best ones from equal ones
    . Logits keep equal weights.
    """
    temperatures = tuple(calibrate(one).temperature for one in members)
    if add == "logits":
        return Mix((1.0,) * len(members), temperatures, add)
    truth = [_log_truth(member, temperature) for member, temperature in zip(members, temperatures, strict=True)]
    return Mix(_mixture(np.stack(truth, axis=1)), temperatures, add)


def _log_truth(member: Scored, temperature: float) -> NDArray[np.float64]:
    """The log probability (N) of each clip's true class."""
    found = np.empty(len(member.labels))
    for start in range(0, len(found), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        logs = log_softmax(member.scores[rows], temperature)
        found[rows] = np.take_along_axis(logs, member.labels[rows, None], axis=1)[:, 0]
    return found


def _mixture(logs: NDArray[np.float64]) -> tuple[float, ...]:
    """The weights (M), summing to 1, that make the mixture of these log probabilities (N M) likeliest."""
    likely = np.exp(logs - logs.max(axis=1, keepdims=True))
    weights = np.full(logs.shape[1], 1 / logs.shape[1])
    for _ in range(_MOST_ROUNDS):
        shares = likely * weights
        new = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        still = np.abs(new - weights).max() < _STILL
        weights = new
        if still:
            break
    return tuple(round(float(one), 6) for one in weights)


def check_tuning(tuning: Sequence[ScoreFile], fused: Sequence[ScoreFile]) -> None:
    """What chooses must be apart from what reports: InputError for a test split, or a clip that is also fused."""
    if len(tuning) != len(fused):
        raise InputError(f"{len(tuning)} files to tune on", f"{len(fused)}, one a fused file, in the same order")
    reported = set().union(*(one.ids for one in fused))
    for one, other in zip(tuning, fused, strict=True):
        if one.glosses and other.glosses and set(one.glosses) != set(other.glosses):
            found = f"other classes: {difference(other.glosses, one.glosses)}"
            raise InputError(found, f"the {len(other.glosses)} glosses of {other.path}", file=one.path)
        held = [split for split in one.splits if split in HELD_BACK]
        if held:
            raise InputError(f"scores of split {', '.join(held)}", "scores of val to tune on", file=one.path)
        both = [name for name in one.ids if name in reported]
        if both:
            found = f"{len(both)} clips that are also fused ({', '.join(both[:NAMED])})"
            raise InputError(found, "other clips to tune on than to report on", file=one.path)


def fused_report(files: Sequence[ScoreFile], members: Sequence[Scored], mix: Mix, fused: Scored) -> dict[str, Any]:
    """The contract's JSON of the fused clips, and what each file is alone (design, rule 7)."""
    alone = []
    for file, member, weight, temperature in zip(files, members, mix.weights, mix.temperatures, strict=True):
        mine = accuracy_report(member)
        kept = {name: mine[name] for name in ("per_instance", "per_class", "interval95")}
        about = {"file": str(file.path), "weight": weight, "temperature": temperature}
        about |= {"probabilities": file.probabilities, "left_out": len(file.ids) - len(fused.ids)}
        alone.append({**about, **kept})
    splits = sorted({split for file in files for split in file.splits})
    return {
        **accuracy_report(fused),
        "split": splits or ["unnamed"],
        "selected_on": sorted({split for file in files for split in file.selected_on}),
        "protocol": "fuse",
        "add": mix.add,
        "members": alone,
    }
