"""Calibration of a classifier: its temperature and abstention threshold, fitted on clips it was not trained on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.evaluation.caveats import trained_on
from twinsign.evaluation.metrics import ClipScores
from twinsign.evaluation.scoring import compute_logits, score
from twinsign.inference.likeness import add_likeness
from twinsign.inference.shift import check_shift
from twinsign.nn.classifier import Classifier
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection, LabelledRows, labelled_rows, outside_vocabulary, sample_rows
from twinsign.runs.calibration import NEVER, Calibration
from twinsign.runs.models import evaluation_loader, load_classifier, viewer_of
from twinsign.runs.recipe import AbstainConfig
from twinsign.runs.run import CALIBRATED, Run, load_run, run_lock, save_about

DECIMALS = 9
"""Confidences are rounded to this many decimals, so that float64 sums in another order give equal ones."""
FEWEST = 10
"""Glosses without which a clip whose own gloss is struck out does not stand for an unknown sign."""
MOST = 2000
"""Clips of unknown signs that a threshold is fitted on: a seeded draw where there are more."""
EVEN = 0.5
"""Confidence of the lower bound on real clips of unknown signs: a few hundred clips seldom allow more."""
MANY = 1000
"""Real clips of unknown signs that allow the confidence asked for."""
_ROUNDING = 1e-9
"""Tolerance for sums of weights that reach the target accuracy exactly."""


def calibrate(
    scored: ClipScores,
    abstain: AbstainConfig | None = None,
    unknown_logits: NDArray[np.float32] | None = None,
    same_signs: Mapping[str, Sequence[str]] | None = None,
) -> Calibration:
    """Temperature of least cross-entropy (Guo et al. 2017), and the least threshold that reaches the target accuracy.

    An answer is right if it is the clip's gloss or, by `same_signs`, another one of the same sign. Unknown signs are
    represented by the same clips with their own sign struck out, unless there are fewer than FEWEST glosses.
    `unknown_logits` (M C) are of clips of out-of-vocabulary signs, which are harder: unless they are fewer than their
    expected share, the target must be reached with them as well, by a bound of confidence EVEN or, where they are MANY,
    of full confidence. Without either the threshold allows for no unknown signs.
    """
    logits, labels = torch.from_numpy(scored.scores).double(), torch.from_numpy(scored.labels)
    abstain = abstain or AbstainConfig()
    grid = torch.logspace(-1.5, 1.5, 121, dtype=torch.double)
    losses = torch.stack([F.cross_entropy(logits / temperature, labels) for temperature in grid])
    temperature = float(grid[int(losses.argmin())])
    own = glosses_of_signs(scored.glosses, same_signs or {})[labels]  # N C
    right, confidence = own.gather(1, logits.argmax(dim=1, keepdim=True))[:, 0], _confidence(logits / temperature)
    share, level = abstain.unknown_share, abstain.confidence
    unknown: list[tuple[Tensor, float]] = []  # confidences on unknown signs, confidence of the lower bound
    unknown_clips = 0
    if share and int((~own).sum(dim=1).min()) >= FEWEST - 1:
        struck = logits.masked_fill(own, -torch.inf)
        unknown.append((_confidence(struck / temperature), level))
    if share and unknown_logits is not None and len(unknown_logits) >= share / (1 - share) * len(logits):
        unknown_clips = len(unknown_logits)
        real = _confidence(torch.from_numpy(unknown_logits).double() / temperature)
        unknown.append((real, min(level, EVEN) if unknown and unknown_clips < MANY else level))
    if not unknown:
        share, unknown = 0.0, [(confidence[:0], level)]
    # Surer answers are right more often: a threshold above one that reaches the target reaches it too.
    target = abstain.target_accuracy
    threshold = max(fit_threshold(confidence, right, target, bound, group, share) for group, bound in unknown)
    coverage = float((confidence >= threshold).double().mean())
    return Calibration(temperature, threshold, target, share, level, unknown_clips, coverage)


def glosses_of_signs(glosses: Sequence[str], same_signs: Mapping[str, Sequence[str]]) -> Tensor:
    """Which glosses stand for each gloss's sign (C C): itself, and those that `same_signs` has for it."""
    own, number = torch.eye(len(glosses), dtype=torch.bool), {gloss: place for place, gloss in enumerate(glosses)}
    for gloss, others in same_signs.items():
        for other in others:
            if gloss in number and other in number:
                own[number[gloss], number[other]] = True
    return own


def _confidence(logits: Tensor) -> Tensor:
    return logits.softmax(dim=1).amax(dim=1).round(decimals=DECIMALS)


