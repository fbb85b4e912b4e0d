"""Identical and nearly identical clips: all of them, nothing else, and what their splits and glosses mean."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from helpers.moving_clips import COPIES, clip, exam_of, moving, resampled
from helpers.tiny_configs import sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinsign.datasets.folder import landmark_corpus
from twinsign.doctor.duplicates import duplicates, find_near_copies, group_identical, near_duplicates
from twinsign.doctor.exam import examine
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.layout import HANDS

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
    assert {pair for group in group_identical(exam) for pair in combinations(group, 2)} == pairs


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
    by_clips = {tuple(finding.clips): finding.level for finding in found.findings if "gloss" not in finding.message}
    assert by_clips == {("1", "2"): "error", ("3", "4"): "warning", ("5", "6"): "warning", ("7", "8"): "warning"}
    assert [finding.clips for finding in found.findings if "gloss" in finding.message] == [["3", "4"]]


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


def test_every_kind_of_copy_is_found_and_nothing_else(tmp_path: Path) -> None:
    samples, expected = [], {}
    for number, (kind, (change, way)) in enumerate(COPIES.items()):
        poses = moving(number, frames=40 + 3 * number)
        samples.append(clip(f"{kind} 1", *poses, gloss="a", split="train"))
        samples.append(clip(f"{kind} 2", *change(*poses), gloss="a", split="test"))
        expected[frozenset((f"{kind} 1", f"{kind} 2"))] = way
    samples += [clip(f"other {seed}", moving(100 + seed)[0], gloss="b", split="val") for seed in range(20)]
    exam = exam_of(tmp_path / "p", samples)
    found = {frozenset(exam.names([copy.first, copy.second])): copy.way for copy in find_near_copies(exam)}
    assert found == expected
    checked = near_duplicates(exam)
    assert {finding.level for finding in checked.findings} == {"error"}
    assert all(one["splits_differ"] and one["alike"] >= 0.99 for one in checked.more["near_duplicate_details"])


def test_another_take_of_a_movement_is_no_copy(tmp_path: Path) -> None:
    xy, seen = moving(0)
    rng = np.random.default_rng(1)
    takes = [clip("first", xy)]
    for number in range(4):
        time = np.linspace(0, 1, 50)
        warped = np.interp(time, np.linspace(0, 1, 6), np.sort(np.r_[0, rng.uniform(0.1, 0.9, 4), 1]))
        takes.append(clip(f"warped {number}", np.concatenate([resampled(xy, seen, 1, at, at)[0] for at in warped])))
        part, _ = moving(50 + number)
        takes.append(clip(f"looser {number}", (0.85 * xy + 0.15 * part).astype(np.float32)))
    assert find_near_copies(exam_of(tmp_path / "p", takes)) == []


def test_identical_and_stuck_clips_are_left_to_other_checks(tmp_path: Path) -> None:
    xy, _ = moving(0)
    stuck = xy.copy()
    stuck[: len(xy) * 3 // 4] = xy[0]
    samples = [clip("a", xy), clip("b", xy), clip("c", stuck), clip("d", stuck + np.float32(0.01))]
    assert find_near_copies(exam_of(tmp_path / "p", samples)) == []


@pytest.mark.parametrize("clips", [1, 2])
def test_clips_without_a_hand_and_few_clips(tmp_path: Path, clips: int) -> None:
    xy, seen = moving(0)
    samples = [clip("blank", xy, ~seen)] + [clip(str(seed), moving(seed)[0]) for seed in range(clips - 1)]
    assert find_near_copies(exam_of(tmp_path / "p", samples)) == []


def test_copies_planted_among_real_clips(data_dir: Path, tmp_path: Path) -> None:
    file = data_dir / "wlasl_body_hands.npz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    samples = list(landmark_corpus(file).samples[::3])
    # Real tracks jitter: of copies at a lower rate, which jitter otherwise, only the smoother ones are found.
    kinds, expected = [kind for kind in COPIES if kind not in ("sampled", "all at once")], set()
    for original in list(samples):
        recording = original.read()
        if recording.seen[:, HANDS].any(axis=1).sum() >= 40 and len(expected) < 5 * len(kinds):
            change, _ = COPIES[kinds[len(expected) % len(kinds)]]
            samples.append(clip(f"copy of {original.id}", *change(recording.xy, recording.seen)))
            expected.add(frozenset((original.id, f"copy of {original.id}")))
    exam = exam_of(tmp_path / "p", samples)
    found = {frozenset(exam.names([copy.first, copy.second])) for copy in find_near_copies(exam)}
    assert len(found & expected) >= 0.9 * len(expected)
    assert len(found - expected) <= 2


def test_real_copies_of_wlasl_and_real_takes(data_dir: Path, tmp_path: Path) -> None:
    """Of one video WLASL cuts several clips; hands of one signer in one place are no copies for that."""
    file = data_dir / "wlasl300_hands.npz"
    if not file.is_file():
        pytest.skip(f"no {file}")
    known = [("32255", "41453"), ("05743", "32257"), ("24954", "24955"), ("05605", "63287")]
    takes = {"57044", "57045", "53274", "53275", "34006", "34007"}
    wanted = {one for pair in known for one in pair} | takes
    samples = landmark_corpus(file).samples
    exam = exam_of(tmp_path / "p", [one for number, one in enumerate(samples) if one.id in wanted or number % 9 == 0])
    found = {frozenset(exam.names([copy.first, copy.second])) for copy in find_near_copies(exam)}
    assert {frozenset(pair) for pair in known} <= found
    assert not any(pair & takes for pair in found)
