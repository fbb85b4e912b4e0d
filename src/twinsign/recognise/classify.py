"""A classifier on the query encoders: one fully-connected layer a branch, their logits summed (paper, Sec. III-E)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from twinsign.nn.encoder import PARTS, EncoderConfig
from twinsign.nn.heads import HeadConfig
from twinsign.nn.networks import encoder_of
from twinsign.ssl.contrast import modality
from twinsign.views.clips import View


class Classifier(nn.Module):
    """Query encoders and a fully-connected layer each."""

    def __init__(self, encoder: EncoderConfig, head: HeadConfig, classes: int) -> None:
        super().__init__()
        self.head = head
        self.encoders = nn.ModuleDict({name: encoder_of(encoder) for name in head.branches})
        self.fc = nn.ModuleDict({name: nn.Linear(encoder.width, classes) for name in head.branches})

    def features(self, view: View) -> dict[str, Tensor]:
        """Every branch's feature (B D): the sum of the chosen parts."""
        return branch_features(self.encoders, view, self.head.parts)

    def logits(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every branch's logits (B C)."""
        return {name: layer(features[name]) for name, layer in self.fc.items()}

    def forward(self, view: View) -> Tensor:
        """A view to the joined logits (B C)."""
        return self.joined(self.logits(self.features(view)))

    def joined(self, logits: Mapping[str, Tensor]) -> Tensor:
        """The branches' logits (B C) summed or averaged."""
        stacked = torch.stack(list(logits.values()))
        return stacked.sum(dim=0) if self.head.join == "sum" else stacked.mean(dim=0)


def branch_features(encoders: nn.ModuleDict, view: View, parts: tuple[str, ...] = PARTS) -> dict[str, Tensor]:
    """The chosen parts' summed features (B D) of every branch."""
    return {name: encoder(*modality(name, view)).whole(parts) for name, encoder in encoders.items()}
