"""Recordings as unit vectors, by a RUN's frozen encoders: what a dictionary compares."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np
import torch
from torch import nn

from twinsign.errors import InputError
from twinsign.inference.embeddings import Choice
from twinsign.inference.notice import Noticer
from twinsign.nn.classifier import branch_features
from twinsign.nn.features import device_of, embed, joint_embedding
from twinsign.pack.open import Indices, Pack
from twinsign.pose.layout import HANDS
from twinsign.pose.recording import FloatArray, Recording
from twinsign.runs.models import EVALUATION_BATCH, evaluation_loader, load_encoders, viewer_of
from twinsign.runs.run import Run, load_run
from twinsign.views.batches import clips_of


def require_hands(recordings: Sequence[Recording]) -> None:
    """InputError names the first recording that shows no hand in any frame."""
    for recording in recordings:
        if not recording.seen[:, HANDS].any():
            file = recording.source or None
            raise InputError("no hand", "a hand in at least one frame", file=file, clip=recording.id)


class Embedder:
    """A RUN of any kind as a function from recordings to the unit vectors that `twinsign embed` writes."""

    def __init__(self, run: Run, encoders: nn.ModuleDict | None = None) -> None:
        self.run, self.parts = run, tuple(Choice().within(run).parts)
        self.encoders = load_encoders(run) if encoders is None else encoders
        self.viewer, self.noticer = viewer_of(run), Noticer(run)

    @classmethod
    def load(cls, path: str | PathLike[str], device: str = "cpu") -> Embedder:
        """Load a RUN; InputError says what is wrong with it."""
        embedder = cls(load_run(path))
        embedder.encoders.to(device)
        return embedder

    @property
    def width(self) -> int:
        """D: numbers of a vector."""
        return self.run.recipe.encoder.width * len(self.encoders)

    @torch.no_grad()
    def of(self, recordings: Sequence[Recording]) -> FloatArray:
        """Unit vectors (N D); InputError names the first recording that shows no hand."""
        require_hands(recordings)
        found = [np.zeros((0, self.width), np.float32)]
        for first in range(0, len(recordings), EVALUATION_BATCH):
            clips = clips_of(recordings[first : first + EVALUATION_BATCH], self.run.recipe.read)
            features = branch_features(self.encoders, self.viewer(clips.to(device_of(self.encoders))), self.parts)
            found.append(joint_embedding(features).float().cpu().numpy())
        return np.concatenate(found)

    def of_pack(self, pack: Pack, rows: Indices) -> FloatArray:
        """Unit vectors (N D) of these rows, which must show a hand."""
        features, _ = embed(self.encoders, evaluation_loader(pack, rows, self.run.recipe), self.viewer, self.parts)
        return joint_embedding(features).numpy()
