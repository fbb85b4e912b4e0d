"""Who is followed among several persons, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twinsign.errors import InputError
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.read.signer import follow, signer_of
from twinsign.pose.recording import FloatArray

SIZE = (1280, 720)
SHAPE = np.random.default_rng(0).uniform(-1, 1, (JOINT_COUNT, 2))


def person(x: float, y: float, radius: float = 150, score: float = 1) -> FloatArray:
    joints = np.column_stack([SHAPE * radius + [x, y], np.full(JOINT_COUNT, score)])
    return joints.astype(np.float32)


NOBODY = np.zeros((JOINT_COUNT, 3), np.float32)


def test_one_person_is_no_news() -> None:
    track = follow([[person(600, 300)], [], [NOBODY, person(610, 300)]], SIZE)
    assert track.notes == ()
    assert track.score.any(axis=1).tolist() == [True, False, True]
    assert (track.xy.shape, track.score.shape) == ((3, JOINT_COUNT, 2), (3, JOINT_COUNT))
    assert follow([[], [NOBODY]], SIZE).notes == ()


def test_the_note_says_who_and_where() -> None:
    other = person(1200, 300, 60)
    frames = [[other, NOBODY, person(600 + t, 300, 150 + t)] for t in range(4)]
    frames[1] = [person(601, 300)]
    track = follow(frames, SIZE)
    np.testing.assert_array_equal(track.joints[3], frames[3][2])
    assert track.notes == ("several persons in 3 of 4 frames: followed person 3 of 3 in frame 0 through 4 frames",)


def test_frames_that_show_only_someone_else_are_told() -> None:
    frames = [[person(600, 300)], [person(100, 300, 60)], [person(600, 310)]]
    track = follow(frames, SIZE)
    assert track.score.any(axis=1).tolist() == [True, False, True]
    assert track.notes[0].endswith("through 2 frames, not found in 1 frames that show someone")


def test_a_single_person_may_leap() -> None:
    persons = np.stack([person(100, 300), person(1200, 300)])[:, None]
    track = signer_of(ClipFile(Path("a")), persons, SIZE)
    np.testing.assert_array_equal(track.joints, persons[:, 0])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_anyone_is_refused(value: float) -> None:
    persons = np.stack([[person(100, 300), person(600, 300)]] * 3)
    persons[2, 0, 4, 1] = value
    with pytest.raises(InputError) as caught:
        signer_of(ClipFile(Path("a")), persons, SIZE)
    assert caught.value.frame == 2
    persons[2, 0, 4, 2] = 0
    assert signer_of(ClipFile(Path("a")), persons, SIZE).score.all()
