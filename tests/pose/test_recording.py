"""What a Recording accepts, what it refuses, and that it says where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinsign.errors import InputError
from twinsign.pose.layout import INDEX, JOINT_COUNT
from twinsign.pose.recording import Recording

FRAMES = 4


def parts(**change: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    xy, score = rng.random((FRAMES, JOINT_COUNT, 2)), rng.uniform(0.1, 1, (FRAMES, JOINT_COUNT))
    score[2, 5] = 0
    return {"id": "a", "xy": xy, "score": score, "source": "a.pose", **change}


def at(array: str, place: tuple[int, ...], value: float) -> dict[str, Any]:
    made = parts()
    made[array][place] = value
    return made


def test_unseen_joints_are_zero_and_the_rest_is_kept() -> None:
    made = parts()
    found = Recording(**made)
    assert (found.xy.dtype, found.score.dtype, found.seen.dtype) == (np.float32, np.float32, bool)
    assert not found.xy[2, 5].any()
    assert made["xy"][2, 5].all()
    assert found.seen.sum() == FRAMES * JOINT_COUNT - 1
    np.testing.assert_allclose(found.xy[found.seen], made["xy"][found.seen], rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_a_number(value: float) -> None:
    assert not Recording(**at("xy", (2, 5, 0), value)).xy[2, 5].any()
    for array, place in (("xy", (3, 7, 1)), ("score", (3, 7))):
        with pytest.raises(InputError) as caught:
            Recording(**at(array, place, value))
        assert (caught.value.file, caught.value.clip, caught.value.frame) == ("a.pose", "a", 3)


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (parts(xy=np.zeros((FRAMES, 48, 2))), "coordinates of shape (4, 48, 2)"),
        (parts(xy=np.zeros((FRAMES, JOINT_COUNT, 3))), "coordinates of shape (4, 49, 3)"),
        (parts(xy=np.zeros((FRAMES, JOINT_COUNT))), "coordinates of shape (4, 49)"),
        (parts(score=np.zeros((FRAMES + 1, JOINT_COUNT))), "scores of shape (5, 49)"),
        (parts(xy=np.zeros((0, JOINT_COUNT, 2)), score=np.zeros((0, JOINT_COUNT))), "0 frames"),
        (parts(unit="pixel"), "pixels without an image size"),
        (parts(size=(640, 0)), "image size (640, 0)"),
        (parts(fps=0.0), "0.0 frames a second"),
        (parts(fps=float("nan")), "nan frames a second"),
        (at("score", (1, 0), 1.5), "score 1.5"),
        (at("score", (1, 0), -0.5), "score -0.5"),
    ],
)
def test_refusals(made: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as caught:
        Recording(**made)
    assert caught.value.found == found
    assert (caught.value.file, caught.value.clip) == ("a.pose", "a")
    assert str(caught.value).startswith("a.pose, clip 'a'")
    assert found in str(caught.value)


def test_fractions() -> None:
    pixels = Recording(**parts(unit="pixel", size=(640, 480), fps=25.0))
    found = pixels.fractions()
    np.testing.assert_allclose(found.xy * [640, 480], pixels.xy, rtol=1e-6)
    assert (found.unit, found.size, found.fps, found.id) == ("fraction", (640, 480), 25.0, "a")
    assert found.fractions() is found


def test_by_name() -> None:
    points, score = np.full((FRAMES, 2), 0.25), np.ones(FRAMES)
    found = Recording.by_name("a", {"nose": (points, score), "left_hand_wrist": (points * 2, score * 0.5)}, fps=25.0)
    assert np.flatnonzero(found.seen[0]).tolist() == sorted([INDEX["nose"], INDEX["left_hand_wrist"]])
    assert found.xy[3, INDEX["left_hand_wrist"]].tolist() == [0.5, 0.5]
    assert found.score[3, INDEX["left_hand_wrist"]] == 0.5
    assert found.fps == 25.0


@pytest.mark.parametrize(
    ("joints", "found"),
    [
        ({"tail": (np.zeros((1, 2)), np.ones(1))}, "joint 'tail'"),
        ({"nose": (np.zeros((2, 2)), np.ones(1))}, "joint 'nose' of shapes (2, 2), (1,)"),
        (
            {"nose": (np.zeros((1, 2)), np.ones(1)), "left_wrist": (np.zeros((2, 2)), np.ones(2))},
            "joint 'nose' of shapes (1, 2), (1,)",
        ),
        ({}, "0 frames"),
    ],
)
def test_by_name_refuses(joints: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as caught:
        Recording.by_name("a", joints)
    assert (caught.value.found, caught.value.clip) == (found, "a")
