"""From a recording to ranked glosses, or "not sure"; and what each part and branch of a model answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from twinsign.errors import InputError
from twinsign.inference.embedder import Embedder, require_hands
from twinsign.inference.input_check import Notice, Noticer
from twinsign.nn.classifier import Classifier, all_features
from twinsign.nn.features import device_of, embedded
from twinsign.pose.recording import FloatArray, Recording
from twinsign.runs.calibration import Calibration, calibration_of
from twinsign.runs.models import load_classifier, viewer_of
from twinsign.runs.run import Run, load_run
from twinsign.views.batches import collate_recordings

THREADS = 1
"""Default number of CPU threads; where cores are shared, two can be many times slower than one."""


@dataclass(frozen=True)
class Guess:
    """A gloss and the calibrated confidence in it, in [0, 1].

    Examples:
        >>> import twinsign as ts
        >>> ts.Guess("doctor", 0.93, also=("physician",))
        Guess(gloss='doctor', confidence=0.93, also=('physician',))
    """

    gloss: str
    confidence: float
    also: tuple[str, ...] = ()
    """Other glosses that stand for the same sign, as far as the model's training clips tell."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, `also` where there are any."""
        return {"gloss": self.gloss, "confidence": self.confidence} | ({"also": list(self.also)} if self.also else {})


@dataclass(frozen=True)
class Prediction:
    """The likeliest glosses, best first, and whether the first is to be trusted.

    Examples:
        >>> import twinsign as ts
        >>> answer = ts.Prediction([ts.Guess("tea", 0.55), ts.Guess("milk", 0.21)], sure=False)
        >>> answer.guesses[0].gloss if answer.sure else "not sure"
        'not sure'
    """

    guesses: list[Guess]
    sure: bool
    note: str = ""
    """What is unlike the clips that the model learnt from, in words."""
    unlike: bool = False
    """Whether it is so unlike them that no answer is sure."""


@dataclass(frozen=True)
class Explanation:
    """A prediction, its best guesses by each vote (absent where a clip shows nothing of a part), its unit embedding."""

    prediction: Prediction
    votes: dict[str, list[Guess]]
    embedding: Tensor


class Recogniser:
    """A trained classifier ready to name signs.

    Examples:
        >>> import twinsign as ts
        >>> model = ts.Recogniser.load("demo/run")
        >>> clip = ts.read("clip.npz")
        >>> first, second = model.predict_many([clip, clip], top=1)
        >>> first == second, first.guesses[0].gloss in model.labels
        (True, True)
    """

    def __init__(self, run: Run, classifier: Classifier) -> None:
        self.run, self.classifier = run, classifier
        self.viewer, self.noticer = viewer_of(run), Noticer(run)
        self.calibration = calibration_of(run) or Calibration()
        self.same_signs = run.same_signs()

    @classmethod
    def load(cls, path: str | PathLike[str], device: str = "cpu") -> Recogniser:
        """Load a RUN of finetune or linear; InputError says what is wrong with it."""
        run = load_run(path)
        return cls(run, load_classifier(run).to(device))

    @property
    def labels(self) -> list[str]:
        """The glosses that it knows, in the order of its logits."""
        return self.run.labels

    def embed(self, recordings: Recording | Sequence[Recording]) -> FloatArray:
        """Return unit vectors (N D) of its encoders; InputError names the first recording that shows no hand."""
        return self._embedder.embed(recordings)

    @cached_property
    def _embedder(self) -> Embedder:
        return Embedder(self.run, self.classifier.encoders)

    def predict(self, recording: Recording, top: int = 5) -> Prediction:
        """Name the sign of a recording; InputError where it shows no hand in any frame."""
        return self.predict_many([recording], top)[0]

    @torch.no_grad()
    def predict_many(self, recordings: Sequence[Recording], top: int = 5) -> list[Prediction]:
        """Name each recording's sign; InputError names the first that shows no hand."""
        require_hands(recordings)
        clips = collate_recordings(recordings, self.run.recipe.read)
        views = self.viewer(clips.to(device_of(self.classifier)))
        confidences = self.confidences(self.classifier(*views))
        return self.predictions(confidences, self.noticer.compare(recordings, clips), top)

    def confidences(self, logits: Tensor) -> Tensor:
        """Logits (B C) to calibrated confidences (B C), on the CPU."""
        return (logits / self.calibration.temperature).softmax(dim=1).cpu()

    def predictions(self, confidences: Tensor, notices: Sequence[Notice], top: int) -> list[Prediction]:
        """Sure where the first of the confidences (B C) reaches the threshold and the clip is not unlike."""
        return [
            Prediction(guesses, guesses[0].confidence >= self.calibration.threshold and not unlike, note, unlike)
            for guesses, (note, unlike) in zip(self.ranked(confidences, top), notices, strict=True)
        ]

    def ranked(self, confidences: Tensor, top: int) -> list[list[Guess]]:
        """The `top` likeliest glosses by confidences (B C), best first; InputError for fewer than one."""
        if top < 1:
            raise InputError(f"top {top}", "1 or more")
        best = confidences.topk(min(top, len(self.run.labels)), dim=1)
        return [
            [self._guess(self.run.labels[label], confidence) for label, confidence in zip(*row, strict=True)]
            for row in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]

    def _guess(self, gloss: str, confidence: float) -> Guess:
        return Guess(gloss, confidence, self.same_signs.get(gloss, ()))


@torch.no_grad()
def explain(recogniser: Recogniser, recordings: Sequence[Recording], top: int = 5, each: int = 3) -> list[Explanation]:
    """Each recording's prediction with `each` guesses by every branch and part alone (paper, Tables VII and X).

    Logits are linear in the parts' features and joined over branches, so a vote costs no further pass of an encoder.
    InputError as in `predict_many`.
    """
    require_hands(recordings)
    model, parts = recogniser.classifier, recogniser.classifier.head.parts
    clips = collate_recordings(recordings, recogniser.run.recipe.read)
    branches = all_features(model.encoders, recogniser.viewer(clips.to(device_of(model))))
    features = {name: branch.whole(parts) for name, branch in branches.items()}
    by_branch = model.logits(features)
    logits = dict(by_branch) if len(by_branch) > 1 else {}
    for part in parts if len(parts) > 1 else ():
        logits[part] = model.joined(model.logits({name: branch.f[part] for name, branch in branches.items()}))
    votes = {name: recogniser.ranked(recogniser.confidences(values), each) for name, values in logits.items()}
    has = {part: values.tolist() for part, values in next(iter(branches.values())).has.items()}
    confidences, embedding = recogniser.confidences(model.joined(by_branch)), embedded(model, features).cpu()
    predictions = recogniser.predictions(confidences, recogniser.noticer.compare(recordings, clips), top)
    return [
        Explanation(
            prediction,
            {name: guesses[clip] for name, guesses in votes.items() if name not in has or has[name][clip]},
            embedding[clip],
        )
        for clip, prediction in enumerate(predictions)
    ]


def use_threads(count: int) -> None:
    """Let torch use `count` threads in this process; InputError for less than one."""
    if count < 1:
        raise InputError(f"{count} threads", "1 or more")
    torch.set_num_threads(count)
