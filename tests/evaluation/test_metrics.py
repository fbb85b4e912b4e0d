from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from twinsign.errors import InputError
from twinsign.evaluation.metrics import (
    ClipScores,
    accuracy_report,
    calibration_error,
    calibration_error_by_chance,
    confidences,
    confusion_counts,
    per_class_table,
    predictions,
    surest_mistakes,
    true_class_ranks,
    wilson_interval,
)


def scored(labels, scores) -> ClipScores:
    scores = np.asarray(scores, np.float32)
    return ClipScores(
        [f"clip{i}" for i in range(len(labels))],
        [f"gloss{c}" for c in range(scores.shape[1])],
        np.asarray(labels, np.int64),
        scores,
    )


@st.composite
def small(draw) -> ClipScores:
    clips, classes = draw(st.integers(1, 12)), draw(st.integers(1, 7))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=clips, max_size=clips))
    row = st.lists(st.integers(-3, 3), min_size=classes, max_size=classes)
    return scored(labels, draw(st.lists(row, min_size=clips, max_size=clips)))


def random_scored(clips: int, classes: int, seed: int = 0, skill: float = 2.0) -> ClipScores:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, clips)
    scores = generator.normal(size=(clips, classes))
    scores[np.arange(clips), labels] += skill
    return scored(labels, scores)


def slow_rank(scores, label) -> int:
    return sum(1 for c, score in enumerate(scores) if c != label and score >= scores[label])


@given(small())
def test_every_number_agrees_with_a_slow_loop(given_scores: ClipScores) -> None:
    report = accuracy_report(given_scores, resamples=20)
    slow = [slow_rank(row, label) for row, label in zip(given_scores.scores, given_scores.labels, strict=True)]
    present = sorted(set(given_scores.labels.tolist()))
    for top in (1, 2, 5):
        hits = [rank < top for rank in slow]
        by_class = []
        for label in present:
            own = [hit for hit, truth in zip(hits, given_scores.labels, strict=True) if truth == label]
            by_class.append(sum(own) / len(own))
        assert report["per_instance"][f"top{top}"] == pytest.approx(100 * sum(hits) / len(hits), abs=0.0051)
        assert report["per_class"][f"top{top}"] == pytest.approx(100 * sum(by_class) / len(by_class), abs=0.0051)
        low, high = report["interval95"][f"per_instance.top{top}"]
        assert 0 <= low <= report["per_instance"][f"top{top}"] <= high <= 100
    assert true_class_ranks(given_scores).tolist() == slow
    assert report["classes"] == len(present)
    assert report["label_count"] == len(given_scores.glosses)
    assert report["clips"] == len(slow)


@given(small())
def test_guesses_confusion_and_table_tell_the_same_story(given_scores: ClipScores) -> None:
    rank, guess, counts = true_class_ranks(given_scores), predictions(given_scores), confusion_counts(given_scores)
    assert ((guess == given_scores.labels) == (rank == 0)).all()
    assert np.trace(counts) == (rank == 0).sum()
    assert counts.sum(axis=1).tolist() == [int((given_scores.labels == c).sum()) for c in range(len(counts))]
    for row, label, chosen in zip(given_scores.scores, given_scores.labels, guess, strict=True):
        assert row[chosen] == max(score for c, score in enumerate(row) if c != label or chosen == label)
    table = per_class_table(given_scores)
    assert [row["gloss"] for row in table] == [f"gloss{c}" for c in sorted(set(given_scores.labels.tolist()))]
    assert sum(row["clips"] for row in table) == len(rank)
    assert sum(row["top1"] * row["clips"] for row in table) / 100 == pytest.approx((rank == 0).sum(), abs=0.01)


