"""Identical clips: all of them, nothing else, and what their splits and glosses mean."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from helpers.moving_clips import clip, exam_of, moving
from helpers.tiny_configs import sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinsign.datasets.folder import landmark_corpus
from twinsign.doctor.copies import duplicates, identical
from twinsign.doctor.exam import examine
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack

ALIKE = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ALIKE
@given(looks=st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_groups_are_those_of_a_comparison_of_all_pairs(tmp_path: Path, looks: list[int]) -> None:
    exam = exam_of(tmp_path / "p", [sample(str(i), "a", look=look) for i, look in enumerate(looks)])
    clips = [exam.pack.recording(row) for row in range(len(exam))]
    pairs = {
        (one, other)
        for one, other in combinations(range(len(clips)), 2)
        if np.array_equal(clips[one].xy, clips[other].xy)
    }
    assert {pair for group in identical(exam) for pair in combinations(group, 2)} == pairs


def test_clips_that_show_nothing_are_no_copies(tmp_path: Path) -> None:
    xy, seen = moving(0)
    exam = exam_of(tmp_path / "p", [clip("a", xy, ~seen), clip("b", xy, ~seen), clip("c", xy), clip("d", xy)])
    assert duplicates(exam).value == [["c", "d"]]


def test_one_moved_joint_is_another_clip(tmp_path: Path) -> None:
    xy, seen = moving(0)
    other = xy.copy()
    other[3, 7, 1] += 0.002
    less = seen.copy()
    less[5, 3] = False
    exam = exam_of(tmp_path / "p", [clip("a", xy), clip("b", other), clip("c", xy, less)])
    assert duplicates(exam).value == []


def test_what_splits_and_glosses_say(tmp_path: Path) -> None:
    samples = [
        sample("1", "a", "train", look=1),
        sample("2", "a", "test", look=1),
        sample("3", "a", "train", look=2),
        sample("4", "b", "train", look=2),
        sample("5", "a", "val", look=3),
        sample("6", "a", "test", look=3),
        sample("7", "", "none", look=4),
        sample("8", "a", "val", look=4),
    ]
    found = duplicates(exam_of(tmp_path / "p", samples))
    assert found.value == [["1", "2"], ["3", "4"], ["5", "6"], ["7", "8"]]
    details = found.more["duplicate_details"]
    assert [one["splits_differ"] for one in details] == [True, False, True, True]
    assert [one["glosses_differ"] for one in details] == [False, True, False, False]
    by_clips = {tuple(finding.clips): finding.level for finding in found.findings if "gloss" not in finding.said}
    assert by_clips == {("1", "2"): "error", ("3", "4"): "warning", ("5", "6"): "warning", ("7", "8"): "warning"}
    assert [finding.clips for finding in found.findings if "gloss" in finding.said] == [["3", "4"]]


def test_the_thirty_pairs_of_wlasl300(data_dir: Path, tmp_path: Path) -> None:
    file = data_dir / "wlasl300_hands.npz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    write_pack(landmark_corpus(file).samples, tmp_path / "p")
    exam = examine(Pack(tmp_path / "p"))
    found = {frozenset(pair) for group in duplicates(exam).value for pair in combinations(group, 2)}
    stated = exam.text("duplicate_of").tolist()
    ids = set(exam.id.tolist())
    named = {
        frozenset((one, other))
        for one, words in zip(exam.id.tolist(), stated, strict=True)
        for other in words.split()
        if other in ids
    }
    assert len(found) == 30
    assert found == named
