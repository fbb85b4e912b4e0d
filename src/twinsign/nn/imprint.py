"""Layers begun at the classes' mean features: imprinted weights (Qi et al. 2018), for few labels."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.classifier import Classifier
from twinsign.nn.features import unit_means

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
