"""From a recording to ranked glosses, or "not sure"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import torch
from torch import Tensor

from twinsign.errors import InputError
from twinsign.inference.embedder import require_hands
from twinsign.inference.notice import Notice, Noticer
from twinsign.nn.classifier import Classifier
from twinsign.nn.features import device_of
from twinsign.pose.recording import Recording
from twinsign.runs.calibration import Calibration, calibration_of
from twinsign.runs.models import load_classifier, viewer_of
from twinsign.runs.run import Run, load_run
from twinsign.views.batches import clips_of


@dataclass(frozen=True)
class Guess:
    """One gloss and the calibrated confidence in it, in [0, 1]."""

    gloss: str
    confidence: float


@dataclass(frozen=True)
class Prediction:
    """The likeliest glosses, best first, and whether the first is to be trusted."""

    guesses: list[Guess]
    sure: bool
    note: str = ""
    """What is unlike the clips that the model learnt from, in words."""
    unlike: bool = False
    """Whether it is so unlike them that no answer is sure."""


class Recogniser:
    """A trained classifier ready to name signs."""

    def __init__(self, run: Run, classifier: Classifier) -> None:
        self.run, self.classifier = run, classifier
        self.viewer = viewer_of(run)
        self.calibration = calibration_of(run) or Calibration()
        self.noticer = Noticer(run)

    @classmethod
    def load(cls, path: str | PathLike[str], device: str = "cpu") -> Recogniser:
        """Load a RUN of finetune or linear; InputError says what is wrong with it."""
        run = load_run(path)
        return cls(run, load_classifier(run).to(device))

    def predict(self, recording: Recording, top: int = 5) -> Prediction:
        """Name one recording's sign; InputError where it shows no hand in any frame."""
        return self.predict_many([recording], top)[0]

    @torch.no_grad()
    def predict_many(self, recordings: Sequence[Recording], top: int = 5) -> list[Prediction]:
        """Name each recording's sign; InputError names the first that shows no hand."""
        require_hands(recordings)
        clips = clips_of(recordings, self.run.recipe.read)
        views = self.viewer(clips.to(device_of(self.classifier)))
        return self.predictions(self.shares(self.classifier(*views)), self.noticer.look(recordings, clips), top)

    def shares(self, logits: Tensor) -> Tensor:
        """Logits (B C) to calibrated confidences (B C), on the CPU."""
        return (logits / self.calibration.temperature).softmax(dim=1).cpu()

    def predictions(self, shares: Tensor, notices: Sequence[Notice], top: int) -> list[Prediction]:
        """Confidences (B C) to predictions: sure where the first reaches the threshold and the clip is not unlike."""
        return [
            Prediction(guesses, guesses[0].confidence >= self.calibration.threshold and not unlike, note, unlike)
            for guesses, (note, unlike) in zip(ranked(shares, self.run.labels, top), notices, strict=True)
        ]


def ranked(shares: Tensor, labels: Sequence[str], top: int) -> list[list[Guess]]:
    """The `top` likeliest glosses of each row of confidences (B C), best first; InputError for fewer than one."""
    if top < 1:
        raise InputError(f"top {top}", "1 or more")
    best = shares.topk(min(top, len(labels)), dim=1)
    return [
        [Guess(labels[i], float(value)) for i, value in zip(index, values, strict=True)]
        for index, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
