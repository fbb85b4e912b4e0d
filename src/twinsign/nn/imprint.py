"""Layers begun at the classes' mean features: imprinted weights (Qi et al. 2018), for few labels."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.classifier import Classifier
from twinsign.nn.features import joint_embedding, unit_means
from twinsign.nn.whitening import Whitening

LOGIT = 5.0
"""A branch's logit for its class, of a clip in the class's direction and as far out as clips are on average."""
NEAREST = 1e-3
"""Of the features' mean length: clips closer together than this say nothing of their classes."""


@torch.no_grad()
def imprint(classifier: Classifier, features: dict[str, Tensor], labels: Tensor) -> None:
    """Set each branch's layer by features (N D) and labels (N): a class's mean direction from the middle of all clips.

    Clips whose feature is 0, which show none of the parts, do not count; a class without others says 0 of every clip.
    """
    for name, feature in features.items():
        layer, shown = cast(nn.Linear, classifier.fc[name]), feature.any(dim=1)
        feature, label = feature[shown].double(), labels[shown]
        middle = feature.mean(dim=0) if len(feature) else feature.new_zeros(feature.shape[1])
        away = feature - middle
        directions = unit_means(F.normalize(away, dim=1), label, layer.out_features)
        spread, length = (float(x.norm(dim=1).sum()) / max(1, len(x)) for x in (away, feature))
        weight = LOGIT * directions / max(spread, NEAREST * length, torch.finfo(torch.float32).tiny)
        layer.weight.copy_(weight)
        layer.bias.copy_(-weight @ middle)


@torch.no_grad()
def imprint_whitened(classifier: Classifier, features: dict[str, Tensor], labels: Tensor, whitening: Whitening) -> None:
    """Set the layers so that their summed logits compare whitened joint embeddings with the classes' means.

    A clip's features (N D) count as if each branch's were as long as clips' are on average: then the logits are linear
    in them. A class without clips says 0 of every clip.
    """
    classes = cast(nn.Linear, next(iter(classifier.fc.values()))).out_features
    shown = torch.stack([feature.any(dim=1) for feature in features.values()]).all(dim=0)
    shown_features = {name: feature[shown] for name, feature in features.items()}
    vectors = joint_embedding(shown_features)
    away = (vectors - whitening.mean) @ whitening.matrix
    directions = unit_means(F.normalize(away, dim=1), labels[shown], classes)
    length = float(away.norm(dim=1).mean()) if len(away) else math.inf
    scale = LOGIT * len(features) / max(length, torch.finfo(torch.float32).tiny)
    weights = scale * directions @ whitening.matrix.T
    constant = weights @ whitening.mean
    for (name, feature), weight in zip(shown_features.items(), weights.chunk(len(features), dim=1), strict=True):
        layer = cast(nn.Linear, classifier.fc[name])
        mean_length = feature.norm(dim=1).mean() * math.sqrt(len(features)) if len(feature) else torch.ones(())
        layer.weight.copy_(weight / mean_length)
        layer.bias.copy_(-constant / len(features))
