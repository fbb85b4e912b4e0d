"""Layers begun at the classes' mean features, against sums clip by clip."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.tiny_configs import ENCODER

from twinsign.nn.classifier import Classifier
from twinsign.nn.config import HeadConfig
from twinsign.nn.imprint import LOGIT, imprint

LABELS = [0, 2, 2, 0, 2, 3]


def made(branches: tuple[str, ...] = ("joint", "motion")) -> Classifier:
    torch.manual_seed(0)
    return Classifier(ENCODER, HeadConfig(branches=branches), classes=4).eval()


def drawn(classifier: Classifier) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {name: 3 + torch.randn(len(LABELS), ENCODER.width) for name in classifier.encoders}


def unit(values: list[float]) -> list[float]:
    length = math.sqrt(sum(value**2 for value in values))
    return [value / length for value in values]


@torch.no_grad()
def test_layers_clip_by_clip() -> None:
    classifier = made()
    features = drawn(classifier)
    imprint(classifier, features, torch.tensor(LABELS))
    for name, table in features.items():
        rows = table.double().tolist()
        middle = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        away = [[value - mean for value, mean in zip(row, middle, strict=True)] for row in rows]
        distance = sum(math.sqrt(sum(value**2 for value in row)) for row in away) / len(rows)
        for label in (0, 2, 3):
            mine = [unit(row) for row, one in zip(away, LABELS, strict=True) if one == label]
            direction = unit([sum(column) for column in zip(*mine, strict=True)])
            weight = [LOGIT * value / distance for value in direction]
            found = classifier.fc[name].weight[label].double()
            torch.testing.assert_close(found, torch.tensor(weight).double(), rtol=1e-4, atol=1e-6)
            # a clip in the class's direction, as far from the middle as clips are on average
            clip = torch.tensor([m + distance * d for m, d in zip(middle, direction, strict=True)])
            assert float(classifier.fc[name](clip)[label]) == pytest.approx(LOGIT, rel=1e-3)


@torch.no_grad()
def test_a_class_without_a_clip_says_nothing() -> None:
    classifier = made(("joint",))
    imprint(classifier, drawn(classifier), torch.tensor(LABELS))
    assert torch.equal(classifier.fc["joint"].weight[1], torch.zeros(ENCODER.width))
    assert float(classifier.fc["joint"].bias[1]) == 0


@pytest.mark.parametrize("value", [0.0, 1.0, 1.7, 3e-30])
@torch.no_grad()
def test_clips_that_are_all_alike_say_next_to_nothing(value: float) -> None:
    classifier = made(("joint",))
    imprint(classifier, {"joint": torch.full((3, ENCODER.width), value)}, torch.tensor([0, 1, 2]))
    said = classifier.fc["joint"](torch.full((1, ENCODER.width), value))
    assert said.abs().max() < LOGIT * 1e-2


@torch.no_grad()
def test_clips_that_show_nothing_do_not_count() -> None:
    one, other = made(), made()
    features = drawn(one)
    nothing = {name: torch.cat([table, torch.zeros(2, ENCODER.width)]) for name, table in features.items()}
    imprint(one, features, torch.tensor(LABELS))
    imprint(other, nothing, torch.tensor([*LABELS, 0, 1]))
    assert all(torch.equal(one.fc[name].weight, other.fc[name].weight) for name in features)


@torch.no_grad()
def test_far_from_the_origin_layers_say_the_same_in_bfloat16() -> None:
    classifier = made(("joint",))
    features = {"joint": drawn(classifier)["joint"] + 20}
    imprint(classifier, features, torch.tensor(LABELS))
    exact = classifier.fc["joint"](features["joint"])
    with torch.autocast("cpu", torch.bfloat16):
        rounded = classifier.fc["joint"](features["joint"])
    assert (exact - rounded).abs().max() < LOGIT / 2
