"""Frozen encoders judged by a gallery of labelled clips: k-NN accuracy, and retrieval of a sign from a dictionary.

Retrieval: how high the right gloss ranks in the list (Desai et al. 2023). A query has one right gloss, so the ideal
list has it first and DCG is nDCG. Ties count against the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.evaluation.evaluate import full_report, report_context
from twinsign.evaluation.metrics import ClipScores, true_class_ranks
from twinsign.evaluation.scoring import score
from twinsign.evaluation.significance import RESAMPLES, bootstrap_report
from twinsign.inference.embedder import FeatureChoice
from twinsign.inference.shift import check_shift
from twinsign.nn.beside import first_networks
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
    signer_overlap,
)
from twinsign.runs.models import (
    NO_PRETRAINING,
    branches_of,
    control_encoders,
    embedded_branches,
    evaluation_loader,
    load_classifier,
    load_encoders,
    load_whitening,
)
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import Run, load_run
from twinsign.runs.training_clips import hashed_signers
from twinsign.views.batches import ClipReader

Ranking = Literal["logits", "nearest", "prototype"]
Ranker = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""Query (N D) and gallery (M D) unit vectors, the gallery's labels (M) and the number of classes to scores (N C)."""

Vectors = Callable[[Pack, LabelledRows], Tensor]
"""Clips of a pack to unit vectors (N D)."""

DEPTHS = (1, 5, 10)
"""Recall is reported at these lengths of the list (Desai et al. 2023)."""
MEASURES = ("dcg", "mrr", *(f"recall{depth}" for depth in DEPTHS))
_ROWS_AT_ONCE = 1024