@given(small())
def test_calibration_agrees_with_a_slow_loop(given_scores: ClipScores) -> None:
    bins: dict[int, float] = {}
    for row, label in zip(given_scores.scores.astype(float), given_scores.labels, strict=True):
        confidence = max(math.exp(s) / sum(math.exp(o) for o in row) for s in row)
        on_an_edge = abs(confidence * 15 - round(confidence * 15)) < 1e-9
        assume(not on_an_edge or len(row) == 1)
        number = min(14, math.ceil(confidence * 15) - 1)
        bins[number] = bins.get(number, 0.0) + (slow_rank(row, label) == 0) - confidence
    slow = sum(map(abs, bins.values())) / len(given_scores.labels)
    assert calibration_error(given_scores) == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("classes", [3, 8])
def test_agrees_with_scikit_learn(classes: int) -> None:
    clips = random_scored(200, classes)
    report = accuracy_report(clips, resamples=10)
    for top in (1, 2, 5):
        if top < classes:
            wanted = top_k_accuracy_score(clips.labels, clips.scores, k=top, labels=range(classes))
            assert report["per_instance"][f"top{top}"] == pytest.approx(100 * wanted, abs=0.0051)
    assert (
        confusion_counts(clips) == confusion_matrix(clips.labels, clips.scores.argmax(1), labels=range(classes))
    ).all()


@pytest.mark.parametrize(("hits", "clips"), [(0, 1), (1, 1), (0, 40), (70, 100), (317, 317), (12345, 35000)])
def test_wilson_agrees_with_scipy(hits: int, clips: int) -> None:
    wanted = binomtest(hits, clips).proportion_ci(method="wilson")
    assert wilson_interval(hits, clips) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_a_constant_score_is_never_right() -> None:
    report = accuracy_report(scored([0, 1, 2, 3, 4, 5], np.zeros((6, 6))), resamples=10)
    assert report["per_instance"] == {"top1": 0.0, "top2": 0.0, "top5": 0.0}
    assert report["per_class"] == report["per_instance"]


def test_fewer_than_five_classes_are_always_right_in_the_top_five() -> None:
    report = accuracy_report(scored([0, 1, 2], [[0, 1, 2], [0, 1, 2], [0, 1, 2]]), resamples=10)
    assert report["per_instance"] == {"top1": 33.33, "top2": 66.67, "top5": 100.0}


def test_per_class_counts_the_classes_present_alone() -> None:
    report = accuracy_report(scored([0, 0, 0, 2], [[1, 0, 0, 0]] * 4), resamples=10)
    assert (report["per_instance"]["top1"], report["per_class"]["top1"]) == (75.0, 50.0)
    assert (report["classes"], report["label_count"]) == (2, 4)


@pytest.mark.filterwarnings("error")
def test_no_division_by_classes_without_clips() -> None:
    labels = [7, 7, 40] + [299] * 2
    only = scored(labels, np.random.default_rng(0).normal(size=(5, 300)).tolist())
    report = accuracy_report(only, resamples=200)
    assert (report["classes"], report["label_count"]) == (3, 300)
    assert all(np.isfinite(bound) for interval in report["interval95"].values() for bound in interval)
    assert [row["clips"] for row in per_class_table(only)] == [2, 1, 2]


def test_the_bootstrap_has_the_spread_of_drawing_clips_one_by_one() -> None:
    clips = random_scored(60, 5, skill=1.0)
    right, generator, means = true_class_ranks(clips) == 0, np.random.default_rng(1), []
    for _ in range(4000):
        drawn = generator.integers(0, 60, 60)
        labels = clips.labels[drawn]
        means.append(np.mean([right[drawn][labels == label].mean() for label in np.unique(labels)]))
    slow = 100 * np.percentile(means, [2.5, 97.5])
    fast = accuracy_report(clips, resamples=4000)["interval95"]["per_class.top1"]
    assert fast == pytest.approx(slow, abs=1.5)
    assert fast[1] - fast[0] > 10


