"""A classifier on the query encoders: one fully-connected layer a branch, their logits summed (paper, Sec. III-E)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from twinsign.errors import InputError
from twinsign.nn.beside import joined_features, side_by_side
from twinsign.nn.config import PARTS, EncoderConfig, HeadConfig
from twinsign.nn.encoder import Features
from twinsign.nn.networks import build_encoder, check_features, feature_width
from twinsign.views.clips import View, modality


class Classifier(nn.Module):
    """Query encoders and a fully-connected layer each.

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> config = ts.load_recipe("demo").encoder
        >>> encoders = {name: ts.nn.Encoder(config) for name in ("joint", "motion")}
        >>> model = ts.nn.Classifier(encoders, ts.nn.HeadConfig(), classes=5)
        >>> model(ts.nn.View(torch.rand(2, 16, 49, 2), torch.ones(2, 16, 49, dtype=torch.bool))).shape
        torch.Size([2, 5])
    """

    def __init__(self, encoders: EncoderConfig | Mapping[str, nn.Module], head: HeadConfig, classes: int) -> None:
        """Take a backbone for each of `head.branches` (as `ssl.Pretrainer` does), or one config for all of them."""
        super().__init__()
        self.head = head
        if isinstance(encoders, EncoderConfig):
            encoders = {name: build_encoder(encoders) for name in head.branches}
        elif missing := {*head.branches} - {*encoders}:
            raise InputError(f"encoders for {', '.join(encoders)}", f"one for {', '.join(sorted(missing))}, too")
        self.encoders = nn.ModuleDict({name: encoders[name] for name in head.branches})
        self.fc = nn.ModuleDict({name: nn.Linear(feature_width(encoders[name]), classes) for name in head.branches})

    def features(self, views: Sequence[View]) -> dict[str, Tensor]:
        """Every branch's feature (B D): the sum of the chosen parts, averaged over the views."""
        return branch_features(self.encoders, views, self.head.parts)

    def logits(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every branch's logits (B C)."""
        return {name: layer(features[name]) for name, layer in self.fc.items()}

    def forward(self, *views: View) -> Tensor:
        """One or more views of the same clips to the joined logits (B C)."""
        return self.joined(self.logits(self.features(views)))

    def joined(self, logits: Mapping[str, Tensor]) -> Tensor:
        """The branches' logits (B C) summed or averaged."""
        stacked = torch.stack(list(logits.values()))
        return stacked.sum(dim=0) if self.head.join == "sum" else stacked.mean(dim=0)


def branch_features(
    encoders: nn.ModuleDict, views: Sequence[View], parts: tuple[str, ...] = PARTS
) -> dict[str, Tensor]:
    """The chosen parts' summed features (B D) of every branch, averaged over the views."""
    return {name: features.whole(parts) for name, features in all_features(encoders, views).items()}


def all_features(encoders: nn.ModuleDict, views: Sequence[View]) -> dict[str, Features]:
    """Every branch's features: of each part the mean over those of a clip's views that show it."""
    joined_views = views[0] if len(views) == 1 else View(*(torch.cat(pieces) for pieces in zip(*views, strict=True)))
    features = {}
    for name, encoder in encoders.items():
        shown = modality(name, joined_views)
        each = [_checked(network, *shown) for network in side_by_side(encoder)]
        means = each if len(views) == 1 else [_mean(pieces, len(views)) for pieces in each]
        features[name] = means[0] if len(means) == 1 else joined_features(means)
    return features


def _checked(encoder: nn.Module, xy: Tensor, seen: Tensor) -> Features:
    features: Features = encoder(xy, seen)
    check_features(features, encoder)
    return features


def _mean(features: Features, views: int) -> Features:
    """Features of views side by side (views * B) to their mean (B); a view without the part holds 0 and no weight."""
    f, has = {}, {}
    for part, value in features.f.items():
        shown = features.has[part].unflatten(0, (views, -1))
        total = value.unflatten(0, (views, -1)).sum(dim=0)
        f[part] = total / shown.sum(dim=0).clamp(min=1)[:, None].to(value.dtype)
        has[part] = shown.any(dim=0)
    return Features(f, has)
