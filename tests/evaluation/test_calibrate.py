"""Temperature and threshold: never worse on val than none, and as trustworthy as promised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta
from torch.nn import functional as F

from twinsign.errors import InputError
from twinsign.evaluation.calibrate import FEWEST, MANY, calibrate, fit_threshold, lower_confidence_bounds
from twinsign.evaluation.metrics import ClipScores
from twinsign.runs.calibration import NEVER, Calibration, threshold_in_words
from twinsign.runs.recipe import AbstainConfig


def scored_of(scores: np.ndarray, labels: np.ndarray) -> ClipScores:
    clips, classes = scores.shape
    return ClipScores([f"c{i}" for i in range(clips)], [f"g{i}" for i in range(classes)], labels, scores)


def random_scored(seed: int, clips: int, scale: float, classes: int = 4, apart: float = 1.5) -> ClipScores:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, clips)
    scores = scale * (rng.normal(size=(clips, classes)) + apart * np.eye(classes)[labels])
    return scored_of(scores.astype(np.float32), labels)


def cross_entropy(scored: ClipScores, temperature: float) -> float:
    logits = torch.from_numpy(scored.scores).double() / temperature
    return float(F.cross_entropy(logits, torch.from_numpy(scored.labels)))


def clopper_pearson(right: int, answers: int, level: float) -> float:
    return float(beta.ppf(1 - level, right, answers - right + 1)) if right else 0.0


@given(
    seed=st.integers(0, 1000), clips=st.integers(1, 60), scale=st.sampled_from([0.1, 1.0, 20.0]),
    trusted=st.sampled_from([0.5, 0.9]), level=st.sampled_from([0.0, 0.6, 0.95]), ties=st.booleans(),
)  # fmt: skip
def test_cross_entropy_never_rises_and_what_is_sure_is_right(
    seed: int, clips: int, scale: float, trusted: float, level: float, ties: bool
) -> None:
    scored = random_scored(seed, clips, scale)
    if ties:
        scored = scored_of(np.round(scored.scores / scale) * np.float32(scale), scored.labels)
    found = calibrate(scored, AbstainConfig(trusted, 0, level))
    assert cross_entropy(scored, found.temperature) <= cross_entropy(scored, 1.0) + 1e-9
    logits = torch.from_numpy(scored.scores).double()
    confidence, guess = (logits / found.temperature).softmax(dim=1).max(dim=1)
    confidence = confidence.round(decimals=9)
    sure = confidence >= found.threshold
    right = guess == torch.from_numpy(scored.labels)
    assert found.coverage == pytest.approx(sure.double().mean())

    def kept(some: torch.Tensor) -> bool:
        hits, answers = int(right[some].sum()), int(some.sum())
        return (clopper_pearson(hits, answers, level) if level else hits / answers) >= trusted - 1e-9

    assert not sure.any() or kept(sure)
    for lower in confidence[~sure].unique():
        assert not kept(confidence >= lower), "no lower threshold would do"


@pytest.mark.parametrize("scale", [0.2, 1.0, 5.0])
def test_temperature_follows_the_scale_of_the_logits(scale: float) -> None:
    base, scaled = calibrate(random_scored(0, 3000, 1.0)), calibrate(random_scored(0, 3000, scale))
    assert scaled.temperature / base.temperature == pytest.approx(scale, rel=0.1)
    assert scaled.threshold == pytest.approx(base.threshold, abs=0.03)


def test_a_model_that_knows_nothing_is_never_sure() -> None:
    labels = np.array([1, 1, 0, 1] * 10)
    found = calibrate(scored_of(np.tile(np.float32([1, 0]), (40, 1)), labels))
    assert (found.threshold, found.coverage) == (NEVER, 0)
    certain = calibrate(scored_of(np.tile(np.float32([9000, 0]), (40, 1)), np.ones(40, np.int64)))
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
    found, plain = (calibrate(scored, AbstainConfig(trusted, share, 0)) for share in (unknown, 0))
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
    assert calibrate(scored, AbstainConfig(trusted, unknown)).threshold >= found.threshold - 1e-9, "with a margin"


def test_clips_of_other_signs_count_where_there_are_enough() -> None:
    scored = random_scored(0, 400, 4.0, FEWEST, 3.0)
    struck = calibrate(scored)
    assert (struck.unknown, struck.confidence, struck.unknown_clips) == (1 / 3, 0.95, 0)
    assert 0 < struck.threshold < 1
    alike = np.random.default_rng(1).permutation(scored.scores.T).T  # Wrong, and as sure as what is known.
    hard = calibrate(scored, None, alike)
    assert (hard.threshold, hard.unknown_clips) == (NEVER, 400)
    assert calibrate(scored, None, alike[:199]) == struck, "fewer than a third of all: the struck ones alone"
    easy = calibrate(scored, None, np.zeros((200, FEWEST), np.float32))
    assert (easy.threshold, easy.unknown_clips) == (struck.threshold, 200), "real ones make nothing surer"
    assert calibrate(scored, AbstainConfig(unknown_share=0), alike) == calibrate(scored, AbstainConfig(unknown_share=0))


def test_another_gloss_of_the_same_sign_is_right_and_no_unknown_sign() -> None:
    """A sign that has two glosses, which chance alone tells apart."""
    rng = np.random.default_rng(3)
    one = random_scored(3, 600, 4.0, FEWEST, 3.0)
    scores = np.concatenate([one.scores[:, :1] + rng.normal(0, 3, (600, 2)), one.scores[:, 1:]], axis=1)
    labels = np.where(one.labels == 0, rng.integers(0, 2, 600), one.labels + 1)
    two = scored_of(scores.astype(np.float32), labels)
    strict, found = calibrate(two), calibrate(two, same_signs={"g0": ["g1", "unheard of"], "g1": ["g0"]})
    assert found.temperature == strict.temperature
    confidence, guess = (torch.from_numpy(two.scores).double() / found.temperature).softmax(dim=1).max(dim=1)
    sure = (confidence >= found.threshold).numpy()
    right = np.maximum(guess.numpy() - 1, 0) == one.labels
    assert right[sure].mean() > 0.9
    assert found.coverage == sure.mean() > strict.coverage, "answers to that sign no longer count as wrong"
    assert calibrate(two, same_signs={}) == strict


def test_many_real_clips_of_unknown_signs_allow_the_full_confidence() -> None:
    scored = random_scored(0, 400, 4.0, FEWEST, 3.0)
    unknown = random_scored(5, MANY, 4.0, FEWEST, 1.2).scores
    few, many = calibrate(scored, None, unknown[:-1]), calibrate(scored, None, unknown)
    assert many.threshold > few.threshold > calibrate(scored).threshold
    assert (few.unknown_clips, many.unknown_clips) == (MANY - 1, MANY)


def test_of_few_glosses_only_real_clips_stand_for_an_unknown_sign() -> None:
    scored = random_scored(0, 300, 3.0, FEWEST - 1, 3.0)
    none = calibrate(scored, AbstainConfig(unknown_share=0))
    assert calibrate(scored) == none, "and it says so: unknown is 0"
    half = calibrate(scored, AbstainConfig(unknown_share=0.5), random_scored(1, 300, 3.0, FEWEST - 1, 0.0).scores)
    assert (half.unknown, half.unknown_clips) == (0.5, 300)
    assert half.threshold > none.threshold


@pytest.mark.parametrize(("right", "wrong", "struck", "trusted"), [(6, 2, 0, 0.75), (9, 1, 0, 0.9), (27, 0, 27, 0.9)])
def test_a_promise_kept_exactly_is_kept(right: int, wrong: int, struck: int, trusted: float) -> None:
    """Weights of 0.9 and 0.1 do not add up exactly in binary numbers."""
    hits = torch.tensor([True] * right + [False] * wrong)
    known, strangers = torch.full((len(hits),), 0.7), torch.full((struck,), 0.7)
    share = 0.1 if struck else 0.0
    assert fit_threshold(known, hits, trusted, 0, strangers, share) == pytest.approx(0.7)
    assert fit_threshold(known, hits, trusted, 0.95, strangers, share) == NEVER


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.sampled_from([0.5, 0.8, 0.95, 0.999]))
def test_of_equal_weights_the_bound_is_clopper_and_pearsons(right: list[bool], level: float) -> None:
    found = lower_confidence_bounds(np.array(right), np.full(len(right), 0.01), level)
    wanted = [clopper_pearson(sum(right[:n]), n, level) for n in range(1, len(right) + 1)]
    assert found == pytest.approx(wanted, abs=1e-9)


def test_a_group_of_which_little_was_seen_allows_little() -> None:
    """Ninety right answers, and none to any clip of an unknown sign; these are as many of all, however few."""
    right = np.array([True] * 90 + [False])
    bounds = [
        lower_confidence_bounds(right, np.array([2 / 90] * 90 + [1 / clips]), 0.95)[89] for clips in (5, 20, 90, 900)
    ]
    assert bounds == sorted(bounds)
    assert bounds[0] < 0.8
    assert bounds[2] > 0.9


@pytest.mark.parametrize("unknown", [0.0, 1 / 3])
def test_the_promise_is_kept_on_clips_to_come(unknown: float) -> None:
    """Over many draws of 165 clips: it is broken in few of them, and not for want of answers."""
    rng = np.random.default_rng(0)

    def drawn(clips: int) -> ClipScores:
        labels, easy = rng.integers(0, 20, clips), rng.normal(3.2, 1.8, clips)
        scores = rng.normal(size=(clips, 20)) + easy[:, None] * np.eye(20)[labels]
        return scored_of(scores.astype(np.float32), labels)

    fresh = drawn(8000)
    struck = fresh.scores.copy()
    struck[np.arange(8000), fresh.labels] = -np.inf
    right = fresh.scores.argmax(axis=1) == fresh.labels

    def confidence(scores: np.ndarray, temperature: float) -> np.ndarray:
        return (torch.from_numpy(scores) / temperature).softmax(dim=1).amax(dim=1).numpy()

    broken, answered = {0.0: 0, 0.95: 0}, 0
    for _ in range(60):
        val = drawn(165)
        for level in broken:
            fitted = calibrate(val, AbstainConfig(0.9, unknown, level))
            known, others = (confidence(one, fitted.temperature) >= fitted.threshold for one in (fresh.scores, struck))
            asked = (1 - unknown) * known.mean() + unknown * others.mean()
            broken[level] += bool(asked and (1 - unknown) * (known & right).mean() / asked < 0.9)
            answered += bool(level and asked)
    assert broken[0.95] <= 6
    assert broken[0.0] > 15, "the share itself on val promises too much"
    assert answered > 30


def test_what_is_promised_in_words() -> None:
    assert threshold_in_words(Calibration(1, 0.62)) == (
        '"not sure" below 62 % (at least 90 % of the answers above it are right)'
    )
    found = threshold_in_words(Calibration(1, 0.5, 0.95, 0.25, 0.9, 80, 0.413))
    assert found == (
        '"not sure" below 50 % (at least 95 % of the answers above it are right, with a confidence of 90 %, if 25 % of '
        "all clips show unknown signs (represented by known clips with their own gloss left out, and by 80 clips of "
        "other signs); "
        "41 % of the known clips are above it)"
    )
    never = threshold_in_words(Calibration(1, NEVER, 0.9, 0.5, 0.95))
    assert never.startswith("at no threshold 90 % of the sure answers are right, with a confidence of 95 %, if 50 % of")
    assert never.endswith("never sure")


@pytest.mark.parametrize("shares", [(0, 0), (1.5, 0), (0.9, 1), (0.9, -0.1), (0.9, 0, 1), (0.9, 0, -0.5)])
def test_shares_are_shares(shares: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"target_accuracy.*confidence"):
        AbstainConfig(*shares)


def test_what_an_earlier_version_fitted_is_kept() -> None:
    found = Calibration(**{"temperature": 1.5, "threshold": 0.4, "trusted": 0.9, "unknown": 0.0})
    assert (found.threshold, found.confidence, found.unknown_clips) == (0.4, 0, 0)
    assert Calibration() == Calibration(temperature=1.0, threshold=0.5)
