"""Accuracy by coverage against a slow loop; temperature, ties and the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.evaluation.calibrate import calibrate
from twinsign.evaluation.metrics import ClipScores, calibration_error
from twinsign.evaluation.selective import selective_report
from twinsign.runs.calibration import Calibration


def scored(labels, scores) -> ClipScores:
    scores = np.asarray(scores, np.float32)
    ids, glosses = [f"c{i}" for i in range(len(labels))], [f"g{c}" for c in range(scores.shape[1])]
    return ClipScores(ids, glosses, np.asarray(labels, np.int64), scores)


def random_scored(seed: int = 0, clips: int = 300, scale: float = 1.0) -> ClipScores:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 5, clips)
    return scored(labels, scale * (random.normal(size=(clips, 5)) + 1.5 * np.eye(5)[labels]))


@st.composite
def small(draw) -> ClipScores:
    clips = draw(st.integers(1, 30))
    row = st.lists(st.integers(-2, 2), min_size=3, max_size=3)
    labels = draw(st.lists(st.integers(0, 2), min_size=clips, max_size=clips))
    return scored(labels, draw(st.lists(row, min_size=clips, max_size=clips)))


def slow(clips: ClipScores, temperature: float) -> tuple[list[float], float]:
    """Accuracy of the surest n clips for each n, wrong ones first among equals; the mean error."""
    found = []
    for scores, label in zip(clips.scores.astype(float), clips.labels, strict=True):
        shares = np.exp(scores / temperature) / np.exp(scores / temperature).sum()
        right = all(scores[c] < scores[label] for c in range(len(scores)) if c != label)
        found.append((-round(float(shares.max()), 9), right))
    found.sort()
    right = [one for _, one in found]
    accuracy = [sum(right[: n + 1]) / (n + 1) for n in range(len(right))]
    return accuracy, float(np.mean([1 - one for one in accuracy]))


@given(small(), st.sampled_from([0.5, 1.0, 2.0]))
def test_agrees_with_the_loop(clips: ClipScores, temperature: float) -> None:
    report = selective_report(clips, Calibration(temperature, 0.5))
    accuracy, error = slow(clips, temperature)
    assert report["aurc"] == pytest.approx(100 * error, abs=0.006)
    for point in report["selective"]:
        count = round(point["coverage"] / 100 * len(accuracy))
        assert point["accuracy"] == pytest.approx(100 * accuracy[count - 1], abs=0.006)
    assert report["selective"][-1]["coverage"] == 100
    coverages = [point["coverage"] for point in report["selective"]]
    assert coverages == sorted(set(coverages))


def test_sure_clips_are_right_more_often_and_blind_confidence_gains_nothing() -> None:
    report = selective_report(random_scored(), None)
    assert len(report["selective"]) == 20
    assert report["selective"][1]["accuracy"] > report["selective"][-1]["accuracy"] + 10
    labels = np.random.default_rng(0).integers(0, 4, 2000)
    blind = selective_report(scored(labels, np.eye(4)[np.random.default_rng(1).integers(0, 4, 2000)]), None)
    assert blind["selective"][0]["accuracy"] == 0  # all equally sure: the wrong ones come first
    assert blind["aurc"] > 100 - blind["selective"][-1]["accuracy"]


def test_the_runs_temperature_and_threshold_count() -> None:
    loud = random_scored(scale=6.0)
    fitted = calibrate(loud)
    report = selective_report(loud, fitted)
    assert report["ece_calibrated"] < 100 * calibration_error(loud) / 2
    surest = selective_report(loud, Calibration(fitted.temperature, 0.9))["answered"]
    assert 0 < surest["coverage"] < 100
    assert surest["accuracy"] > report["selective"][-1]["accuracy"]
    nothing = selective_report(loud, Calibration(1.0, 2.0))["answered"]
    assert (nothing["coverage"], nothing["accuracy"]) == (0, None)
    bare = selective_report(loud, None)
    assert bare["ece_calibrated"] is None
    accuracy = bare["selective"][-1]["accuracy"]
    assert bare["answered"] == {"threshold": None, "coverage": 100, "accuracy": accuracy, "promised": None}
    assert report["answered"]["promised"] == {"trusted": 0.9, "unknown": 0, "confidence": 0.95}, "of four classes"


def test_few_clips_show_an_error_where_confidences_are_right() -> None:
    random = np.random.default_rng(1)
    found = {}
    for clips in (60, 6000):
        scores = 2 * random.normal(size=(clips, 5))
        share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        labels = (share.cumsum(axis=1) < random.random((clips, 1))).sum(axis=1).clip(max=4)
        one = scored(labels, scores)
        found[clips] = selective_report(one, None)["ece_by_chance"]
        assert 100 * calibration_error(one) < 1.5 * found[clips]["below95"], "these confidences are right"
        assert 0 < found[clips]["mean"] < found[clips]["below95"]
        hot = scored(labels, 3 * scores)
        assert selective_report(hot, Calibration(3.0, 0.5))["ece_by_chance"] == found[clips], "at the run's temperature"
        assert selective_report(hot, None)["ece_by_chance"] != found[clips]
    assert found[60]["mean"] > 5 * found[6000]["mean"]
    loud = random_scored(clips=6000, scale=6.0)
    assert 100 * calibration_error(loud) > 5 * selective_report(loud, None)["ece_by_chance"]["below95"]
