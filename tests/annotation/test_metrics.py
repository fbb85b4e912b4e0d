from __future__ import annotations

import pytest

from twinsign.annotation.metrics import Found, Spotting, average_precision, edit_distance, match
from twinsign.annotation.spans import Span, overlap

TRUTH = [Span(0, 1, "a"), Span(1, 2, "b"), Span(3, 4, "c")]


def test_overlap_is_intersection_over_union() -> None:
    assert overlap(Span(0, 2), Span(1, 3)) == pytest.approx(1 / 3)
    assert overlap(Span(0, 1), Span(1, 2)) == 0.0
    assert overlap(Span(0, 1), Span(5, 6)) == 0.0


def test_each_segment_is_matched_once_the_best_first() -> None:
    found = [Span(0, 1.9), Span(1.1, 2), Span(3.2, 3.4)]
    assert match(TRUTH, found, 0.5) == [(0, 0), (1, 1)]
    assert match(TRUTH, found, 0.95) == []
    assert match(TRUTH, found, 0.15) == [(0, 0), (1, 1), (2, 2)]
    assert match([], found, 0.5) == match(TRUTH, [], 0.5) == []


def test_edit_distance_is_levenshtein() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance("", "ab") == edit_distance("ab", "") == 2
    assert edit_distance(["a", "b"], ["a", "b"]) == 0


def test_average_precision() -> None:
    assert average_precision([(0.9, True), (0.8, False), (0.7, True)], 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([], 3) == average_precision([(1.0, False)], 0) == 0.0


def test_report_counts_wrong_and_unmatched_sure_segments_as_wrong() -> None:
    spotting = Spotting()
    found = [
        Found(Span(0, 1), "a", 0.9, True),
        Found(Span(1, 2.1), "x", 0.8, True),
        Found(Span(5, 6), "c", 0.7, True),
        Found(Span(3, 4), "c", 0.2),
    ]
    spotting.add(TRUTH, found, fps=10)
    report = spotting.report()
    assert report["by_overlap"]["0.5"] == pytest.approx({"precision": 75.0, "recall": 100.0, "f1": 600 / 7})
    assert report["sure_segments"] == 3
    assert report["sure_right"] == pytest.approx(100 / 3)
    assert report["named_right"] == pytest.approx(200 / 3)
    assert report["boundary_error_frames"] == {"begin": 0.0, "end": 0.0}
    # a right; b never; c right second of two: (1 + 0 + 1/2) / 3.
    assert report["mean_average_precision"] == pytest.approx(50.0)
    # In the order of time a x c c: one replacement, one insertion.
    assert report["gloss_error_rate"] == pytest.approx(200 / 3)
    assert Spotting().report()["boundary_error_frames"] == {"begin": None, "end": None}
