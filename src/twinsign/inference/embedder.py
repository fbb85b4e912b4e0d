"""A RUN as a function from recordings to unit vectors, and the choice of its branches and parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from twinsign.errors import InputError
from twinsign.inference.input_check import Noticer
from twinsign.nn.beside import first_networks
from twinsign.nn.classifier import branch_features
from twinsign.nn.config import PARTS
from twinsign.nn.features import device_of, embed, joint_embedding
from twinsign.nn.networks import feature_width
from twinsign.pack.open import Indices, Pack
from twinsign.pose.layout import HANDS
from twinsign.pose.recording import FloatArray, Recording
from twinsign.runs.models import (
    EVALUATION_BATCH,
    embedded_branches,
    evaluation_loader,
    head_recipe,
    load_encoders,
    load_whitening,
    viewer_of,
)
from twinsign.runs.run import Run, load_run
from twinsign.views.batches import collate_recordings


@dataclass(frozen=True)
class FeatureChoice:
    """Encoders and parts to embed; empty: those that the RUN embeds clips by."""

    branches: Sequence[str] = ()
    parts: Sequence[str] = ()

    def within(self, run: Run) -> FeatureChoice:
        """The choice with defaults filled in; InputError where the RUN lacks a branch or there is no such part."""
        parts = head_recipe(run).head.parts if run.kind == "classifier" else PARTS
        chosen = FeatureChoice(tuple(self.branches) or embedded_branches(run), tuple(self.parts) or parts)
        for kind, names, allowed in (("branch", chosen.branches, run.branches()), ("part", chosen.parts, PARTS)):
            for name in names:
                if name not in allowed or list(names).count(name) > 1:
                    raise InputError(f"{kind} {name!r}", f"each once of {', '.join(allowed)}", file=run.path)
        return chosen

    def whole(self, run: Run) -> bool:
        """Whether these are the branches and parts that the RUN embeds clips by, which it may whiten."""
        everything = FeatureChoice().within(run)
        return {*self.branches} == {*everything.branches} and {*self.parts} == {*everything.parts}


def require_hands(recordings: Sequence[Recording]) -> None:
    """InputError names the first recording that shows no hand in any frame."""
    for recording in recordings:
        if not recording.seen[:, HANDS].any():
            file = recording.source or None
            raise InputError("no hand", "a hand in at least one frame", file=file, clip=recording.id)


class Embedder:
    """A RUN of any kind as a function from recordings to the unit vectors that `twinsign embed` writes.

    Examples:
        >>> import twinsign as ts
        >>> encoder = ts.Embedder.load("demo/pretrained")
        >>> encoder.embed(ts.read("clip.npz")).shape == (1, encoder.width)
        True
    """

    def __init__(self, run: Run, encoders: nn.ModuleDict | None = None) -> None:
        self.run, chosen = run, FeatureChoice().within(run)
        self.parts = tuple(chosen.parts)
        encoders = load_encoders(run) if encoders is None else encoders
        self.encoders = first_networks(nn.ModuleDict({name: encoders[name] for name in chosen.branches})).eval()
        self.whitening = load_whitening(run)
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
        return sum(feature_width(encoder) for encoder in self.encoders.values())

    def predict(self, *_: Any, **__: Any) -> NoReturn:
        """Raise InputError: a RUN of `pretrain` names no signs."""
        hint = "Name signs by ts.Dictionary, or fine-tune a classifier."
        raise InputError("a RUN without a classifier", "a RUN of finetune or linear", file=self.run.path, hint=hint)

    @torch.no_grad()
    def embed(self, recordings: Recording | Sequence[Recording]) -> FloatArray:
        """Return unit vectors (N D); InputError names the first recording that shows no hand."""
        recordings = [recordings] if isinstance(recordings, Recording) else recordings
        require_hands(recordings)
        vectors = [np.zeros((0, self.width), np.float32)]
        for start in range(0, len(recordings), EVALUATION_BATCH):
            clips = collate_recordings(recordings[start : start + EVALUATION_BATCH], self.run.recipe.read)
            features = branch_features(self.encoders, self.viewer(clips.to(device_of(self.encoders))), self.parts)
            vectors.append(self.whitening(joint_embedding(features).float().cpu()).numpy())
        return np.concatenate(vectors)

    def embed_pack(self, pack: Pack, rows: Indices) -> FloatArray:
        """Unit vectors (N D) of these rows, which must show a hand."""
        features, _ = embed(self.encoders, evaluation_loader(pack, rows, self.run.recipe), self.viewer, self.parts)
        vectors: FloatArray = self.whitening(joint_embedding(features)).numpy()
        return vectors
