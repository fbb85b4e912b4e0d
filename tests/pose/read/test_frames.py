"""Frame numbers to places in time; who is followed among several persons, and the note of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.read.frames import MAX_MISSING, follow_signer, record_signer, spread_in_time
from twinsign.pose.recording import FloatArray, Recording

SIZE = (1280, 720)
SHAPE = np.random.default_rng(0).uniform(-1, 1, (JOINT_COUNT, 2))


def person(x: float, y: float, radius: float = 150, score: float = 1) -> FloatArray:
    joints = np.column_stack([SHAPE * radius + [x, y], np.full(JOINT_COUNT, score)])
    return joints.astype(np.float32)


def record(persons: FloatArray) -> Recording:
    return record_signer(ClipFile(Path("a"), SIZE), persons, unit="pixel", estimator="any")


NOBODY = np.zeros((JOINT_COUNT, 3), np.float32)


def test_one_person_is_no_news() -> None:
    joints, note = follow_signer([[person(600, 300)], [], [NOBODY, person(610, 300)]], SIZE)
    assert note == ""
    assert joints[..., 2].any(axis=1).tolist() == [True, False, True]
    assert joints.shape == (3, JOINT_COUNT, 3)
    assert follow_signer([[], [NOBODY]], SIZE)[1] == ""


def test_the_note_says_who_and_where() -> None:
    other = person(1200, 300, 60)
    frames = [[other, NOBODY, person(600 + t, 300, 150 + t)] for t in range(4)]
    frames[1] = [person(601, 300)]
    joints, note = follow_signer(frames, SIZE)
    np.testing.assert_array_equal(joints[3], frames[3][2])
    assert note == "several persons in 3 of 4 frames: followed person 3 of 3 in frame 0 through 4 frames"


def test_frames_that_show_only_someone_else_are_told() -> None:
    frames = [[person(600, 300)], [person(100, 300, 60)], [person(600, 310)]]
    joints, note = follow_signer(frames, SIZE)
    assert joints[..., 2].any(axis=1).tolist() == [True, False, True]
    assert note.endswith("through 2 frames, not found in 1 frames that show someone")


def test_a_single_person_may_leap() -> None:
    persons = np.stack([person(100, 300), person(1200, 300)])[:, None]
    recording = record(persons)
    np.testing.assert_array_equal(recording.xy, persons[:, 0, :, :2])
    assert recording.notes == ()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_anyone_is_refused(value: float) -> None:
    persons = np.stack([[person(100, 300), person(600, 300)]] * 3)
    persons[2, 0, 4, 1] = value
    with pytest.raises(InputError) as caught:
        record(persons)
    assert caught.value.frame == 2
    persons[2, 0, 4, 2] = 0
    assert record(persons).score.all()


CLIP = ClipFile(Path("a"))


@pytest.mark.parametrize(
    ("numbers", "expected", "note"),
    [
        ([], [], ""),
        ([7], [0], ""),
        ([7, 8, 9], [0, 1, 2], ""),
        ([0, 5, 10], [0, 1, 2], "5 apart"),
        ([3, 4, 6], [0, 1, 3], "1 of 4 frames missing (5)"),
        ([0, 3, 9], [0, 1, 3], "1 of 4 frames missing (6)"),
        ([*range(8), *range(16, 24)], [*range(8), *range(16, 24)], "(8, 9, 10, 11, 12, …)"),
    ],
)
def test_places_and_notes(numbers: list[int], expected: list[int], note: str) -> None:
    spread, notes = spread_in_time(CLIP, numbers, numbers, None)
    assert [place for place, number in enumerate(spread) if number is not None] == expected
    assert [number for number in spread if number is not None] == numbers
    assert note in " ".join(notes)
    assert bool(notes) == bool(note)


@pytest.mark.parametrize(("numbers", "frame"), [([1, 1], 1), ([1, 2, 0], 2), ([0, 1, 10**12], None)])
def test_what_is_no_clip(numbers: list[int], frame: int | None) -> None:
    with pytest.raises(InputError) as caught:
        spread_in_time(CLIP, numbers, numbers, None)
    assert caught.value.frame == frame


@given(st.sets(st.integers(-50, 10**6), min_size=1, max_size=20))
def test_time_is_kept(numbers: set[int]) -> None:
    rising = sorted(numbers)
    try:
        spread, _ = spread_in_time(CLIP, rising, rising, None)
    except InputError:
        return
    places = [place for place, number in enumerate(spread) if number is not None]
    assert (places[0], places[-1]) == (0, len(spread) - 1)
    assert len(spread) - len(places) <= MAX_MISSING * len(spread)
    for (a, b), (m, n) in zip(pairwise(places), pairwise(rising), strict=True):
        assert (b - a) * (rising[-1] - rising[0]) == (n - m) * places[-1]
