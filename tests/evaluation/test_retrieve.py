"""Retrieval measures against slow sorted lists and known values; nearest and prototype rankings against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import dcg_score
from torch.nn import functional as F

from twinsign.evaluation.metrics import ClipScores
from twinsign.evaluation.retrieve import MEASURES, nearest_scores, prototype_scores, rank_measures, retrieval_report


def scored(labels, scores) -> ClipScores:
    scores = np.asarray(scores, np.float32)
    ids, glosses = [f"c{i}" for i in range(len(labels))], [f"g{c}" for c in range(scores.shape[1])]
    return ClipScores(ids, glosses, np.asarray(labels, np.int64), scores)


@st.composite
def small(draw) -> ClipScores:
    clips, classes = draw(st.integers(1, 8)), draw(st.integers(1, 14))
    row = st.lists(st.integers(-3, 3), min_size=classes, max_size=classes)
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=clips, max_size=clips))
    return scored(labels, draw(st.lists(row, min_size=clips, max_size=clips)))


def slow_values(scores, label: int) -> list[float]:
    """The list as a dictionary would show it, the right gloss last among equals."""
    listed = sorted(range(len(scores)), key=lambda c: (-scores[c], c == label))
    place = listed.index(label)
    found = [1 / math.log2(place + 2), 1 / (place + 1)]
    return [*found, *(float(label in listed[:depth]) for depth in (1, 5, 10))]


@given(small())
def test_agrees_with_sorted_lists(clips: ClipScores) -> None:
    rows = [slow_values(row.tolist(), int(label)) for row, label in zip(clips.scores, clips.labels, strict=True)]
    found = retrieval_report(clips, resamples=3)
    by_class = [
        np.mean([row for row, label in zip(rows, clips.labels, strict=True) if label == c], axis=0)
        for c in sorted(set(clips.labels.tolist()))
    ]
    for kind, wanted in (("per_instance", np.mean(rows, axis=0)), ("per_class", np.mean(by_class, axis=0))):
        assert list(found[kind]) == list(MEASURES)
        assert list(found[kind].values()) == pytest.approx((100 * wanted).tolist(), abs=0.006)


def test_known_ranks() -> None:
    assert rank_measures(np.array([1]))[0].tolist() == [1, 1, 1, 1, 1]
    assert rank_measures(np.array([3]))[0].tolist() == pytest.approx([0.5, 1 / 3, 0, 1, 1])
    assert rank_measures(np.array([7]))[0].tolist() == pytest.approx([1 / 3, 1 / 7, 0, 0, 1])
    assert rank_measures(np.array([15]))[0].tolist() == pytest.approx([0.25, 1 / 15, 0, 0, 0])


def test_dcg_is_scikit_learns_without_ties() -> None:
    random = np.random.default_rng(0)
    scores, labels = random.normal(size=(20, 12)), random.integers(0, 12, 20)
    found = retrieval_report(scored(labels, scores), resamples=2)["per_instance"]["dcg"]
    assert found == pytest.approx(100 * dcg_score(np.eye(12)[labels], scores), abs=0.006)


def test_a_constant_score_is_last_and_a_perfect_one_first() -> None:
    labels = np.arange(12) % 4
    last = retrieval_report(scored(labels, np.zeros((12, 4))), resamples=5)
    assert last["per_instance"]["mrr"] == 25
    assert last["per_instance"]["recall1"] == 0
    assert last["median_rank"] == 4
    first = retrieval_report(scored(labels, np.eye(4)[labels]), resamples=5)
    assert set(first["per_class"].values()) == {100.0}
    assert set(map(tuple, first["interval95"].values())) == {(100.0, 100.0)}


def test_intervals_hold_the_value_and_shrink_with_clips() -> None:
    widths = []
    for clips in (50, 800):
        random = np.random.default_rng(1)
        labels = random.integers(0, 15, clips)
        report = retrieval_report(scored(labels, random.normal(size=(clips, 15)) + 1.5 * np.eye(15)[labels]))
        low, high = report["interval95"]["per_instance.dcg"]
        assert low < report["per_instance"]["dcg"] < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def unit(seed: int, rows: int) -> torch.Tensor:
    return F.normalize(torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_nearest_and_prototypes_agree_with_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinsign.evaluation.retrieve._ROWS_AT_ONCE", 3)
    query, gallery, labels = unit(0, 7), unit(1, 11), torch.arange(11) % 4
    near, mean = nearest_scores(query, gallery, labels, 4), prototype_scores(query, gallery, labels, 4)
    for i in range(7):
        for c in range(4):
            mine = [gallery[j].double() for j in range(11) if labels[j] == c]
            similar = [float(query[i].double() @ one) for one in mine]
            assert near[i, c] == pytest.approx(max(similar), abs=1e-6)
            centre = sum(mine)
            assert mean[i, c] == pytest.approx(sum(similar) / float(centre.norm()), abs=1e-6)


def test_a_gloss_without_gallery_clips_is_last() -> None:
    found = nearest_scores(unit(0, 3), unit(1, 4), torch.tensor([0, 0, 2, 2]), 3)
    assert (found[:, 1] == -1).all()
    assert (found[:, [0, 2]] > -1).all()
