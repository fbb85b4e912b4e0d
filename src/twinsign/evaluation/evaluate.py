"""Scores of a trained classifier on clips it was not selected on, and the report that states them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twinsign.errors import InputError
from twinsign.evaluation.calibrate import calibration_of
from twinsign.evaluation.coverage import coverage, identical_ids
from twinsign.evaluation.metrics import Scored, accuracy_report
from twinsign.evaluation.selective import selective_report
from twinsign.evaluation.source import nothing, source_of
from twinsign.files import sha256
from twinsign.inference.notice import Noticer
from twinsign.nn.classifier import Classifier
from twinsign.nn.encoder import PARTS
from twinsign.nn.features import Viewer, device_of, embed, fixed_views, joint_embedding
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import Asked, Labelled, shared_signers
from twinsign.pose.rest import FPS
from twinsign.runs.recipe import ClassifyConfig, Recipe
from twinsign.runs.run import CALIBRATED, Run, filled
from twinsign.runs.training_clips import hashed_signers, learnt_by
from twinsign.streaming.stream import longest_sign
from twinsign.views.batches import Batches, ClipLoader, ClipReader, clips_of
from twinsign.views.clips import Clips

Ranker = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""Query (N D) and gallery (M D) unit vectors, the gallery's labels (M) and the number of classes to scores (N C)."""
EVALUATION_BATCH = 128
"""Clips scored at once."""


def head_recipe(run: Run) -> ClassifyConfig:
    """The part of the recipe that made this classifier: finetune or linear."""
    protocol = run.about.get("protocol")
    if protocol not in ("finetune", "linear"):
        raise InputError(f"protocol {protocol!r}", "finetune or linear", file=run.path)
    chosen: ClassifyConfig = getattr(run.recipe, protocol)
    return chosen


def frames_of(run: Run) -> int:
    """T that a RUN's encoders were last trained at: its classifier's, or that of the pre-training."""
    return head_recipe(run).frames if run.kind == "classifier" else run.recipe.pretrain.frames


def viewer_of(run: Run) -> Viewer:
    """What a RUN's encoders look at in tests and in use."""
    return fixed_views(run.recipe.windows, frames_of(run))


def load_classifier(run: Run) -> Classifier:
    """The classifier of a RUN in evaluation mode; InputError for a run that was only pre-trained."""
    if run.kind != "classifier":
        hint = "Without a classifier signs are named by a dictionary: twinsign enrol, search."
        raise InputError(
            "a pre-trained run without a classifier", "a run of finetune or linear", file=run.path, hint=hint
        )
    head = head_recipe(run).head
    made = filled(lambda: Classifier(run.recipe.encoder, head, len(run.labels)), run.weights(), run)
    return cast(Classifier, made).eval()


def in_order(
    pack: Pack, rows: Indices, recipe: Recipe, labels: Indices | None = None, part: tuple[int, int] = (0, 1)
) -> ClipLoader:
    """These rows' clips in their order, in batches for evaluation; or a process's `part` (rank, processes) of them."""
    reader = ClipReader(pack, rows, recipe.read, None if labels is None else labels.tolist())
    batches = Batches(len(reader), EVALUATION_BATCH * part[1], shuffle=False, part=part)
    return ClipLoader(reader, batches, workers=recipe.trainer.workers)


@torch.no_grad()
def logits_of(classifier: Classifier, batches: Iterable[Clips], viewer: Viewer) -> NDArray[np.float32]:
    """Joined logits (N C) on the test views of every clip, in the batches' order."""
    device = device_of(classifier)
    found = [classifier(*viewer(clips.to(device))).float().cpu() for clips in batches]
    return torch.cat(found).numpy()


def score(run: Run, classifier: Classifier, pack: Pack, data: Labelled, stream: bool = False) -> Scored:
    """What the classifier says of labelled clips, or (`stream`) of what the live segmenter hands on of them."""
    return scored_rows(run, classifier, pack, data.rows, data.labels, stream)


@torch.no_grad()
def scored_rows(
    run: Run, classifier: Classifier, pack: Pack, rows: Indices, labels: Indices, stream: bool = False
) -> Scored:
    """What the classifier says of these rows with labels (N), and which of them are unlike what it learnt from.

    Of a `stream` in which no sign is found it says nothing: all scores are equal, and no answer is sure.
    """
    device, viewer, noticer = device_of(classifier), viewer_of(run), Noticer(run)
    batches: Iterable[tuple[Clips, list[bool]]] = (
        ((clips, [True] * len(clips)) for clips in in_order(pack, rows, run.recipe, labels))
        if not stream
        else _streamed(run, pack, rows)
    )
    logits, unlike = [], []
    for clips, found in batches:
        scores = classifier(*viewer(clips.to(device))).float().cpu()
        logits.append(torch.where(torch.tensor(found)[:, None], scores, 0.0))
        unlike += [strange or not sign for strange, sign in zip(noticer.unlike(clips), found, strict=True)]
    return Scored(clip_ids(pack, rows), run.labels, labels, torch.cat(logits).numpy(), np.asarray(unlike, bool))


