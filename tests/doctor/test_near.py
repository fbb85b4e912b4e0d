"""Nearly identical clips: every kind of planted copy is found and named; other recordings are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.moving_clips import COPIES, clip, exam_of, moving, resampled

from twinsign.datasets.folder import landmark_corpus
from twinsign.doctor.near import near_copies, near_duplicates
from twinsign.pose.layout import HANDS


def test_every_kind_of_copy_is_found_and_nothing_else(tmp_path: Path) -> None:
    samples, expected = [], {}
    for number, (kind, (change, way)) in enumerate(COPIES.items()):
        poses = moving(number, frames=40 + 3 * number)
        samples.append(clip(f"{kind} 1", *poses, gloss="a", split="train"))
        samples.append(clip(f"{kind} 2", *change(*poses), gloss="a", split="test"))
        expected[frozenset((f"{kind} 1", f"{kind} 2"))] = way
    samples += [clip(f"other {seed}", moving(100 + seed)[0], gloss="b", split="val") for seed in range(20)]
    exam = exam_of(tmp_path / "p", samples)
    found = {frozenset(exam.names([copy.one, copy.other])): copy.way for copy in near_copies(exam)}
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
    assert near_copies(exam_of(tmp_path / "p", takes)) == []


def test_identical_and_stuck_clips_are_left_to_other_checks(tmp_path: Path) -> None:
    xy, _ = moving(0)
    stuck = xy.copy()
    stuck[: len(xy) * 3 // 4] = xy[0]
    samples = [clip("a", xy), clip("b", xy), clip("c", stuck), clip("d", stuck + np.float32(0.01))]
    assert near_copies(exam_of(tmp_path / "p", samples)) == []


@pytest.mark.parametrize("clips", [1, 2])
def test_clips_without_a_hand_and_few_clips(tmp_path: Path, clips: int) -> None:
    xy, seen = moving(0)
    samples = [clip("blank", xy, ~seen)] + [clip(str(seed), moving(seed)[0]) for seed in range(clips - 1)]
    assert near_copies(exam_of(tmp_path / "p", samples)) == []


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
    found = {frozenset(exam.names([copy.one, copy.other])) for copy in near_copies(exam)}
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
    found = {frozenset(exam.names([copy.one, copy.other])) for copy in near_copies(exam)}
    assert {frozenset(pair) for pair in known} <= found
    assert not any(pair & takes for pair in found)
