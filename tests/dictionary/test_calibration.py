"""Confidences with room for unknown signs: right as often as they say, and sure of nothing that cannot be told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from twinsign.dictionary.calibration import SHARPEST, OpenCalibration, fit_open_set
from twinsign.runs.calibration import NEVER


def drawn(seed: int, recordings: int, near: float, glosses: int = 8) -> tuple[Tensor, Tensor]:
    """Similarities (N C) around 0.4, the own gloss's `near` above them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, glosses, recordings)
    similarity = 0.4 + 0.1 * rng.normal(size=(recordings, glosses)) + near * np.eye(glosses)[labels]
    return torch.from_numpy(similarity).float(), torch.from_numpy(labels)


def asked_again(seed: int, fitted: OpenCalibration, near: float) -> tuple[Tensor, Tensor]:
    """Confidence in the first guess of fresh known and unknown recordings, and whether it is right."""
    similarity, labels = drawn(seed, 4000, near)
    unknown = similarity.scatter(1, labels[:, None], -1.0)
    confidence, guess = fitted.confidences(torch.cat([similarity, unknown])).max(dim=1)
    right = torch.cat([guess[:4000] == labels, torch.zeros(4000, dtype=torch.bool)])
    return confidence, right


@pytest.mark.parametrize(("near", "apart"), [(0.15, 0.15), (0.3, 0.05)])
def test_confidence_is_how_often_it_is_right(near: float, apart: float) -> None:
    """Also of the few that are sure; where signs are hard to tell these are very few, and known less well."""
    similarity, labels = drawn(0, 2000, near)
    fitted = fit_open_set(similarity, labels)
    assert fitted.recordings == 2000
    confidence, right = asked_again(1, fitted, near)
    for low in (0.0, 0.25, 0.5, 0.75):
        some = (confidence >= low) & (confidence < low + 0.25)
        if some.sum() > 200:
            assert float(right[some].double().mean()) == pytest.approx(float(confidence[some].mean()), abs=0.08)
    sure = confidence >= fitted.threshold
    assert float(right[sure].double().mean() if sure.any() else 0.9) == pytest.approx(0.9, abs=apart)


def test_the_likeliest_pair_is_found() -> None:
    """No pair of a coarse grid is likelier."""
    similarity, labels = drawn(2, 400, 0.2)
    fitted = fit_open_set(similarity, labels)
    both = torch.cat([similarity, similarity.scatter(1, labels[:, None], -1.0)]).double()
    truth = torch.cat([labels, torch.full_like(labels, similarity.shape[1])])

    def cost(sharpness: float, none: float) -> float:
        logits = sharpness * torch.cat([both, torch.full((800, 1), none, dtype=torch.double)], dim=1)
        return float(torch.nn.functional.cross_entropy(logits, truth))

    best = cost(fitted.sharpness, fitted.none)
    assert all(best <= cost(a, n) + 1e-6 for a in (2, 5, 10, 15, 20, 30, 50) for n in np.linspace(0.2, 0.9, 15))


def test_what_cannot_be_told_is_never_sure() -> None:
    similarity, labels = drawn(3, 300, 0.0)
    fitted = fit_open_set(similarity, labels)
    confidence, right = asked_again(4, fitted, 0.0)
    sure = confidence >= fitted.threshold
    assert float(sure.double().mean()) < 0.02
    assert float(right.double().mean()) < 0.1


def test_a_few_that_never_err_do_not_make_it_certain() -> None:
    similarity = torch.eye(12) * 0.9
    fitted = fit_open_set(similarity, torch.arange(12))
    assert fitted.sharpness <= SHARPEST
    assert np.isfinite(fitted.confidences(similarity).numpy()).all()


def test_unfitted_is_modest_and_never_sure() -> None:
    similarity = torch.tensor([[1.0, 0.2], [0.6, 0.5]])
    found = OpenCalibration().confidences(similarity)
    assert float(found[0, 0]) == pytest.approx(0.5, abs=1e-3), "a copy, or none of them"
    assert float(found[1].sum()) < 0.01
    assert OpenCalibration().threshold == NEVER


@pytest.mark.parametrize(("right", "sure"), [(28, False), (29, True)])
def test_a_few_lucky_guesses_are_not_enough(right: int, sure: bool) -> None:
    """Of 28 at the top, all right, it does not follow with a confidence of 95 % that nine of ten are; of 29 it does."""
    similarity = torch.full((80, 4), 0.5)
    labels = torch.arange(80) % 4
    similarity[torch.arange(right), labels[:right]] = 0.9
    similarity[torch.arange(right, 80), (labels[right:] + 1) % 4] = 0.6
    fitted = fit_open_set(similarity, labels)
    assert (fitted.threshold < NEVER) == sure
