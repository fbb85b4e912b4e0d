"""k-NN accuracy of frozen encoders."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.evaluation.evaluate import full_report
from twinsign.evaluation.metrics import Scored
from twinsign.evaluation.retrieve import by_gallery
from twinsign.inference.embeddings import Choice
from twinsign.inference.shift import check_shift
from twinsign.pack.open import Pack
from twinsign.pack.selection import (
    ClipSelection,
    EvaluationScope,
    labelled_rows,
    select_labelled_training,
    shared_signers,
)
from twinsign.runs.models import (
    NO_PRETRAINING,
    branches_of,
    control_encoders,
    load_encoders,
)
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import Run, load_run
from twinsign.runs.training_clips import hashed_signers
from twinsign.views.batches import ClipReader


def knn_scores(
    query: Tensor, gallery: Tensor, labels: Tensor, classes: int, neighbours: int = 5, temperature: float = 0.07
) -> Tensor:
    """Class scores (N C) of unit vectors (N D) by similarity-weighted votes of the nearest gallery clips (M D), (M).

    A vote weighs exp(similarity / temperature), as in instance discrimination (Wu et al. 2018); classes without a vote
    follow by their nearest clip, so that top-5 is defined.
    """
    similar = query @ gallery.T  # N M
    top = similar.topk(min(neighbours, len(gallery)), dim=1)
    votes = torch.zeros(len(query), classes).scatter_add_(1, labels[top.indices], (top.values / temperature).exp())
    nearest = torch.full((len(query), classes), -1.0)
    nearest.scatter_reduce_(1, labels.expand(len(query), -1), similar, reduce="amax")
    return torch.where(votes > 0, 1 + votes.clamp(min=1e-12).log1p(), nearest)


def knn(
    model: str | Path,
    recipe: Recipe,
    clips: ClipSelection,
    splits: list[str],
    *,
    gallery: str = "train",
    k: int = 5,
    seed: int = 0,
    choice: Choice | None = None,
) -> tuple[dict[str, Any], Scored]:
    """k-NN accuracy of a RUN's encoders, or (`none`) of random ones, among the gallery split's clips.

    `choice` narrows it to some branches and parts (paper, Tables VII and X).
    """
    if gallery in splits:
        raise InputError(f"split {gallery!r} as gallery and as query", "a gallery apart from the clips it answers")
    pack = Pack(clips.data)
    share = (clips.label_fraction, seed, clips.labels_per_class)
    stored, glosses = select_labelled_training(pack, clips.where, *share, split=gallery)
    asked = labelled_rows(pack, pack.select(splits, clips.where), glosses)
    if str(model) == NO_PRETRAINING:
        run = Run(Path(NO_PRETRAINING), "pretrained", recipe, about={"protocol": "random", "seed": seed})
        encoders = control_encoders(recipe, ClipReader(pack, stored.rows, recipe.read), seed)
    else:
        run = load_run(model)
        encoders = load_encoders(run)
    shift = check_shift(run, pack, asked.rows, run.recipe.read, clips.strict)
    chosen, rank = (choice or Choice()).within(run), partial(knn_scores, neighbours=k)
    kept = branches_of(encoders, tuple(chosen.branches), model).to(fastest_device())
    scored = by_gallery(kept, pack, stored, asked, glosses, run, rank, tuple(chosen.parts))
    bare = replace(run, about={name: value for name, value in run.about.items() if name != "calibration"})
    report = full_report(
        scored, bare, pack, asked, EvaluationScope(splits, clips.where)
    )  # its calibration is not k-NN's
    report |= {"branches": list(chosen.branches), "parts": list(chosen.parts)}
    report |= {"protocol": "knn", "neighbours": k, "gallery": gallery, "gallery_clips": len(stored.rows)}
    signers = shared_signers(*(hashed_signers(pack, rows) for rows in (asked.rows, stored.rows)))
    return {**report, "shift": shift, "signers": signers}, scored
