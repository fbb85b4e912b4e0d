"""Poses in, probabilities out: all that lies between as one module without files, ready for export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twinsign.inference.likeness import load_likeness
from twinsign.nn.classifier import Classifier, branch_features
from twinsign.nn.features import embedded, joint_embedding
from twinsign.pose.layout import HANDS, JOINT_COUNT
from twinsign.pose.recording import Recording
from twinsign.runs.calibration import Calibration, calibration_of
from twinsign.runs.models import frames_of, load_classifier, load_encoders, load_whitening, viewer_of
from twinsign.runs.run import Run
from twinsign.views.batches import collate_equal_length, collate_recordings
from twinsign.views.clips import Clips

INPUTS = ("xy", "seen", "size")


class Portable(nn.Module):
    """A RUN from image fractions to its answers: reading, crop, test views, encoders and, of a classifier, its head."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.read, self.frames, self.viewer = run.recipe.read, frames_of(run), viewer_of(run)
        self.calibration = calibration_of(run) or Calibration()
        self.classifier = load_classifier(run) if run.kind == "classifier" else None
        self.encoders = None if self.classifier else load_encoders(run)
        self.whitening = load_whitening(run)
        self.likeness = load_likeness(run)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` returns; probabilities for classifiers alone."""
        return (*(("probabilities",) if self.classifier else ()), "embedding", "has_hand", "distance")

    def forward(self, xy: Tensor, seen: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        """Image fractions xy (B T 49 2), scores or 1 for seen (B T 49), image size (B 2) in pixels, ones if unknown.

        Returns calibrated probabilities (B C), the unit embedding (B D), whether any frame shows a hand (B): where none
        does, `predict` refuses, and the others mean nothing; and the distance from the training clips (B), beyond whose
        limit `predict` is not sure (0 where the RUN does not keep their likeness).
        """
        xy = torch.where((seen > 0)[..., None], xy, 0.0)
        clips = collate_equal_length(xy, seen, size, self.read)
        return *self.answers(clips), (seen[:, :, HANDS] > 0).flatten(1).any(dim=1), *self.compared(clips)

    def compared(self, clips: Clips) -> tuple[Tensor, ...]:
        """The distance (B) of cropped clips from the training clips; last of the outputs."""
        if self.likeness is None:
            return (torch.zeros_like(clips.start, dtype=torch.float32),)
        return (self.likeness.distances(clips),)

    def answers(self, clips: Clips) -> tuple[Tensor, ...]:
        """Probabilities (B C), for classifiers alone, and the unit embedding (B D) of cropped clips."""
        views = self.viewer(clips)
        if self.encoders is not None:
            return (self.whitening(joint_embedding(branch_features(self.encoders, views))),)
        classifier = cast(Classifier, self.classifier)
        features = classifier.features(views)
        logits = classifier.joined(classifier.logits(features))
        return (logits / self.calibration.temperature).softmax(dim=1), embedded(classifier, features)

    @torch.no_grad()
    def of_recordings(self, recordings: Sequence[Recording]) -> tuple[Tensor, ...]:
        """`forward` on recordings of any lengths, read as `predict` reads them."""
        hand = torch.tensor([bool(recording.seen[:, HANDS].any()) for recording in recordings])
        clips = collate_recordings(recordings, self.read)
        return *self.answers(clips), hand, *self.compared(clips)


def stack_recordings(recordings: Sequence[Recording]) -> dict[str, NDArray[np.float32]]:
    """Recordings as `forward`'s inputs; shorter ones are followed by frames that show nothing.

    Those count for nothing where idle frames are trimmed or dropped and a hand has a box in some frame.
    """
    frames = max(len(recording.xy) for recording in recordings)
    xy = np.zeros((len(recordings), frames, JOINT_COUNT, 2), np.float32)
    seen = np.zeros((len(recordings), frames, JOINT_COUNT), np.float32)
    for row, recording in enumerate(recordings):
        xy[row, : len(recording.xy)], seen[row, : len(recording.xy)] = recording.fractions().xy, recording.score
    size = np.asarray([recording.size or (1, 1) for recording in recordings], np.float32)
    return {"xy": xy, "seen": seen, "size": size}
