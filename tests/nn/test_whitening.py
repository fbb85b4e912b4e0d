"""Whitened embeddings: against a slow computation, and what they leave alone."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from twinsign.nn.whitening import Whitening, fit_whitening


def vectors(clips: int, width: int, seed: int) -> torch.Tensor:
    """Unit vectors (N D) that fill few directions, as features do."""
    drawn = np.random.default_rng(seed)
    spread = drawn.normal(size=(clips, width)) * 2.0 ** -np.arange(width) + 1
    return F.normalize(torch.from_numpy(spread @ drawn.normal(size=(width, width))).float(), dim=1)


def test_whitening_equals_the_inverse_root_of_the_covariance() -> None:
    x = vectors(400, 6, 0)
    away = x.double().numpy() - x.double().numpy().mean(axis=0)
    covariance = sum(np.outer(row, row) for row in away) / len(away)
    values, axes = np.linalg.eig(covariance + 0.1 * np.trace(covariance) / 6 * np.eye(6))
    wanted = away @ axes @ np.diag(values**-0.5) @ axes.T
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(fit_whitening(x, 0.1)(x).numpy(), wanted, atol=1e-4)


def test_without_shrinkage_directions_vary_alike() -> None:
    x = vectors(2000, 4, 1)
    fitted = fit_whitening(x, 1e-6)
    values = torch.linalg.eigvalsh(torch.cov(((x - fitted.mean) @ fitted.matrix).T))
    assert values.max() / values.min() < 1.01
    before = torch.linalg.eigvalsh(torch.cov(x.T))
    assert before.max() / before.min() > 10


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 8), st.floats(0.01, 10), st.integers(0, 10**6))
def test_any_clips_give_unit_vectors(clips: int, width: int, shrinkage: float, seed: int) -> None:
    """One clip alone, or fewer clips than numbers, too."""
    x = vectors(clips, width, seed)
    fitted = fit_whitening(x, shrinkage)
    asked = vectors(5, width, seed + 1)
    assert all(value.isfinite().all() for value in fitted.state_dict().values())
    lengths = fitted(asked).norm(dim=1)
    assert ((lengths - 1).abs() < 1e-4).logical_or(lengths < 1e-6).all()


def test_much_shrinkage_only_moves_the_middle() -> None:
    x = vectors(300, 5, 2)
    torch.testing.assert_close(fit_whitening(x, 1e6)(x), F.normalize(x - x.mean(dim=0), dim=1), atol=1e-4, rtol=0)


def test_new_whitening_changes_no_angle() -> None:
    x = vectors(10, 5, 3)
    torch.testing.assert_close(Whitening(5)(x), x)


def test_half_precision_keeps_the_vectors() -> None:
    """A shipped model's numbers have sixteen bits."""
    x = vectors(300, 16, 4)
    fitted = fit_whitening(x, 1.0)
    halved = Whitening(16)
    halved.load_state_dict({name: value.half().float() for name, value in fitted.state_dict().items()})
    assert (fitted(x) * halved(x)).sum(dim=1).min() > 0.999
