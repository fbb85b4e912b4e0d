"""Looking a sign up in a dictionary: how high the right gloss stands in the ranked list (Desai et al. 2023).

A query has one right gloss, so the ideal list has it first and DCG is nDCG. Ties count against the model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.evaluation.bootstrap import redrawn, weighted_means
from twinsign.evaluation.evaluate import context_of
from twinsign.evaluation.metrics import Scored, percent, ranks
from twinsign.evaluation.scoring import score
from twinsign.nn.config import PARTS
from twinsign.nn.features import embed, fixed_views, joint_embedding, unit_means
from twinsign.pack.open import Pack
from twinsign.pack.selection import (
    ClipSelection,
    EvaluationScope,
    LabelledRows,
    clip_ids,
    labelled_rows,
    select_labelled_training,
    shared_signers,
)
from twinsign.runs.models import (
    evaluation_loader,
    load_classifier,
    load_encoders,
)
from twinsign.runs.run import Run, load_run
from twinsign.runs.training_clips import hashed_signers

Ranking = Literal["logits", "nearest", "prototype"]

Ranker = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""Query (N D) and gallery (M D) unit vectors, the gallery's labels (M) and the number of classes to scores (N C)."""

DEPTHS = (1, 5, 10)
"""Recall is given at these lengths of the list (Desai et al. 2023)."""
MEASURES = ("dcg", "mrr", *(f"recall{depth}" for depth in DEPTHS))
KINDS = ("per_instance", "per_class")
RESAMPLES = 2000
_ROWS_AT_ONCE = 1024


def nearest(query: Tensor, gallery: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Scores (N C) of unit vectors (N D): similarity to each gloss's nearest gallery clip (M D), labels (M)."""
    found = torch.full((len(query), classes), -1.0)
    for start in range(0, len(query), _ROWS_AT_ONCE):
        similar = query[start : start + _ROWS_AT_ONCE] @ gallery.T
        index = labels.expand(len(similar), -1)
        found[start : start + _ROWS_AT_ONCE].scatter_reduce_(1, index, similar, reduce="amax")
    return found


def prototypes(query: Tensor, gallery: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Scores (N C) of unit vectors (N D): similarity to the unit mean of each gloss's gallery clips (M D)."""
    return query @ unit_means(gallery, labels, classes).T


def values(rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """DCG 1 / log2(1 + r), reciprocal rank 1 / r and recall at 1, 5 and 10 of ranks r from 1: (N 5).

    DCG after Järvelin and Kekäläinen (2002); one right answer a query, as in ASL Citizen (Desai et al. 2023).
    """
    return np.stack([1 / np.log2(1 + rank), 1 / rank, *((rank <= depth) * 1.0 for depth in DEPTHS)], axis=1)


def retrieval_report(scored: Scored, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Means of `values` over clips, and over classes present, in percent, with 95 % bootstrap intervals over clips."""
    rank = ranks(scored) + 1
    found = values(rank)
    _, place = np.unique(scored.labels, return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = [weighted_means(found, place, redrawn(random, len(rank))) for _ in range(resamples)]
    low, high = np.percentile(np.stack(drawn), [2.5, 97.5], axis=0)
    means = weighted_means(found, place)
    return {
        **{kind: {name: percent(means[i, j]) for j, name in enumerate(MEASURES)} for i, kind in enumerate(KINDS)},
        "interval95": {
            f"{kind}.{name}": [percent(low[i, j]), percent(high[i, j])]
            for i, kind in enumerate(KINDS)
            for j, name in enumerate(MEASURES)
        },
        "median_rank": float(np.median(rank)),
        "clips": len(rank),
        "classes": int(place.max()) + 1,
        "label_count": len(scored.glosses),
    }


def by_gallery(
    encoders: nn.ModuleDict,
    pack: Pack,
    gallery: LabelledRows,
    query: LabelledRows,
    glosses: list[str],
    run: Run,
    rank: Ranker,
    parts: tuple[str, ...] = PARTS,
) -> Scored:
    """What frozen encoders say of the query clips by the gallery's: `rank` scores each class (gallery: train)."""
    viewer = fixed_views(run.recipe.windows, run.recipe.pretrain.frames)
    stored, labels = embed(encoders, evaluation_loader(pack, gallery.rows, run.recipe, gallery.labels), viewer, parts)
    asked, _ = embed(encoders, evaluation_loader(pack, query.rows, run.recipe, query.labels), viewer, parts)
    scores = rank(joint_embedding(asked), joint_embedding(stored), labels, len(glosses))
    return Scored(clip_ids(pack, query.rows), glosses, query.labels, scores.numpy())


_BY_GALLERY = {"nearest": nearest, "prototype": prototypes}


def retrieve(
    model: str | Path, clips: ClipSelection, splits: list[str], *, gallery: str = "train", by: Ranking | None = None
) -> tuple[dict[str, Any], Scored]:
    """The retrieval report of a RUN on the named splits, and its scores (Desai et al. 2023).

    Glosses are ranked by a classifier's logits, by their nearest gallery clip, or by the mean of their gallery clips.
    """
    run, pack = load_run(model), Pack(clips.data)
    by = by or ("logits" if run.kind == "classifier" else "nearest")
    about: dict[str, Any] = {"by": by, "measures": "retrieval"}
    if by == "logits":
        classifier = load_classifier(run).to(fastest_device())
        asked = labelled_rows(pack, pack.select(splits, clips.where), run.labels)
        scored = score(run, classifier, pack, asked)
    else:
        if gallery in splits:
            raise InputError(f"split {gallery!r} as gallery and as query", "a gallery apart from the clips it answers")
        stored, glosses = select_labelled_training(
            pack, clips.where, clips.label_fraction, 0, clips.labels_per_class, gallery
        )
        asked = labelled_rows(pack, pack.select(splits, clips.where), glosses)
        encoders = load_encoders(run).to(fastest_device())
        scored = by_gallery(encoders, pack, stored, asked, glosses, run, _BY_GALLERY[by])
        about |= {"gallery": gallery, "gallery_clips": len(stored.rows)}
        about |= {"signers": shared_signers(*(hashed_signers(pack, rows) for rows in (asked.rows, stored.rows)))}
    context = context_of(run, pack, asked, EvaluationScope(splits, clips.where), len(scored.glosses))
    return {**retrieval_report(scored), **context, **about}, scored
