"""What the halves of a model say on their own: hand and trunk, joint and motion (paper, Tables VII and X).

Logits are linear in the parts' features and joined over branches, so each vote costs no further pass of an encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from twinsign.inference.embedder import require_hands
from twinsign.inference.recogniser import Guess, Prediction, Recogniser, ranked
from twinsign.nn.classifier import all_features
from twinsign.nn.features import device_of, joint_embedding
from twinsign.pose.recording import Recording
from twinsign.views.batches import clips_of


@dataclass(frozen=True)
class Explained:
    """A prediction, its best guesses by each vote (absent where a clip shows nothing of a part), its unit embedding."""

    prediction: Prediction
    votes: dict[str, list[Guess]]
    embedding: Tensor


@torch.no_grad()
def explain(recogniser: Recogniser, recordings: Sequence[Recording], top: int = 5, each: int = 3) -> list[Explained]:
    """Each recording's prediction with its votes, `each` guesses a vote; InputError as of `predict_many`."""
    require_hands(recordings)
    classifier = recogniser.classifier
    clips = clips_of(recordings, recogniser.run.recipe.read).to(device_of(classifier))
    seen = all_features(classifier.encoders, recogniser.viewer(clips))
    parts = classifier.head.parts
    features = {name: one.whole(parts) for name, one in seen.items()}
    by_branch = classifier.logits(features)
    logits = dict(by_branch) if len(by_branch) > 1 else {}
    if len(parts) > 1:
        for part in parts:
            logits[part] = classifier.joined(classifier.logits({name: one.f[part] for name, one in seen.items()}))
    has = next(iter(seen.values())).has
    votes = {name: recogniser.shares(values) for name, values in logits.items()}
    shares, embedding = recogniser.shares(classifier.joined(by_branch)), joint_embedding(features).cpu()
    labels = recogniser.run.labels
    found = recogniser.predictions(shares, recogniser.noticer.look(recordings, clips), top)
    return [
        Explained(
            found[clip],
            {
                name: ranked(values[clip : clip + 1], labels, each)[0]
                for name, values in votes.items()
                if name not in has or bool(has[name][clip])
            },
            embedding[clip],
        )
        for clip in range(len(recordings))
    ]
