"""The linear protocol: nothing of the encoder changes, buffers included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_configs import ENCODER, OBJECTIVE, pack_of, random_view, sample
from torch import nn

from twinsign.nn.classifier import Classifier
from twinsign.nn.config import HeadConfig
from twinsign.nn.encoder import Encoder
from twinsign.nn.features import embed, fixed_views
from twinsign.nn.imprint import imprint
from twinsign.runs.recipe import AugmentConfig, ClassifyConfig, OptimiserConfig, Recipe
from twinsign.train.linear import fit_linear
from twinsign.views.batches import ClipBatchSampler, ClipLoader, ClipReader
from twinsign.views.clips import View, modality, resample, window
from twinsign.views.config import ReadConfig

Fitted = tuple[Classifier, list[Any]]
STILL = AugmentConfig(crop=(1.0, 1.0), rotation=0, scale=0, mask=0, flip=0)
LINEAR = ClassifyConfig(frames=6, epochs=3, batch_size=4, augment=STILL, optimiser=OptimiserConfig(lr=0.1))
RECIPE = Recipe(encoder=replace(ENCODER, dropout=0.5), objective=OBJECTIVE, linear=LINEAR)


@pytest.fixture
def encoders() -> nn.ModuleDict:
    """Encoders whose norms have statistics, left in training mode on purpose."""
    torch.manual_seed(0)
    made = nn.ModuleDict({name: Encoder(RECIPE.encoder) for name in ("joint", "motion")})
    for encoder in made.values():
        encoder(*random_view(8, 6))
    return made


@pytest.fixture
def reader(tmp_path: Path) -> ClipReader:
    """Twelve clips of three classes that look alike within a class."""
    pack = pack_of(tmp_path / "P", *(sample(f"c{i}", "ABC"[i % 3], look=i % 3) for i in range(12)))
    return ClipReader(pack, range(12), ReadConfig(), [i % 3 for i in range(12)])  # type: ignore[arg-type]


def fit(encoders: nn.ModuleDict, reader: ClipReader, held: bool = False, **changes: Any) -> Fitted:
    rows: list[Any] = []
    recipe = replace(RECIPE, linear=replace(LINEAR, **changes))
    return fit_linear(encoders, reader, reader if held else None, recipe, 3, 0, rows.append), rows


def test_nothing_of_the_encoder_changes(encoders: nn.ModuleDict, reader: ClipReader) -> None:
    before = {name: value.clone() for name, value in encoders.state_dict().items()}
    found, rows = fit(encoders, reader, optimiser=OptimiserConfig(lr=0.01))
    for state in (encoders.state_dict(), found.encoders.state_dict()):
        assert state.keys() == before.keys()
        assert all(torch.equal(value, before[name]) for name, value in state.items())
    assert not any(module.training for module in found.modules())
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert [row["step"] for row in rows] == [3, 6, 9]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


@pytest.mark.parametrize("views", [0, 1, 2])
def test_the_same_seed_gives_the_same_layer(encoders: nn.ModuleDict, reader: ClipReader, views: int) -> None:
    drawn = AugmentConfig()
    state = torch.random.get_rng_state()
    one, _ = fit(encoders, reader, views=views, augment=drawn)
    torch.manual_seed(99)
    other, _ = fit(encoders, reader, views=views, augment=drawn)
    torch.random.set_rng_state(state)
    for name, value in one.fc.state_dict().items():
        assert torch.equal(value, other.fc.state_dict()[name])


def test_it_is_plain_gradient_descent_on_the_features(encoders: nn.ModuleDict, reader: ClipReader) -> None:
    sgd = OptimiserConfig(lr=0.1, momentum=0.0)
    found, _ = fit(encoders, reader, batch_size=12, epochs=2, optimiser=sgd, label_smoothing=0.1)
    loader = ClipLoader(reader, ClipBatchSampler(12, 12, shuffle=False))
    features, labels = embed(encoders.eval(), loader, fixed_views(RECIPE.windows, 6))
    torch.manual_seed(0)
    wanted = Classifier(RECIPE.encoder, LINEAR.head, 3).fc
    whole = {name: encoders[name](*_whole_view(name, reader)).whole() for name in encoders}
    assert features["joint"].shape == whole["joint"].shape
    for _ in range(2):
        logits = sum(wanted[name](whole[name].detach()) for name in wanted)
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
        gradients = torch.autograd.grad(loss, list(wanted.parameters()))
        with torch.no_grad():
            for value, gradient in zip(wanted.parameters(), gradients, strict=True):
                value -= 0.1 * gradient
    for one, other in zip(found.fc.parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_layers_may_begin_at_the_class_means(encoders: nn.ModuleDict, reader: ClipReader) -> None:
    still, means = OptimiserConfig(name="sgd", lr=0.0), HeadConfig(start="means")
    found, _ = fit(encoders, reader, optimiser=still, head=means)
    wanted = Classifier(RECIPE.encoder, means, 3)
    features, labels = embed(
        encoders, ClipLoader(reader, ClipBatchSampler(12, 12, shuffle=False)), fixed_views(RECIPE.windows, 6)
    )
    imprint(wanted, features, labels)
    for one, other in zip(found.fc.parameters(), wanted.fc.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    random, _ = fit(encoders, reader, optimiser=still)
    assert not torch.allclose(random.fc["joint"].weight, found.fc["joint"].weight)


def _whole_view(name: str, reader: ClipReader) -> View:
    clips = reader.__getitems__(list(range(12)))
    return modality(name, resample(clips, *window(clips, torch.ones(12), torch.zeros(12)), 6))


def test_the_best_epoch_on_val_is_kept(encoders: nn.ModuleDict, reader: ClipReader) -> None:
    wild = OptimiserConfig(lr=3.0)
    best, rows = fit(encoders, reader, held=True, optimiser=wild, epochs=6)
    tops = [row["val_top1"] for row in rows]
    first_best = tops.index(max(tops))
    until, _ = fit(encoders, reader, held=True, optimiser=wild, epochs=first_best + 1, select="last")
    for one, other in zip(best.fc.parameters(), until.fc.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_gradient_is_clipped(encoders: nn.ModuleDict, reader: ClipReader) -> None:
    torch.manual_seed(0)
    start = Classifier(RECIPE.encoder, LINEAR.head, 3).fc
    sgd = OptimiserConfig(lr=1.0, momentum=0.0, clip=1e-3)
    found, _ = fit(encoders, reader, batch_size=12, epochs=1, optimiser=sgd)
    moved = sum((a - b).detach().square().sum() for a, b in zip(found.fc.parameters(), start.parameters(), strict=True))
    assert float(moved) ** 0.5 == pytest.approx(1e-3, rel=1e-2)
