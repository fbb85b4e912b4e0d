"""Scores of a trained classifier on clips of a pack, as recorded or as cut by the live segmenter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from twinsign.evaluation.metrics import ClipScores
from twinsign.inference.input_check import Noticer
from twinsign.nn.classifier import Classifier
from twinsign.nn.features import Viewer, device_of
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import LabelledRows, clip_ids
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import Recording
from twinsign.pose.trim import FPS
from twinsign.runs.models import EVALUATION_BATCH, evaluation_loader, viewer_of
from twinsign.runs.run import Run
from twinsign.streaming.stream import longest_sign
from twinsign.views.batches import collate_recordings
from twinsign.views.clips import Clips


@torch.no_grad()
def compute_logits(classifier: Classifier, batches: Iterable[Clips], viewer: Viewer) -> NDArray[np.float32]:
    """Joined logits (N C) on the test views of every clip, in the batches' order."""
    device = device_of(classifier)
    return torch.cat([classifier(*viewer(clips.to(device))).float().cpu() for clips in batches]).numpy()


def score(run: Run, classifier: Classifier, pack: Pack, data: LabelledRows, stream: bool = False) -> ClipScores:
    """A classifier's scores of labelled clips, and which of them are unlike its training clips.

    `stream`: of what the live segmenter finds in each clip. Where it finds no sign all scores are equal and the model
    abstains.
    """
    viewer, noticer = viewer_of(run), Noticer(run)
    batches: Iterable[tuple[Clips, list[bool]]] = (
        ((clips, [True] * len(clips)) for clips in evaluation_loader(pack, data.rows, run.recipe, data.labels))
        if not stream
        else _streamed(run, pack, data.rows)
    )
    logits, unlike = [], []
    for clips, is_sign in batches:
        scores = compute_logits(classifier, [clips], viewer)
        logits.append(np.where(np.asarray(is_sign)[:, None], scores, np.float32(0)))
        unlike += [strange or not sign for strange, sign in zip(noticer.unlike(clips), is_sign, strict=True)]
    return ClipScores(
        clip_ids(pack, data.rows), run.labels, data.labels, np.concatenate(logits), np.asarray(unlike, bool)
    )


def _streamed(run: Run, pack: Pack, rows: Indices) -> Iterator[tuple[Clips, list[bool]]]:
    """Batches of the longest sign that the live segmenter finds in each clip, and whether it finds any."""
    blank = Recording("no sign", np.zeros((1, JOINT_COUNT, 2), np.float32), np.zeros((1, JOINT_COUNT), np.float32))
    for first in range(0, len(rows), EVALUATION_BATCH):
        batch = rows[first : first + EVALUATION_BATCH].tolist()
        signs = [longest_sign(pack.recording(row), FPS) for row in batch]
        yield (
            collate_recordings([sign or blank for sign in signs], run.recipe.read),
            [sign is not None for sign in signs],
        )
