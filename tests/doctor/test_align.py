"""The fit of two clips against float64 loops, and what a search for it must find."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.moving_clips import moving, resampled

from twinsign.doctor.align import MOMENTS, align
from twinsign.doctor.tracks import POINTS, Tracks, extract_tracks
from twinsign.pose.layout import RIGHT_HAND


def as_tracks(*clips: tuple[np.ndarray, np.ndarray]) -> Tracks:
    xy, seen = (np.concatenate(values) for values in zip(*clips, strict=True))
    return extract_tracks(xy, seen, np.asarray([len(one) for one, _ in clips]))


def window(first: float, last: float) -> np.ndarray:
    return np.asarray([[first, last]], np.float32)


def slow_shares(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """moved, placed, rest of points one, other (M P 2), all seen, in float64."""
    scale, moves, lefts = [], [], []
    for axis in (0, 1):
        a, b = (points[..., axis] - points[..., axis].mean(axis=0) for points in (one, other))
        scale.append(float(np.clip((a * b).sum() / (a * a).sum(), 0.5, 2)))
        moves.append((b * b).sum())
        lefts.append((b - scale[-1] * a) ** 2)
    left = lefts[0] + lefts[1]
    a, b = (points - points.mean(axis=(0, 1)) for points in (one, other))
    placed = 1 - ((b - a * scale) ** 2).sum() / (b * b).sum()
    half = left.shape[1] // 2
    rest = max(np.sqrt(left[:, :half].mean()), np.sqrt(left[:, half:].mean()))
    return 1 - left.sum() / sum(moves), placed, rest


def test_shares_of_an_unsearched_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinsign.doctor.align.STEPS", ())
    one, other = moving(1, MOMENTS), moving(1, MOMENTS)
    rng = np.random.default_rng(0)
    bent = (other[0] * np.float32([0.8, 1.1]) + rng.normal(0, 0.01, other[0].shape)).astype(np.float32)
    fit = align(as_tracks(one), as_tracks((bent, other[1])), window(0, 1), patient=True)
    moved, placed, rest = slow_shares(*(np.asarray(xy[:, POINTS], np.float64) for xy in (one[0], bent)))
    assert fit.moved[0] == pytest.approx(moved, abs=1e-4)
    assert fit.placed[0] == pytest.approx(placed, abs=1e-4)
    assert fit.residual[0] == pytest.approx(rest, rel=1e-3)
    assert (fit.common[0], fit.overlap[0]) == (1, 1)


def test_the_search_finds_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = moving(3, 80)
    part = resampled(*whole, 60, 0.13, 0.88)
    fit = align(as_tracks(whole, moving(4)), as_tracks(part, part), np.concatenate([window(0.2, 0.8)] * 2))
    assert fit.moved[0] > 0.999
    assert fit.moved[1] == 0


def test_a_clip_beyond_the_other_overlaps_in_part() -> None:
    whole = moving(3, 80)
    part = whole[0][16:], whole[1][16:]
    fit = align(as_tracks(part), as_tracks(whole), window(-0.2, 1))
    assert fit.moved[0] > 0.999
    assert fit.overlap[0] == pytest.approx(0.8, abs=0.05)


def test_points_seen_in_one_alone_do_not_count() -> None:
    xy, seen = moving(0)
    less = seen.copy()
    less[:, RIGHT_HAND] = False
    wild = xy.copy()
    wild[:, RIGHT_HAND] = 9
    fit = align(as_tracks((xy, seen)), as_tracks((wild, less)), window(0, 1))
    assert fit.moved[0] > 0.9999
    assert fit.common[0] == pytest.approx(0.5)