def class_maxima(similarity: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Largest of similarities (N M) to the gallery clips of each class (N C), by their labels (M); -1 for none."""
    empty = torch.full((len(similarity), classes), -1.0)
    return empty.scatter_reduce_(1, labels.expand(len(similarity), -1), similarity, reduce="amax")


def nearest_scores(query: Tensor, gallery: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Scores (N C) of unit vectors (N D): similarity to each gloss's nearest gallery clip (M D), labels (M)."""
    return torch.cat([class_maxima(rows @ gallery.T, labels, classes) for rows in query.split(_ROWS_AT_ONCE)])


def prototype_scores(query: Tensor, gallery: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Scores (N C) of unit vectors (N D): similarity to the unit mean of each gloss's gallery clips (M D)."""
    return query @ unit_means(gallery, labels, classes).T


def knn_scores(
    query: Tensor, gallery: Tensor, labels: Tensor, classes: int, neighbours: int = 5, temperature: float = 0.07
) -> Tensor:
    """Class scores (N C) of unit vectors (N D) by similarity-weighted votes of the nearest gallery clips (M D), (M).

    A vote weighs exp(similarity / temperature), as in instance discrimination (Wu et al. 2018). Classes without a vote
    rank below those with votes, by their nearest clip, so that top-5 is defined.
    """
    similarity = query @ gallery.T  # N M
    top = similarity.topk(min(neighbours, len(gallery)), dim=1)
    votes = torch.zeros(len(query), classes).scatter_add_(1, labels[top.indices], (top.values / temperature).exp())
    return torch.where(votes > 0, 1 + votes.clamp(min=1e-12).log1p(), class_maxima(similarity, labels, classes))


def knn(
    model: str | Path,
    recipe: Recipe,
    clips: ClipSelection,
    splits: list[str],
    *,
    gallery: str = "train",
    k: int = 5,
    seed: int = 0,
    choice: FeatureChoice | None = None,
) -> tuple[dict[str, Any], ClipScores]:
    """k-NN accuracy of a RUN's encoders, or (`none`) of random ones, among the gallery split's clips.

    `choice` restricts it to some branches and parts (paper, Tables VII and X).
    """
    pack, stored, query, glosses = _gallery_and_query(clips, splits, gallery, seed)
    if str(model) == NO_PRETRAINING:
        run = Run(Path(NO_PRETRAINING), "pretrained", recipe, about={"protocol": "random", "seed": seed})
        encoders = control_encoders(recipe, ClipReader(pack, stored.rows, recipe.read), seed)
        whitening: nn.Module = nn.Identity()
    else:
        run = load_run(model)
        encoders = load_encoders(run)
        whitening = load_whitening(run)
    shift = check_shift(run, pack, query.rows, run.recipe.read, clips.strict)
    chosen = (choice or FeatureChoice()).within(run)
    encoders = first_networks(branches_of(encoders, tuple(chosen.branches), model)).to(fastest_device())
    ranker = partial(knn_scores, neighbours=k)
    vectors = gallery_vectors(run, encoders, tuple(chosen.parts), whitening if chosen.whole(run) else nn.Identity())
    scored = score_by_gallery(vectors, pack, stored, query, glosses, ranker)
    # The run's calibration is of its classifier, not of k-NN.
    uncalibrated = replace(run, about={name: value for name, value in run.about.items() if name != "calibration"})
    report = full_report(scored, uncalibrated, pack, query, EvaluationScope(splits, clips.where))
    report |= {"branches": list(chosen.branches), "parts": list(chosen.parts)}
    report |= {"protocol": "knn", "neighbours": k, **_gallery_entries(pack, gallery, stored, query), "shift": shift}
    return report, scored


def retrieve(
    model: str | Path, clips: ClipSelection, splits: list[str], *, gallery: str = "train", by: Ranking | None = None
) -> tuple[dict[str, Any], ClipScores]:
    """The retrieval report of a RUN on these splits, and its scores (Desai et al. 2023).

    Glosses are ranked by a classifier's logits, by their nearest gallery clip, or by the mean of their gallery clips.
    """
    run = load_run(model)
    by = by or ("logits" if run.kind == "classifier" else "nearest")
    entries: dict[str, Any] = {"by": by, "measures": "retrieval"}
    if by == "logits":
        pack, classifier = Pack(clips.data), load_classifier(run).to(fastest_device())
        query = labelled_rows(pack, pack.select(splits, clips.where), run.labels)
        scored = score(run, classifier, pack, query)
    else:
        pack, stored, query, glosses = _gallery_and_query(clips, splits, gallery, 0)
        encoders = first_networks(branches_of(load_encoders(run), embedded_branches(run), model)).to(fastest_device())
        ranker = nearest_scores if by == "nearest" else prototype_scores
        vectors = gallery_vectors(run, encoders, PARTS, load_whitening(run))
        scored = score_by_gallery(vectors, pack, stored, query, glosses, ranker)
        entries |= _gallery_entries(pack, gallery, stored, query)
    context = report_context(run, pack, query, EvaluationScope(splits, clips.where), len(scored.glosses))
    return {**retrieval_report(scored), **context, **entries}, scored


def _gallery_and_query(
    clips: ClipSelection, splits: list[str], gallery: str, seed: int
) -> tuple[Pack, LabelledRows, LabelledRows, list[str]]:
    """The pack, a share of the gallery split's clips, the clips of the queried splits, and the gallery's glosses."""
    if gallery in splits:
        raise InputError(f"split {gallery!r} as gallery and as query", "a gallery apart from the clips to look up")
    pack, share = Pack(clips.data), (clips.label_fraction, seed, clips.labels_per_class)
    stored, glosses = select_labelled_training(pack, clips.where, *share, split=gallery)
    return pack, stored, labelled_rows(pack, pack.select(splits, clips.where), glosses), glosses


def _gallery_entries(pack: Pack, gallery: str, stored: LabelledRows, query: LabelledRows) -> dict[str, Any]:
    signers = signer_overlap(*(hashed_signers(pack, data.rows) for data in (query, stored)))
    return {"gallery": gallery, "gallery_clips": len(stored.rows), "signers": signers}


def gallery_vectors(run: Run, encoders: nn.ModuleDict, parts: tuple[str, ...], whitening: nn.Module) -> Vectors:
    """Clips to unit vectors by frozen encoders, on the views that the RUN's pre-training is judged by."""
    viewer = fixed_views(run.recipe.windows, run.recipe.pretrain.frames)

    def vectors(pack: Pack, data: LabelledRows) -> Tensor:
        features, _ = embed(encoders, evaluation_loader(pack, data.rows, run.recipe), viewer, parts)
        found: Tensor = whitening(joint_embedding(features))
        return found

    return vectors


def score_by_gallery(
    vectors: Vectors, pack: Pack, gallery: LabelledRows, query: LabelledRows, glosses: list[str], ranker: Ranker
) -> ClipScores:
    """Scores of the query clips: `ranker` scores each class by the gallery's clips."""
    stored, labels = vectors(pack, gallery), torch.from_numpy(gallery.labels)
    scores = ranker(vectors(pack, query), stored, labels, len(glosses))
    return ClipScores(clip_ids(pack, query.rows), glosses, query.labels, scores.numpy())


def rank_measures(rank: NDArray[np.int64]) -> NDArray[np.float64]:
    """DCG 1 / log2(1 + r), reciprocal rank 1 / r and recall at 1, 5 and 10 of ranks r from 1: (N 5).

    DCG after Järvelin and Kekäläinen (2002); one right answer a query, as in ASL Citizen (Desai et al. 2023).
    """
    return np.stack([1 / np.log2(1 + rank), 1 / rank, *((rank <= depth) * 1.0 for depth in DEPTHS)], axis=1)


def retrieval_report(scored: ClipScores, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
    """Means of `rank_measures` per instance and per class in percent, with 95 % bootstrap intervals over clips."""
    rank = true_class_ranks(scored) + 1
    return {
        **bootstrap_report([rank_measures(rank)[None]], scored.labels, MEASURES, resamples=resamples, seed=seed),
        "median_rank": float(np.median(rank)),
        "label_count": len(scored.glosses),
    }
