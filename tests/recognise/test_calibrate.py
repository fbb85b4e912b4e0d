"""Temperature and threshold: never worse on val than none, and as trustworthy as promised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from twinsign.recognise.calibrate import Calibration, calibrate
from twinsign.recognise.metrics import Scored


def scored_of(scores: np.ndarray, labels: np.ndarray) -> Scored:
    clips, classes = scores.shape
    return Scored([f"c{i}" for i in range(clips)], [f"g{i}" for i in range(classes)], labels, scores)


def random_scored(seed: int, clips: int, scale: float) -> Scored:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, clips)
    scores = scale * (rng.normal(size=(clips, 4)) + 1.5 * np.eye(4)[labels])
    return scored_of(scores.astype(np.float32), labels)


def cross_entropy(scored: Scored, temperature: float) -> float:
    logits = torch.from_numpy(scored.scores).double() / temperature
    return float(F.cross_entropy(logits, torch.from_numpy(scored.labels)))


@given(
    seed=st.integers(0, 1000), clips=st.integers(1, 40), scale=st.sampled_from([0.1, 1.0, 20.0]),
    trusted=st.sampled_from([0.5, 0.9]), ties=st.booleans(),
)  # fmt: skip
def test_cross_entropy_never_rises_and_what_is_sure_is_right(
    seed: int, clips: int, scale: float, trusted: float, ties: bool
) -> None:
    scored = random_scored(seed, clips, scale)
    if ties:
        scored = scored_of(np.round(scored.scores / scale) * np.float32(scale), scored.labels)
    found = calibrate(scored, trusted)
    assert cross_entropy(scored, found.temperature) <= cross_entropy(scored, 1.0) + 1e-9
    logits = torch.from_numpy(scored.scores).double()
    confidence, guess = (logits / found.temperature).softmax(dim=1).max(dim=1)
    sure = confidence >= found.threshold
    right = guess == torch.from_numpy(scored.labels)
    if sure.any():
        assert right[sure].double().mean() >= trusted
    for lower in confidence[~sure].unique():
        more = confidence >= lower
        assert right[more].double().mean() < trusted, "no lower threshold would do"


@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_temperature_follows_the_scale_of_the_logits(scale: float) -> None:
    base, scaled = calibrate(random_scored(0, 3000, 1.0)), calibrate(random_scored(0, 3000, scale))
    assert scaled.temperature / base.temperature == pytest.approx(scale, rel=0.1)
    assert scaled.threshold == pytest.approx(base.threshold, abs=0.03)


def test_a_model_that_knows_nothing_is_never_sure() -> None:
    labels = np.array([1, 1, 0, 1])
    found = calibrate(scored_of(np.tile(np.float32([1, 0]), (4, 1)), labels))
    assert found.threshold > 1
    certain = calibrate(scored_of(np.tile(np.float32([9000, 0]), (4, 1)), np.ones(4, np.int64)))
    assert certain.threshold > 1, "though its confidence is 1"


def test_without_val_nothing_is_changed() -> None:
    assert Calibration() == Calibration(temperature=1.0, threshold=0.5)
