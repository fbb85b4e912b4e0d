"""Scores of a trained classifier on clips of a pack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from twinsign.evaluation.metrics import Scored
from twinsign.evaluation.source import nothing
from twinsign.inference.notice import Noticer
from twinsign.nn.classifier import Classifier
from twinsign.nn.features import Viewer, device_of
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import LabelledRows, clip_ids
from twinsign.pose.rest import FPS
from twinsign.runs.models import EVALUATION_BATCH, evaluation_loader, viewer_of
from twinsign.runs.run import Run
from twinsign.streaming.stream import longest_sign
from twinsign.views.batches import clips_of
from twinsign.views.clips import Clips


@torch.no_grad()
def logits_of(classifier: Classifier, batches: Iterable[Clips], viewer: Viewer) -> NDArray[np.float32]:
    """Joined logits (N C) on the test views of every clip, in the batches' order."""
    device = device_of(classifier)
    found = [classifier(*viewer(clips.to(device))).float().cpu() for clips in batches]
    return torch.cat(found).numpy()


def score(run: Run, classifier: Classifier, pack: Pack, data: LabelledRows, stream: bool = False) -> Scored:
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
        ((clips, [True] * len(clips)) for clips in evaluation_loader(pack, rows, run.recipe, labels))
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