def fit_threshold(
    confidence: Tensor, right: Tensor, target: float, level: float, unknown: Tensor, unknown_share: float
) -> float:
    """The least confidence at and above which a share `target` of the answers is right; NEVER where there is none.

    The answers are predictions (N) that are right or not (N), and predictions on unknown signs (M), which are wrong and
    weigh `unknown_share` of all. Uses the lower bound of confidence `level` (`lower_confidence_bounds`).
    """
    answers = torch.cat([confidence, unknown])
    order = answers.argsort(descending=True)
    hits = torch.cat([right, torch.zeros(len(unknown), dtype=torch.bool)])[order]
    weight = torch.full_like(answers, (1 - unknown_share) / len(confidence), dtype=torch.double)
    weight[len(confidence) :] = unknown_share / max(len(unknown), 1)
    enough = lower_confidence_bounds(hits.numpy(), weight[order].numpy(), level) >= target - _ROUNDING
    ranked = answers[order]
    last = torch.cat([ranked[1:], ranked.new_zeros(1)]) < ranked  # a threshold takes all answers of equal confidence
    candidates = np.flatnonzero(enough & last.numpy())
    return float(ranked[candidates[-1]]) if len(candidates) else NEVER


def lower_confidence_bounds(right: NDArray[np.bool_], weight: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """One-sided lower confidence bounds (N) of the weighted share right among the first 1, …, N answers.

    Clopper and Pearson's for equal weights, as quantiles of F. For unequal weights the wrong weight counts as in Fay
    and Feuer (1997): with one more wrong answer of the largest weight, so that a group with few clips allows little,
    even where none of them was answered wrongly. `level` 0: the shares themselves.
    """
    hits, misses = weight * right, weight * ~right
    good, bad = hits.cumsum(), misses.cumsum()
    if not level:
        return np.asarray(good / (good + bad))
    from scipy.special import fdtri  # slow to import, and of use here alone

    bad, square = bad + weight.max(), (weight * misses).cumsum() + weight.max() ** 2
    number = good**2 / np.maximum((weight * hits).cumsum(), np.finfo(float).tiny)
    quantile = fdtri(2 * number.clip(_ROUNDING), 2 * bad**2 / square, 1 - level)  # 0 without any right answer
    odds = good / bad * quantile
    return np.asarray(odds / (1 + odds))


def fit_calibration(
    run: Run,
    classifier: Classifier,
    pack: Pack,
    data: LabelledRows,
    splits: Sequence[str] | None,
    abstain: AbstainConfig,
) -> tuple[ClipScores, Calibration]:
    """Scores of labelled clips, and the calibration fitted on them and on these splits' clips of unknown signs.

    Unknown signs' clips of test and copies of training clips take no part. Raises InputError where `abstain` allows for
    unknown signs, other than the run's recipe does, and there is nothing to represent them.
    """
    scored, unknown_logits = score(run, classifier, pack, data), None
    if abstain.unknown_share:
        rows = pack.select(None if splits is None else [*splits], [])
        rows = rows[pack.usable[rows] & (pack.splits[rows] != "test")]
        rows = rows[outside_vocabulary(pack, rows, run.labels)]
        copies = trained_on(run, pack, rows) if len(rows) else None
        rows = rows if copies is None else rows[~copies]
        if len(rows):
            rows = sample_rows(rows, min(1.0, MOST / len(rows)), 0)
            unknown_logits = compute_logits(classifier, evaluation_loader(pack, rows, run.recipe), viewer_of(run))
    fitted = calibrate(scored, abstain, unknown_logits, run.same_signs())
    if fitted.unknown != abstain.unknown_share != run.recipe.abstain.unknown_share:
        wanted = f"{FEWEST} or more, or more clips of other signs, to allow for unknown signs"
        raise InputError(f"{len(run.labels)} glosses", wanted, file=run.path)
    return scored, fitted


def recalibrate(model: str | Path, clips: ClipSelection, splits: list[str] | None, abstain: AbstainConfig) -> Run:
    """Refit a trained classifier's temperature and threshold on those clips that it was not trained on.

    Clips of glosses outside its vocabulary stand for unknown signs.
    """
    run = load_run(model)
    if run.shipped or not os.access(run.path, os.W_OK):
        hint = f"Copy {run.path} and calibrate the copy." if run.shipped else ""
        raise InputError("a RUN that cannot be written", "one whose config.yaml is writable", file=model, hint=hint)
    pack = Pack(clips.data)
    with run_lock(Path(model)):
        run = load_run(model)
        classifier = load_classifier(run).to(fastest_device())
        rows = pack.select(splits, clips.where)
        known = rows[~outside_vocabulary(pack, rows, run.labels)]
        data = labelled_rows(pack, known if len(known) else rows, run.labels)
        copies = trained_on(run, pack, data.rows)
        if copies is not None:
            if copies.all():
                message = f"{len(copies)} clips, all of which the model learnt from"
                raise InputError(message, "clips that are new to it", file=pack.paths[0], hint="Name another --split.")
            data = LabelledRows(data.rows[~copies], data.labels[~copies])
        shift = check_shift(run, pack, data.rows, run.recipe.read, clips.strict)
        _, fitted = fit_calibration(run, classifier, pack, data, splits, abstain)
        run = add_likeness(run, pack, data.rows)
        on: dict[str, Any] = {"data": [str(name) for name in pack.given], "split": splits}
        on |= {"where": clips.where, "clips": len(data.rows), "left_out": None if copies is None else int(copies.sum())}
        on |= {"split_hash": pack.split_hash(data.rows), "shift": shift, "digest": run.vectors_digest()}
        run = replace(run, about={**run.about, "calibration": asdict(fitted), CALIBRATED: on})
        save_about(run)
    return run