def _streamed(run: Run, pack: Pack, rows: Indices) -> Iterator[tuple[Clips, list[bool]]]:
    """Batches of what the live segmenter hands on, and of which clips it hands anything on."""
    for first in range(0, len(rows), EVALUATION_BATCH):
        part = rows[first : first + EVALUATION_BATCH].tolist()
        signs = [longest_sign(pack.recording(row), FPS) for row in part]
        yield clips_of([sign or nothing() for sign in signs], run.recipe.read), [sign is not None for sign in signs]


def clip_ids(pack: Pack, rows: Indices) -> list[str]:
    """The ids of these rows; of several packs with the same id, the later ones get their row beside it."""
    found: dict[str, int] = {}
    names = []
    for row, name in zip(rows.tolist(), pack.table["id"].take(rows).to_pylist(), strict=True):
        names.append(name if name not in found else f"{name}@{row}")
        found[name] = row
    return names


def by_gallery(
    encoders: nn.ModuleDict,
    pack: Pack,
    gallery: Labelled,
    query: Labelled,
    glosses: list[str],
    run: Run,
    rank: Ranker,
    parts: tuple[str, ...] = PARTS,
) -> Scored:
    """What frozen encoders say of the query clips by the gallery's: `rank` scores each class (ours; gallery: train)."""
    viewer = fixed_views(run.recipe.windows, run.recipe.pretrain.frames)
    stored, labels = embed(encoders, in_order(pack, gallery.rows, run.recipe, gallery.labels), viewer, parts)
    asked, _ = embed(encoders, in_order(pack, query.rows, run.recipe, query.labels), viewer, parts)
    scores = rank(joint_embedding(asked), joint_embedding(stored), labels, len(glosses))
    return Scored(clip_ids(pack, query.rows), glosses, query.labels, scores.numpy())


def full_report(scored: Scored, run: Run, pack: Pack, data: Labelled, asked: Asked) -> dict[str, Any]:
    """The contract's JSON: accuracies with intervals, and what was measured on what (design, rule 7)."""
    context = context_of(run, pack, data, asked, len(scored.glosses))
    return {**accuracy_report(scored), **selective_report(scored, calibration_of(run)), **context}


def context_of(run: Run, pack: Pack, data: Labelled, asked: Asked, labels: int) -> dict[str, Any]:
    """What a report speaks of: which clips and signers, of how much of a split, by which run (design, rule 7)."""
    ids = clip_ids(pack, data.rows)
    handless = [ids[i] for i in np.flatnonzero(~pack.usable[data.rows])]
    present = {split or "none" for split in pack.table["split"].take(data.rows).to_pylist()}
    learnt = learnt_by(run, pack)
    return {
        "signers": None if learnt is None else shared_signers(hashed_signers(pack, data.rows), learnt.signers),
        "split": asked.splits,
        "where": asked.where,
        "split_hash": pack.split_hash(data.rows),
        "coverage": coverage(pack, data.rows, asked, labels),
        "overlap": None if learnt is None else identical_ids(pack, data.rows, learnt),
        "data": [str(name) for name in pack.given],
        "handless_clips": handless,
        "windows": asdict(run.recipe.windows),
        "source": source_of(pack, data.rows, asked.stream),
        "ignored_joints": list(run.recipe.read.crop.ignore),
        "selected_on": sorted(present & _selected_on(run)),
        "calibrated_on": sorted(present & _calibrated_on(run, pack, data.rows)),
        "run": str(run.path),
        "run_digest": run.digest(),
        "protocol": run.about.get("protocol", run.kind),
        "recipe": run.about.get("config"),
        "recipe_hash": sha256(repr(run.recipe.as_dict())),
        "seed": run.about.get("seed"),
    }


def _calibrated_on(run: Run, pack: Pack, rows: Indices) -> set[str]:
    """Splits of the rows that temperature and threshold were fitted on: val, or those of `calibrate` (ours)."""
    anew = run.about.get(CALIBRATED)
    if anew is None:
        return {"val"} & set(run.about.get("selected_on", []))
    if [str(name) for name in pack.given] != anew["data"]:
        return set()
    both = np.intersect1d(rows, pack.select(anew["split"], anew["where"]))
    return {split or "none" for split in pack.table["split"].take(both).to_pylist()}


def _selected_on(run: Run) -> set[str]:
    """The splits that taught a RUN or chose its epoch; val is none where the last epoch is kept whatever val says."""
    chosen = set(run.about.get("selected_on", []))
    kept_last = run.kind == "classifier" and head_recipe(run).select == "last"
    return chosen - {"val"} if kept_last else chosen
