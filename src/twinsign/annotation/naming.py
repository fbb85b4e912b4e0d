"""What the segments of a long recording are: glosses by a classifier or a dictionary, and how like a wanted sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from twinsign.dictionary.lookup import Dictionary, with_notice
from twinsign.errors import InputError
from twinsign.inference.embedder import Embedder, require_hands
from twinsign.inference.load import load
from twinsign.inference.recogniser import Guess, Recogniser
from twinsign.nn.classifier import all_features
from twinsign.nn.features import device_of, embedded
from twinsign.pose.recording import FloatArray, Recording
from twinsign.views.batches import collate_recordings


@dataclass(frozen=True)
class NamingConfig:
    """Who names segments: a RUN, a dictionary of enrolled signs, or both; and the signs to look for."""

    model: Path | None = None
    dictionary: Path | None = None
    top: int = 5
    find: tuple[str, ...] = ()
    """Glosses, of the classifier or the dictionary."""
    queries: Mapping[str, FloatArray] = field(default_factory=dict)
    """Unit vectors of recordings to look for, by name."""


@dataclass(frozen=True)
class Name:
    """The likeliest glosses of a segment, whether the first is to be trusted, and how well it fits what is wanted."""

    guesses: list[Guess]
    sure: bool
    note: str = ""
    fits: dict[str, float] = field(default_factory=dict)
    """By wanted gloss the confidence in it, by wanted recording the similarity to it."""


class Namer:
    """Names segments in batches."""

    def __init__(self, config: NamingConfig) -> None:
        if config.top < 1:
            raise InputError(f"top {config.top}", "1 or more")
        self.config = config
        model = None if config.model is None else load(config.model)
        self.recogniser = model if isinstance(model, Recogniser) else None
        self.lookup = _lookup(model, config)
        if self.recogniser is None and self.lookup is None:
            hint = "Enrol signs (twinsign enrol) and name them with --dictionary, or give a RUN of finetune or linear."
            raise InputError("a RUN without a classifier", "a classifier or a dictionary", file=config.model, hint=hint)
        self.glosses = self._known()
        """Every gloss that a segment may get."""
        for gloss in config.find:
            if gloss not in self.glosses:
                wanted = "a gloss that the classifier or the dictionary knows, or a pose file or video of the sign"
                raise InputError(f"--find {gloss!r}", wanted)

    @property
    def embedder(self) -> Embedder:
        """Turns recordings into vectors that `queries` may hold."""
        if self.lookup is not None:
            return self.lookup.embedder
        if self.recogniser is None:
            raise InputError("no encoder", "a RUN")
        return Embedder(self.recogniser.run, self.recogniser.classifier.encoders)

    def _known(self) -> set[str]:
        enrolled = self.lookup.dictionary.refresh().glosses if self.lookup else []
        return {*enrolled, *(self.recogniser.labels if self.recogniser else [])}

    @torch.no_grad()
    def name(self, recordings: Sequence[Recording]) -> list[Name]:
        """Name each recording; InputError names the first that shows no hand."""
        if not recordings:
            return []
        require_hands(recordings)
        recogniser = self.recogniser
        if recogniser is None:
            return self._looked_up(recordings, self.embedder.embed(recordings))
        model = recogniser.classifier
        clips = collate_recordings(recordings, recogniser.run.recipe.read)
        branches = all_features(model.encoders, recogniser.viewer(clips.to(device_of(model))))
        features = {name: branch.whole(model.head.parts) for name, branch in branches.items()}
        vectors = embedded(model, features).float().cpu().numpy()
        if self.lookup is not None:
            return self._looked_up(recordings, vectors)
        confidences = recogniser.confidences(model.joined(model.logits(features)))
        predictions = recogniser.predictions(
            confidences, recogniser.noticer.compare(recordings, clips), self.config.top
        )
        places = {gloss: recogniser.labels.index(gloss) for gloss in self.config.find}
        return [
            Name(
                prediction.guesses,
                prediction.sure,
                prediction.note,
                {**{gloss: float(row[place]) for gloss, place in places.items()}, **self._similar(vector)},
            )
            for prediction, row, vector in zip(predictions, confidences, vectors, strict=True)
        ]

    def _looked_up(self, recordings: Sequence[Recording], vectors: FloatArray) -> list[Name]:
        if self.lookup is None:
            return []
        entries = self.lookup.dictionary.refresh()
        top = max(self.config.top, len(entries.glosses) if self.config.find else 1)
        notices = self.lookup.embedder.noticer.compare(recordings)
        names = []
        for finding, vector, notice in zip(self.lookup.find(vectors, top), vectors, notices, strict=True):
            result = with_notice(finding, notice)
            by_gloss = {guess.gloss: guess.confidence for guess in result.guesses}
            fits = {gloss: by_gloss[gloss] for gloss in self.config.find} | self._similar(vector)
            names.append(Name(result.guesses[: self.config.top], result.sure, result.note, fits))
        return names

    def _similar(self, vector: FloatArray) -> dict[str, float]:
        return {name: float(np.clip(query @ vector, -1, 1)) for name, query in self.config.queries.items()}


def _lookup(model: Recogniser | Embedder | None, config: NamingConfig) -> Dictionary | None:
    if config.dictionary is None:
        return None
    if isinstance(model, Recogniser):
        return Dictionary.of(model, config.dictionary)
    return Dictionary.load(config.model, config.dictionary)


def with_queries(config: NamingConfig, recordings: Mapping[str, Recording]) -> NamingConfig:
    """The config with the vectors of recordings to look for, by name."""
    if not recordings:
        return config
    embedder = Namer(config).embedder
    vectors = embedder.embed([*recordings.values()])
    return replace(config, queries=dict(zip(recordings, vectors, strict=True)))
