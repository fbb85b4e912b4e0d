"""What else is asked of packs and finished runs, as functions on files: views, maps, k-NN, retrieval, robustness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure

from twinsign.errors import InputError
from twinsign.evaluation.evaluate import (
    by_gallery,
    context_of,
    full_report,
    head_recipe,
    in_order,
    load_classifier,
    score,
    viewer_of,
)
from twinsign.evaluation.metrics import Scored
from twinsign.evaluation.retrieve import nearest, prototypes, retrieval_report
from twinsign.evaluation.robust import Tick, checked, curves
from twinsign.inference.embeddings import Choice
from twinsign.inference.shift import check_shift
from twinsign.nn.encoder import PARTS
from twinsign.nn.features import embed, fastest_device, joint_embedding, knn_scores
from twinsign.pack.open import Pack
from twinsign.pack.selection import Asked, labelled, shared_signers, training_rows
from twinsign.report.skeletons import Panel, clip_panel, view_panel
from twinsign.report.tsne import embedding_map
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import Run, load_encoders, load_run
from twinsign.runs.training_clips import hashed_signers
from twinsign.train.prepare import NOTHING, Clips, branches_of, control_encoders
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipReader, clips_of, generator_at

Ranking = Literal["logits", "nearest", "prototype"]
NEAR = 8
"""Ids listed where one was not found."""
_BY_GALLERY = {"nearest": nearest, "prototype": prototypes}


def row_of(pack: Pack, id: str | None, index: int | None) -> int:
    """The row of a clip by id or by place; InputError names ids like it, or how many there are."""
    if (id is None) == (index is None):
        raise InputError("an id and an index" if id is not None else "neither id nor index", "one of them")
    if index is not None:
        if not 0 <= index < len(pack):
            raise InputError(f"index {index}", f"0 to {len(pack) - 1}", file=pack.paths[0])
        return index
    ids: list[str] = pack.column("id")
    if id not in ids:
        near = [one for one in ids if str(id).lower() in one.lower()][:NEAR]
        near = near or get_close_matches(str(id), ids, NEAR, 0.5)
        hint = f"Near: {', '.join(near)}." if near else f"The first: {', '.join(ids[:NEAR])}."
        raise InputError(f"no clip {id!r}", f"one of {len(ids)} ids", file=pack.paths[0], hint=hint)
    return ids.index(id)


def panels(pack: Pack, row: int, recipe: Recipe, views: int = 0, seed: int = 0) -> list[Panel]:
    """A clip as it was recorded, or that many random views of it as pre-training draws them, ready to draw."""
    recording = pack.recording(row)
    about = [pack.table[name][row].as_py() for name in ("gloss", "split")]
    title = ", ".join([recording.id, *(one for one in about if one)])
    if not views:
        return [clip_panel(recording.xy, recording.seen, recording.size, title)]
    clips, generator = clips_of([recording], recipe.read), generator_at(seed, row)
    drawn = [random_view(clips, recipe.pretrain.augment, recipe.pretrain.frames, generator) for _ in range(views)]
    return [
        view_panel(one.xy[0].numpy(), one.seen[0].numpy(), f"view {n} of {title}") for n, one in enumerate(drawn, 1)
    ]


def maps(
    model: str | Path,
    clips: Clips,
    splits: list[str] | None,
    coloured: int | Sequence[str],
    onto: str | None = None,
    seed: int = 0,
) -> Figure:
    """Maps of a RUN's clips by each of its branches and by all, coloured by gloss (paper, Fig. 3).

    With `onto` that split's clips shape the maps and the others are placed on them.
    """
    run, pack = load_run(model), Pack(clips.data)
    if onto is not None and (splits is None or onto in splits):
        raise InputError(f"split {onto!r} as map and as the clips placed on it", "another split", file=pack.paths[0])
    rows = pack.select(splits, clips.where)
    shaping = rows[:0] if onto is None else pack.select([onto], clips.where)
    both = np.concatenate([shaping, rows])
    parts = head_recipe(run).head.parts if run.kind == "classifier" else PARTS
    encoders = load_encoders(run).to(fastest_device())
    features, _ = embed(encoders, in_order(pack, both, run.recipe), viewer_of(run), parts)
    found = {name: joint_embedding({name: value}).numpy() for name, value in features.items()}
    if len(features) > 1:
        found[" + ".join(features)] = joint_embedding(features).numpy()
    glosses = pack.table["gloss"].take(both).to_pylist()
    placed = None if onto is None else np.arange(len(both)) >= len(shaping)
    return embedding_map(found, glosses, seed, coloured, placed)


def retrieve(
    model: str | Path, clips: Clips, splits: list[str], *, gallery: str = "train", by: Ranking | None = None
) -> tuple[dict[str, Any], Scored]:
    """The retrieval report of a RUN on the named splits, and its scores (Desai et al. 2023).

    Glosses are ranked by a classifier's logits, by their nearest gallery clip, or by the mean of their gallery clips.
    """
    run, pack = load_run(model), Pack(clips.data)
    by = by or ("logits" if run.kind == "classifier" else "nearest")
    about: dict[str, Any] = {"by": by, "measures": "retrieval"}
    if by == "logits":
        classifier = load_classifier(run).to(fastest_device())
        asked = labelled(pack, pack.select(splits, clips.where), run.labels)
        scored = score(run, classifier, pack, asked)
    else:
        if gallery in splits:
            raise InputError(f"split {gallery!r} as gallery and as query", "a gallery apart from the clips it answers")
        stored, glosses = training_rows(pack, clips.where, clips.label_fraction, 0, clips.labels_per_class, gallery)
        asked = labelled(pack, pack.select(splits, clips.where), glosses)
        encoders = load_encoders(run).to(fastest_device())
        scored = by_gallery(encoders, pack, stored, asked, glosses, run, _BY_GALLERY[by])
        about |= {"gallery": gallery, "gallery_clips": len(stored.rows)}
        about |= {"signers": shared_signers(*(hashed_signers(pack, rows) for rows in (asked.rows, stored.rows)))}
    context = context_of(run, pack, asked, Asked(splits, clips.where), len(scored.glosses))
    return {**retrieval_report(scored), **context, **about}, scored


def knn(
    model: str | Path,
    recipe: Recipe,
    clips: Clips,
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
    stored, glosses = training_rows(pack, clips.where, *share, split=gallery)
    asked = labelled(pack, pack.select(splits, clips.where), glosses)
    if str(model) == NOTHING:
        run = Run(Path(NOTHING), "pretrained", recipe, about={"protocol": "random", "seed": seed})
        encoders = control_encoders(recipe, ClipReader(pack, stored.rows, recipe.read), seed)
    else:
        run = load_run(model)
        encoders = load_encoders(run)
    shift = check_shift(run, pack, asked.rows, run.recipe.read, clips.strict)
    chosen, rank = (choice or Choice()).within(run), partial(knn_scores, neighbours=k)
    kept = branches_of(encoders, tuple(chosen.branches), model).to(fastest_device())
    scored = by_gallery(kept, pack, stored, asked, glosses, run, rank, tuple(chosen.parts))
    bare = replace(run, about={name: value for name, value in run.about.items() if name != "calibration"})
    report = full_report(scored, bare, pack, asked, Asked(splits, clips.where))  # its calibration is not k-NN's
    report |= {"branches": list(chosen.branches), "parts": list(chosen.parts)}
    report |= {"protocol": "knn", "neighbours": k, "gallery": gallery, "gallery_clips": len(stored.rows)}
    signers = shared_signers(*(hashed_signers(pack, rows) for rows in (asked.rows, stored.rows)))
    return {**report, "shift": shift, "signers": signers}, scored


def robustness(
    model: str | Path, clips: Clips, splits: list[str] | None, kinds: Sequence[str], seed: int, tick: Tick
) -> dict[str, Any]:
    """Accuracy of a classifier on the named splits (None: all) as their recordings are spoilt, kind by kind (ours)."""
    run, pack = load_run(model), Pack(clips.data)
    classifier = load_classifier(run).to(fastest_device())
    data = labelled(pack, pack.select(splits, clips.where), run.labels)
    report = curves(run, classifier, pack, data, checked(kinds), seed, tick)
    context = context_of(run, pack, data, Asked(splits, clips.where), len(run.labels))
    return {**report, **context, "damage_seed": seed}
