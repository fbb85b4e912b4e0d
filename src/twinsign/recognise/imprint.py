"""Layers begun at the classes' mean features: imprinted weights (Qi et al. 2018), for few labels (ours)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.recipe import ClassifyConfig
from twinsign.recognise.classify import Classifier
from twinsign.recognise.embed import device_of, embed, fastest_device, fixed_views
from twinsign.views.batches import Batches, ClipLoader, ClipReader
from twinsign.views.windows import WindowConfig

FEATURE_BATCH = 128
"""Clips embedded at once."""
LOGIT = 5.0
"""What a branch says for its class of a clip that lies in that class's direction, as far out as clips do on average."""


def features_of(
    encoders: nn.ModuleDict, reader: ClipReader, windows: WindowConfig, config: ClassifyConfig
) -> tuple[dict[str, Tensor], Tensor]:
    """Features by branch (N D) and labels (N) of clips as tests look at them (ours)."""
    loader, home = ClipLoader(reader, Batches(len(reader), FEATURE_BATCH, shuffle=False)), device_of(encoders)
    found = embed(encoders.to(fastest_device()), loader, fixed_views(windows, config.frames), config.head.parts)
    encoders.to(home)
    return found


@torch.no_grad()
def imprint(classifier: Classifier, features: dict[str, Tensor], labels: Tensor) -> None:
    """Each branch's layer from features (N D) and labels (N): a class's mean direction from the middle of all clips.

    A class without a clip says 0 of every clip.
    """
    for name, feature in features.items():
        layer = cast(nn.Linear, classifier.fc[name])
        middle = feature.mean(dim=0)
        away = feature - middle
        sums = torch.zeros(layer.out_features, feature.shape[1])
        sums.index_add_(0, labels, F.normalize(away, dim=1))
        distance = away.norm(dim=1).mean().clamp(min=torch.finfo(away.dtype).tiny)
        weight = LOGIT * F.normalize(sums, dim=1) / distance
        layer.weight.copy_(weight)
        layer.bias.copy_(-weight @ middle)
