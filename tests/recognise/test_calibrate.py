"""Temperature and threshold: never worse on val than none, and as trustworthy as promised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from twinsign.errors import InputError
from twinsign.recipe import SureConfig
from twinsign.recognise.calibrate import FEWEST, NEVER, Calibration, calibrate, threshold_in_words, threshold_of
from twinsign.recognise.metrics import Scored


def scored_of(scores: np.ndarray, labels: np.ndarray) -> Scored:
    clips, classes = scores.shape
    return Scored([f"c{i}" for i in range(clips)], [f"g{i}" for i in range(classes)], labels, scores)


def random_scored(seed: int, clips: int, scale: float, classes: int = 4) -> Scored:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, clips)
    scores = scale * (rng.normal(size=(clips, classes)) + 1.5 * np.eye(classes)[labels])
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
    found = calibrate(scored, SureConfig(trusted))
    assert cross_entropy(scored, found.temperature) <= cross_entropy(scored, 1.0) + 1e-9
    logits = torch.from_numpy(scored.scores).double()
    confidence, guess = (logits / found.temperature).softmax(dim=1).max(dim=1)
    confidence = confidence.round(decimals=9)
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


@given(
    seed=st.integers(0, 1000), clips=st.integers(1, 30), scale=st.sampled_from([0.5, 3.0, 20.0]),
    trusted=st.sampled_from([0.5, 0.75, 0.9]), unknown=st.sampled_from([0.1, 0.5, 0.9]),
)  # fmt: skip
def test_room_for_unknown_signs_is_that_of_clips_without_their_own_gloss(
    seed: int, clips: int, scale: float, trusted: float, unknown: float
) -> None:
    """By plain loops: each clip counts as itself and, with its own gloss struck out, as a sign that is not known."""
    scored = random_scored(seed, clips, scale, FEWEST)
    found, plain = calibrate(scored, SureConfig(trusted, unknown)), calibrate(scored, SureConfig(trusted))
    assert (found.temperature, found.trusted, found.unknown) == (plain.temperature, trusted, unknown)
    answers = []
    for row, label in zip(scored.scores.astype(float) / found.temperature, scored.labels.tolist(), strict=True):
        for struck in (False, True):
            kept = [value for place, value in enumerate(row) if not (struck and place == label)]
            shares = np.exp(np.array(kept) - max(kept)) / np.exp(np.array(kept) - max(kept)).sum()
            right = not struck and int(row.argmax()) == label
            answers.append((round(float(shares.max()), 9), right, unknown if struck else 1 - unknown))

    def kept_promise(threshold: float) -> bool:
        sure = [(right, weight) for confidence, right, weight in answers if confidence >= threshold - 1e-10]
        total = sum(weight for _, weight in sure)
        return total > 0 and sum(weight for right, weight in sure if right) / total >= trusted - 1e-9

    known = np.array([confidence for confidence, _, weight in answers[::2]])
    less, more = ((known >= one.threshold - 1e-10).sum() for one in (found, plain))
    assert less <= more, "the more there is that is not known, the fewer are sure"
    enough = [confidence for confidence, _, _ in answers if kept_promise(confidence)]
    assert found.threshold == pytest.approx(min(enough, default=NEVER), abs=1e-6)


def test_of_few_glosses_none_stands_for_an_unknown_sign() -> None:
    scored = random_scored(0, 30, 3.0, FEWEST - 1)
    assert calibrate(scored, SureConfig(0.9, 0.5)) == calibrate(scored, SureConfig(0.9)), "and it says so: unknown is 0"


@pytest.mark.parametrize(("right", "wrong", "struck", "trusted"), [(6, 2, 0, 0.75), (9, 1, 0, 0.9), (27, 0, 27, 0.9)])
def test_a_promise_kept_exactly_is_kept(right: int, wrong: int, struck: int, trusted: float) -> None:
    """Weights of 0.9 and 0.1 do not add up exactly in binary numbers."""
    hits = torch.tensor([True] * right + [False] * (wrong + struck))
    weight = torch.tensor([1 - 0.1] * (right + wrong) + [1 - (1 - 0.1)] * struck, dtype=torch.double)
    assert threshold_of(torch.full((len(hits),), 0.7), hits, trusted, weight=weight) == pytest.approx(0.7)


def test_what_is_promised_in_words() -> None:
    assert threshold_in_words(Calibration(1, 0.62)) == '"not sure" below 62 % (90 % of the answers above it were right)'
    found = threshold_in_words(Calibration(1, 0.5, 0.95, 0.25))
    assert found.endswith(
        "(95 % of the answers above it were right, 25 % of all clips being of signs that it does not know)"
    )
    assert "never sure" in threshold_in_words(Calibration(1, NEVER, 0.9, 0.5))


@pytest.mark.parametrize(("trusted", "unknown"), [(0, 0), (1.5, 0), (0.9, 1), (0.9, -0.1)])
def test_shares_are_shares(trusted: float, unknown: float) -> None:
    with pytest.raises(InputError, match="trusted"):
        SureConfig(trusted, unknown)


def test_without_val_nothing_is_changed() -> None:
    assert Calibration() == Calibration(temperature=1.0, threshold=0.5)