def test_the_same_seed_gives_the_same_report_and_json_takes_it() -> None:
    clips = random_scored(80, 9)
    one, two, other = (accuracy_report(clips, resamples=150, seed=seed) for seed in (3, 3, 4))
    assert one == two != other
    assert json.loads(json.dumps(one, allow_nan=False)) == one
    assert set(one["interval95"]) == {f"{how}.top{k}" for how in ("per_instance", "per_class") for k in (1, 2, 5)}


def test_a_perfectly_sure_and_half_right_model_is_half_wrong_about_itself() -> None:
    clips = scored([0, 0], [[1000, 0], [0, 1000]])
    assert calibration_error(clips) == pytest.approx(0.5)
    assert confidences(clips).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("clips", [4, 60])
def test_right_confidences_err_as_coins_do(clips: int) -> None:
    """All equally sure: the error is how far the share of heads is from its expectation, known in closed form."""
    sure = 0.7
    labels, row = [0] * clips, np.log([sure, (1 - sure) / 2, (1 - sure) / 2])
    mean, below = calibration_error_by_chance(scored(labels, [row] * clips), draws=20_000)
    heads = np.arange(clips + 1)
    chance = binom.pmf(heads, clips, sure)
    off = np.abs(heads / clips - sure)
    assert mean == pytest.approx((chance * off).sum(), rel=0.03)
    order = np.argsort(off)
    assert off[order][np.searchsorted(chance[order].cumsum(), 0.95)] == pytest.approx(below, abs=1.01 / clips)


def test_many_clips_of_many_classes_take_seconds() -> None:
    clips = random_scored(35_000, 500)
    begin = time.process_time()
    report = accuracy_report(clips)
    assert time.process_time() - begin < 10
    low, high = report["interval95"]["per_class.top1"]
    assert low <= report["per_class"]["top1"] <= high < low + 2


def test_the_table_names_the_most_frequent_wrong_guess() -> None:
    table = per_class_table(scored([0, 0, 0, 0, 1], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 0]]))
    assert table[0] == {
        "gloss": "gloss0",
        "clips": 4,
        "top1": 25.0,
        "top5": 100.0,
        "wrong_guess": "gloss2",
        "wrong_clips": 2,
    }
    assert (table[1]["wrong_guess"], table[1]["wrong_clips"]) == (None, 0)


def test_mistakes_are_the_surest_wrong_clips() -> None:
    found = surest_mistakes(scored([0, 1, 1], [[1, 2], [9, 0], [0, 9]]), limit=5)
    assert [(row["id"], row["truth"], row["guess"]) for row in found] == [
        ("clip1", "gloss1", "gloss0"),
        ("clip0", "gloss0", "gloss1"),
    ]
    assert found[0]["confidence"] == pytest.approx(1 / (1 + math.exp(-9)))
    assert found[0]["row"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": []}, "0 clips of 2 classes"),
        ({"ids": ["a", "a"]}, "clip id 'a' 2 times"),
        ({"glosses": ["X", "X"]}, "gloss 'X' 2 times"),
        ({"labels": np.array([0, 2])}, "clip 'b': found label 2; wanted a class in 0..1"),
        ({"labels": np.array([-1, 0])}, "clip 'a': found label -1"),
        ({"labels": np.array([0.0, 1.0])}, "labels float64"),
        ({"labels": np.array([0])}, r"labels int64 of shape \(1,\)"),
        ({"scores": np.zeros((2, 3))}, r"of shape \(2, 3\)"),
        ({"scores": np.array([["a", "b"]] * 2)}, "real numbers"),
        ({"scores": np.array([[0, 0], [0, np.nan]])}, "clip 'b': found NaN, infinity"),
        ({"scores": np.array([[0, 1e300], [0, 0]])}, "clip 'a': found NaN, infinity"),
    ],
)
def test_bad_input_says_what_is_wrong(change, message: str) -> None:
    good = {"ids": ["a", "b"], "glosses": ["X", "Y"], "labels": np.array([0, 1]), "scores": np.zeros((2, 2))}
    ClipScores(**good)
    with pytest.raises(InputError, match=message):
        ClipScores(**(good | change))
