"""Signs that a classifier does not know: how often it names them surely all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from twinsign.errors import InputError
from twinsign.evaluation.calibrate import FEWEST, calibrate
from twinsign.evaluation.coverage import among_learnt
from twinsign.evaluation.metrics import Scored, percent, ranks
from twinsign.evaluation.scoring import logits_of, score, scored_rows
from twinsign.evaluation.selective import answered_surely, at_temperature
from twinsign.nn.classifier import Classifier
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import LabelledRows, clip_ids, share_of_rows
from twinsign.runs.calibration import Calibration, calibration_of
from twinsign.runs.models import evaluation_loader, viewer_of
from twinsign.runs.recipe import AbstainConfig
from twinsign.runs.run import Run

LISTED = 5
"""Of the unknown clips that the model is surest of."""
MOST = 2000
"""Clips of unknown signs that a threshold is fitted on: a draw of them where there are more."""


def fit_calibration(
    run: Run,
    classifier: Classifier,
    pack: Pack,
    data: LabelledRows,
    splits: Sequence[str] | None,
    abstain: AbstainConfig,
) -> tuple[Scored, Calibration]:
    """Scores of labelled clips, and temperature and threshold fitted on them and on other signs' clips of these splits.

    Never on other signs' clips of test, nor on copies of what the classifier learnt from. InputError where room for
    unknown signs is asked for, beyond the recipe's own, and there is nothing to make it by.
    """
    scored = score(run, classifier, pack, data)
    rows = _of_others(pack, splits, run.labels) if abstain.unknown_share else data.rows[:0]
    learnt = among_learnt(run, pack, rows) if len(rows) else None
    rows = rows if learnt is None else rows[~learnt]
    others = None
    if len(rows):
        rows = share_of_rows(rows, min(1.0, MOST / len(rows)), 0)
        others = logits_of(classifier, evaluation_loader(pack, rows, run.recipe), viewer_of(run))
    fitted = calibrate(scored, abstain, others)
    if fitted.unknown != abstain.unknown_share != run.recipe.abstain.unknown_share:
        wanted = f"{FEWEST} or more, or more clips of other signs, to expect unknown signs"
        raise InputError(f"{len(run.labels)} glosses", wanted, file=run.path)
    return scored, fitted


def _of_others(pack: Pack, splits: Sequence[str] | None, known: Sequence[str]) -> Indices:
    """Rows of these splits (None: all), less test, that show a hand and a gloss which is none of these."""
    rows, names = pack.select(None if splits is None else [*splits], []), {*known}
    rows = rows[pack.usable[rows] & (pack.splits[rows] != "test")]
    other = [bool(gloss) and gloss not in names for gloss in pack.table["gloss"].take(rows).to_pylist()]
    kept: Indices = rows[np.asarray(other, bool)]
    return kept


def evaluate_unknown(
    run: Run, classifier: Classifier, pack: Pack, rows: Indices, known: Scored, stream: bool = False
) -> dict[str, Any]:
    """`unknown_report` of the clips in these rows, whose glosses are none of the model's, and the surest of them."""
    ids, glosses = clip_ids(pack, rows), pack.table["gloss"].take(rows).to_pylist()
    asked = scored_rows(run, classifier, pack, rows, np.zeros(len(rows), np.int64), stream)
    report = unknown_report(known, asked, calibration_of(run))
    for one in report["surest"]:
        one["gloss"] = glosses[ids.index(one["id"])]
    return {**report, "glosses": len({*glosses}), "split_hash": pack.split_hash(rows)}


def split_by_vocabulary(pack: Pack, rows: Indices, known: Sequence[str]) -> tuple[Indices, Indices]:
    """Rows whose gloss is among these, and rows of other glosses; InputError where either are none."""
    glosses, names = pack.table["gloss"].take(rows).to_pylist(), {*known}
    mine, others = (rows[[bool(gloss) and (gloss in names) == wanted for gloss in glosses]] for wanted in (True, False))
    for found, what in ((mine, "of the model's glosses"), (others, "of a gloss that the model does not know")):
        if not len(found):
            hint = "Leave out the --where that keeps the model's signs alone, or name a second pack with other signs."
            raise InputError(f"no clip {what}", "both, to tell them apart", file=pack.paths[0], hint=hint)
    return mine, others


def unknown_report(known: Scored, unknown: Scored, fitted: Calibration | None) -> dict[str, Any]:
    """What the "not sure" does against unknown signs, whose labels are void; in percent.

    `answered`: of the unknown clips, how many get a sure answer, which is wrong; `known_answered`: of the others;
    `right_of_answered`: of all sure answers together, how many are right; `right_if_expected`: the same, were
    the unknown clips the share of all, `expected`, that the threshold was fitted for; `auroc`: how often a known clip
    is surer than an unknown one (equally sure: half); `surest`: the unknown clips with the surest answers. Where
    nothing was fitted, the threshold of `predict` counts.
    """
    chosen = fitted or Calibration()
    (mine, sure), (theirs, wrong) = (answered_surely(at_temperature(one, chosen), chosen) for one in (known, unknown))
    answers, right = int(sure.sum() + wrong.sum()), sure & (ranks(known) == 0)
    asked = (1 - chosen.unknown) * sure.mean() + chosen.unknown * wrong.mean()
    first = np.argsort(-theirs, kind="stable")[:LISTED]
    guesses = unknown.scores.argmax(axis=1)
    return {
        "clips": len(theirs),
        "threshold": chosen.threshold,
        "answered": percent(wrong.mean()),
        "known_answered": percent(sure.mean()),
        "right_of_answered": percent(right.sum() / answers) if answers else None,
        "expected": percent(chosen.unknown),
        "right_if_expected": percent((1 - chosen.unknown) * right.mean() / asked) if asked else None,
        "auroc": percent(roc_auc_score(np.repeat([1, 0], [len(mine), len(theirs)]), np.concatenate([mine, theirs]))),
        "surest": [
            {"id": unknown.ids[i], "guess": unknown.glosses[guesses[i]], "confidence": round(float(theirs[i]), 4)}
            for i in first
        ],
    }


def unknown_in_words(found: Mapping[str, Any]) -> str:
    """An `unknown` entry as a sentence."""
    asked = f"{found['clips']} clips of {found['glosses']} glosses"
    if not found["answered"] and not found["known_answered"]:
        return f"{asked}, none named surely; but it is never sure, of its own signs neither"
    sure = (
        f"{found['answered']} % of {asked} named surely, and so wrongly; of its own signs' {found['known_answered']} %"
    )
    said = f"{sure}; of all sure answers {found['right_of_answered']} % are right"
    if not found.get("expected"):
        return said
    return f"{said}, {found['right_if_expected']} % where {found['expected']:.0f} % of all clips are of such signs"
