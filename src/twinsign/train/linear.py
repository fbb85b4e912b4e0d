"""The linear protocol: a fully-connected layer trained on frozen encoders' features (paper, Sec. IV-D)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.classifier import Classifier
from twinsign.nn.features import FEATURE_BATCH, device_of, drawn_views, embed, features_as_tested, fixed_views
from twinsign.nn.imprint import imprint
from twinsign.runs.recipe import ClassifyConfig, Recipe
from twinsign.train.optim import optimiser_and_schedule
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader, seeded_generator

FEATURE_ROUND = 2
"""Place of the views' generators, apart from the order's."""

Epoch = Callable[[dict[str, Any]], None]


def fit_linear(
    encoders: nn.ModuleDict,
    train: ClipReader,
    val: ClipReader | None,
    recipe: Recipe,
    classes: int,
    seed: int,
    on_epoch: Epoch = lambda row: None,
) -> Classifier:
    """Train a Classifier's layer on frozen encoders; keep the best epoch on val, or the last (paper, Sec. IV-D)."""
    config = recipe.linear
    viewer = fixed_views(recipe.windows, config.frames)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Classifier(recipe.encoder, config.head, classes)
    classifier.encoders.load_state_dict(encoders.state_dict())
    classifier.requires_grad_(False).eval()
    classifier.fc.requires_grad_(True)
    classifier.encoders.to(device_of(encoders))
    bank = _FeatureBank(classifier.encoders, train, config, seed)
    held = None if val is None else features_as_tested(classifier.encoders, val, viewer, config.head.parts)
    if config.head.start == "means":
        imprint(classifier, *features_as_tested(classifier.encoders, train, viewer, config.head.parts))
    best: tuple[float, dict[str, Tensor]] = (-1.0, {})

    def after(epoch: int, steps: int, loss: float) -> None:
        nonlocal best
        row: dict[str, Any] = {"epoch": epoch, "step": steps, "train_loss": loss}
        if held is not None:
            row["val_top1"] = 100 * _top1(classifier, *held)
            if row["val_top1"] > best[0]:
                best = row["val_top1"], {name: value.clone() for name, value in classifier.fc.state_dict().items()}
        on_epoch(row)

    def logits(features: dict[str, Tensor]) -> Tensor:
        return classifier.joined(classifier.logits(features))

    fit_layers(classifier.fc, logits, bank.view, len(train), config, seed, after)
    if best[1] and config.select == "best":
        classifier.fc.load_state_dict(best[1])
    return classifier.cpu()


def fit_layers(
    layers: nn.Module,
    logits: Callable[[dict[str, Tensor]], Tensor],
    view: Callable[[int], tuple[dict[str, Tensor], Tensor]],
    clips: int,
    config: ClassifyConfig,
    seed: int,
    after: Callable[[int, int, float], None] = lambda epoch, steps, loss: None,
) -> None:
    """Train layers on features by branch (N D) and labels (N), which `view` gives for an epoch; `logits` joins them.

    `after` is told each epoch, the steps so far and the mean loss.
    """
    batches = ClipBatchSampler(clips, config.batch_size, seed=seed, shuffle=True)
    optimiser, schedule = optimiser_and_schedule(layers, config.optimiser, config.epochs * len(batches), len(batches))
    for epoch in range(config.epochs):
        features, labels = view(epoch)
        losses = []
        for index in batches:
            batch = {name: feature[index] for name, feature in features.items()}
            loss = F.cross_entropy(logits(batch), labels[index], label_smoothing=config.label_smoothing)
            optimiser.zero_grad()
            loss.backward()
            if config.optimiser.clip is not None:
                nn.utils.clip_grad_norm_(layers.parameters(), config.optimiser.clip)
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
        batches.epoch += 1
        after(epoch, (epoch + 1) * len(batches), float(torch.stack(losses).mean()))


class _FeatureBank:
    """Features of augmented views: `views` of them are kept and taken in turn, or (0) each epoch gets a fresh one."""

    def __init__(self, encoders: nn.ModuleDict, train: ClipReader, config: ClassifyConfig, seed: int) -> None:
        self.encoders, self.train, self.config, self.seed = encoders, train, config, seed
        self.kept: dict[int, tuple[dict[str, Tensor], Tensor]] = {}

    def view(self, epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        number = epoch % self.config.views if self.config.views else epoch
        if number in self.kept:
            return self.kept[number]
        loader = ClipLoader(self.train, ClipBatchSampler(len(self.train), FEATURE_BATCH, shuffle=False))
        generator = seeded_generator(self.seed, FEATURE_ROUND, number)
        features = embed(
            self.encoders,
            loader,
            drawn_views(self.config.augment, self.config.frames, generator),
            self.config.head.parts,
        )
        if self.config.views:
            self.kept[number] = features
        return features


@torch.no_grad()
def _top1(classifier: Classifier, features: dict[str, Tensor], labels: Tensor) -> float:
    guesses = classifier.joined(classifier.logits(features)).argmax(dim=1)
    return float((guesses == labels).float().mean())
