"""Signs that a classifier does not know: how often it names them surely all the same (ours)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from twinsign.errors import InputError
from twinsign.pack.open import Indices, Pack
from twinsign.recognise.calibrate import Calibration, calibration_of
from twinsign.recognise.classify import Classifier
from twinsign.recognise.evaluate import clip_ids, in_order, logits_of, viewer_of
from twinsign.recognise.metrics import Scored, percent, ranks
from twinsign.recognise.selective import DECIMALS
from twinsign.run import Run

LISTED = 5
"""Of the unknown clips that the model is surest of."""


def ask_unknown(run: Run, classifier: Classifier, pack: Pack, rows: Indices, known: Scored) -> dict[str, Any]:
    """`unknown_report` of the clips in these rows, whose glosses are none of the model's, and the surest of them."""
    fitted = calibration_of(run)
    scores = logits_of(classifier, in_order(pack, rows, run.recipe), viewer_of(run))
    confidence, guess = _confidence(scores, fitted)
    ids, glosses = clip_ids(pack, rows), pack.table["gloss"].take(rows).to_pylist()
    surest = [
        {"id": ids[i], "gloss": glosses[i], "guess": run.labels[guess[i]], "confidence": round(float(confidence[i]), 4)}
        for i in np.argsort(-confidence, kind="stable")[:LISTED]
    ]
    report = {**unknown_report(known, scores, fitted), "surest": surest}
    return {**report, "glosses": len({*glosses}), "split_hash": pack.split_hash(rows)}


def apart(pack: Pack, rows: Indices, known: Sequence[str]) -> tuple[Indices, Indices]:
    """Rows whose gloss is among these, and rows of other glosses; InputError where either are none."""
    glosses = pack.table["gloss"].take(rows).to_pylist()
    names = {*known}
    mine, others = (rows[[bool(gloss) and (gloss in names) == wanted for gloss in glosses]] for wanted in (True, False))
    for found, what in ((mine, "of the model's glosses"), (others, "of a gloss that the model does not know")):
        if not len(found):
            raise InputError(f"no clip {what}", "both, to tell them apart", file=pack.paths[0])
    return mine, others


def unknown_report(known: Scored, unknown: NDArray[np.float32], fitted: Calibration | None) -> dict[str, Any]:
    """What the "not sure" does against unknown signs, from the logits (M C) of their clips; in percent.

    `answered`: of the unknown clips, how many get a sure answer, which is wrong; `right_of_answered`: of all sure
    answers, known and unknown clips together, how many are right; `auroc`: how often a known clip is surer than an
    unknown one (equally sure: half).
    """
    threshold = fitted.threshold if fitted else 0.0
    (mine, _), (theirs, _) = _confidence(known.scores, fitted), _confidence(unknown, fitted)
    right = (mine >= threshold) & (ranks(known) == 0)
    sure = int((mine >= threshold).sum()), int((theirs >= threshold).sum())
    truth = np.repeat([1, 0], [len(mine), len(theirs)])
    return {
        "clips": len(theirs),
        "answered": percent(sure[1] / len(theirs)),
        "right_of_answered": percent(right.sum() / sum(sure)) if sum(sure) else None,
        "auroc": percent(roc_auc_score(truth, np.concatenate([mine, theirs]))),
    }


def _confidence(scores: NDArray[np.float32], fitted: Calibration | None) -> tuple[NDArray[np.float64], Indices]:
    """The largest softmax at the run's temperature (N), summed in whatever order, and whose it is (N)."""
    logits = torch.from_numpy(scores).double() / (fitted.temperature if fitted else 1.0)
    confidence, guess = logits.softmax(dim=1).max(dim=1)
    return confidence.numpy().round(DECIMALS), guess.numpy()
