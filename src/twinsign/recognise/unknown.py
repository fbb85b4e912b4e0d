"""Signs that a classifier does not know: how often it names them surely all the same (ours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from twinsign.errors import InputError
from twinsign.pack.open import Indices, Pack
from twinsign.recognise.calibrate import Calibration, calibration_of
from twinsign.recognise.classify import Classifier
from twinsign.recognise.evaluate import clip_ids, in_order, logits_of, viewer_of
from twinsign.recognise.metrics import Scored, percent, ranks
from twinsign.recognise.selective import answered_surely, at_temperature
from twinsign.run import Run

LISTED = 5
"""Of the unknown clips that the model is surest of."""


def ask_unknown(run: Run, classifier: Classifier, pack: Pack, rows: Indices, known: Scored) -> dict[str, Any]:
    """`unknown_report` of the clips in these rows, whose glosses are none of the model's, and the surest of them."""
    ids, glosses = clip_ids(pack, rows), pack.table["gloss"].take(rows).to_pylist()
    scores = logits_of(classifier, in_order(pack, rows, run.recipe), viewer_of(run))
    report = unknown_report(known, Scored(ids, run.labels, np.zeros(len(ids), np.int64), scores), calibration_of(run))
    for one in report["surest"]:
        one["gloss"] = glosses[ids.index(one["id"])]
    return {**report, "glosses": len({*glosses}), "split_hash": pack.split_hash(rows)}


def apart(pack: Pack, rows: Indices, known: Sequence[str]) -> tuple[Indices, Indices]:
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
    `right_of_answered`: of all sure answers together, how many are right; `auroc`: how often a known clip is surer than
    an unknown one (equally sure: half); `surest`: the unknown clips with the surest answers. Where nothing was fitted,
    the threshold of `predict` counts.
    """
    chosen = fitted or Calibration()
    (mine, sure), (theirs, wrong) = (answered_surely(at_temperature(one, chosen), chosen) for one in (known, unknown))
    answers = int(sure.sum() + wrong.sum())
    first = np.argsort(-theirs, kind="stable")[:LISTED]
    guesses = unknown.scores.argmax(axis=1)
    return {
        "clips": len(theirs),
        "threshold": chosen.threshold,
        "answered": percent(wrong.mean()),
        "known_answered": percent(sure.mean()),
        "right_of_answered": percent((sure & (ranks(known) == 0)).sum() / answers) if answers else None,
        "auroc": percent(roc_auc_score(np.repeat([1, 0], [len(mine), len(theirs)]), np.concatenate([mine, theirs]))),
        "surest": [
            {"id": unknown.ids[i], "guess": unknown.glosses[guesses[i]], "confidence": round(float(theirs[i]), 4)}
            for i in first
        ],
    }


def in_words(found: Mapping[str, Any]) -> str:
    """An `unknown` entry as a sentence."""
    asked = f"{found['clips']} clips of {found['glosses']} glosses"
    if not found["answered"] and not found["known_answered"]:
        return f"{asked}, none named surely; but it is never sure, of its own signs neither"
    sure = (
        f"{found['answered']} % of {asked} named surely, and so wrongly; of its own signs' {found['known_answered']} %"
    )
    return f"{sure}; of all sure answers {found['right_of_answered']} % are right"
