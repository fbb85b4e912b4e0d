"""Features of many clips from frozen encoders, and the views that encoders are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.beside import side_by_side
from twinsign.nn.classifier import Classifier, branch_features
from twinsign.nn.config import PARTS
from twinsign.nn.networks import feature_width
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader
from twinsign.views.clips import Clips, View, window_views
from twinsign.views.config import AugmentConfig, WindowConfig

FEATURE_BATCH = 128
"""Clips embedded at once."""
Viewer = Callable[[Clips], Sequence[View]]
"""From B clips to one or more views (B T V) of each."""


def device_of(module: nn.Module) -> torch.device:
    """Where a module's parameters live."""
    return next(module.parameters()).device


def fixed_views(windows: WindowConfig, frames: int) -> Viewer:
    """What tests look at: a recipe's windows of a clip, at `frames` frames each (released: its middle alone)."""
    return lambda clips: window_views(clips, windows, frames)


def drawn_views(augment: AugmentConfig, frames: int, generator: torch.Generator) -> Viewer:
    """One augmented view of each clip, at `frames` frames, drawn by the generator (paper, Sec. III-B)."""
    return lambda clips: [random_view(clips, augment, frames, generator)]


@torch.no_grad()
def embed(
    encoders: nn.ModuleDict, batches: Iterable[Clips], viewer: Viewer, parts: tuple[str, ...] = PARTS
) -> tuple[dict[str, Tensor], Tensor]:
    """Features of every branch (N D) in evaluation mode, and labels (N); on the CPU, in the batches' order."""
    training, device = encoders.training, device_of(encoders)
    encoders.eval()
    features: dict[str, list[Tensor]] = {name: [] for name in encoders}
    labels = []
    for clips in batches:
        for name, value in branch_features(encoders, viewer(clips.to(device)), parts).items():
            features[name].append(value.float().cpu())
        labels.append(clips.label)
    encoders.train(training)
    return {name: torch.cat(values) for name, values in features.items()}, torch.cat(labels)


def features_as_tested(
    encoders: nn.ModuleDict, reader: ClipReader, viewer: Viewer, parts: tuple[str, ...] = PARTS
) -> tuple[dict[str, Tensor], Tensor]:
    """Features by branch (N D) and labels (N) of clips in their order, on the views and parts that tests look at."""
    loader = ClipLoader(reader, ClipBatchSampler(len(reader), FEATURE_BATCH, shuffle=False))
    return embed(encoders, loader, viewer, parts)


@torch.no_grad()
def recalibrate_batchnorm(encoders: nn.ModuleDict, batches: Iterable[Clips], viewer: Viewer) -> None:
    """Give every BatchNorm the mean statistics of these batches; no weight changes."""
    norms = [module for module in encoders.modules() if isinstance(module, nn.BatchNorm1d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    encoders.train()
    for clips in batches:
        branch_features(encoders, viewer(clips.to(device_of(encoders))))
    encoders.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def joint_embedding(features: dict[str, Tensor]) -> Tensor:
    """Unit vectors (N D'): every branch's feature l2-normalised, side by side."""
    return F.normalize(torch.cat([F.normalize(value, dim=1) for value in features.values()], dim=1), dim=1)


def embedded(classifier: Classifier, features: dict[str, Tensor]) -> Tensor:
    """Unit vectors (N D'): the joint embedding of the branches that a classifier's head embeds.

    Of networks side by side the first one's features (nn/beside.py).
    """
    widths = {name: feature_width(side_by_side(encoder)[0]) for name, encoder in classifier.encoders.items()}
    return joint_embedding({name: features[name][:, : widths[name]] for name in classifier.head.embed or features})


def unit_means(vectors: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Each class's mean direction (C D) of vectors (N D) with labels (N); 0 where it has none."""
    return F.normalize(vectors.new_zeros(classes, vectors.shape[1]).index_add_(0, labels, vectors), dim=1)
