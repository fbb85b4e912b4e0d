"""Coordinates that are not what they are taken for: fractions and pixels, width and height."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twinsign.errors import InputError
from twinsign.pose.layout import HANDS, INDEX, OFTEN_UNSEEN
from twinsign.pose.plausible import MEDIANS, check_plausible
from twinsign.pose.read import open_landmarks, read, write_npz
from twinsign.pose.recording import FloatArray, Recording

SIZE = (1280, 720)


def fractions(person: FloatArray, scale: float | tuple[float, float] = 1) -> Recording:
    return Recording("a", person[..., :2] * np.float32(scale), np.ones(person.shape[:2]))


def pixels(person: FloatArray, scale: float | tuple[float, float], size: tuple[int, int] = SIZE) -> Recording:
    return Recording("a", person[..., :2] * np.float32(scale), np.ones(person.shape[:2]), "pixel", size)


def test_fractions_and_pixels_pass(person: FloatArray) -> None:
    for one in (fractions(person), pixels(person, SIZE), pixels(person, (30, 20), (30, 20))):
        assert check_plausible(one, insisted=False) is one


@pytest.mark.parametrize("scale", [SIZE, (300, 300), (3, 3)])
def test_pixels_as_fractions(person: FloatArray, scale: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="--unit pixel --size"):
        check_plausible(fractions(person, scale), insisted=False)
    assert check_plausible(fractions(person, scale), insisted=True).unit == "fraction"


def test_fractions_as_pixels(person: FloatArray) -> None:
    with pytest.raises(InputError, match="--unit fraction"):
        check_plausible(pixels(person, 1), insisted=False)
    assert check_plausible(pixels(person, 1), insisted=True).unit == "pixel"


def test_places_around_a_joint(person: FloatArray) -> None:
    person[..., 0] -= 0.8
    with pytest.raises(InputError, match="around a joint"):
        check_plausible(fractions(person), insisted=False)


def test_the_size_of_another_video(person: FloatArray) -> None:
    with pytest.raises(InputError, match="256 x 256"):
        check_plausible(pixels(person, SIZE, (256, 256)), insisted=True)


def test_width_and_height_exchanged(person: FloatArray) -> None:
    for size in (SIZE, SIZE[::-1]):
        assert check_plausible(pixels(person, size, size), insisted=False)
        with pytest.raises(InputError, match=f"--size {size[0]}x{size[1]}"):
            check_plausible(pixels(person, size, size[::-1]), insisted=False)


def test_hidden_elbows_are_no_exchange(person: FloatArray) -> None:
    person[:, list(OFTEN_UNSEEN), 1] += 1.5
    assert check_plausible(pixels(person, SIZE), insisted=False)


def test_guesses_below_the_picture_are_no_pixels(person: FloatArray) -> None:
    """A face before a webcam: shoulders and arms are guessed, hands are seen in a few frames or never."""
    guessed = person.copy()
    guessed[:, INDEX["nose"] + 1 :, 1] = 1.4
    for frames in (0, 2):
        score = np.ones(person.shape[:2], np.float32)
        score[frames:, HANDS] = 0
        one = Recording("a", guessed[..., :2], score)
        assert check_plausible(one, insisted=False) is one
        assert check_plausible(
            Recording("a", guessed[..., :2] * np.float32(SIZE), score, "pixel", SIZE), insisted=False
        )
        with pytest.raises(InputError, match="--unit pixel"):
            check_plausible(Recording("a", guessed[..., :2] * np.float32(SIZE), score), insisted=False)
        with pytest.raises(InputError, match="--unit fraction"):
            check_plausible(Recording("a", 0.5 * guessed[..., :2], score, "pixel", SIZE), insisted=False)


def test_nothing_seen_is_nothing_wrong(person: FloatArray) -> None:
    assert check_plausible(Recording("a", person[..., :2] * 0 + 9e9, np.zeros(person.shape[:2])), insisted=False)


def test_the_readers_check(tmp_path: Path, person: FloatArray, refused: Callable[[Path], InputError]) -> None:
    write_npz(fractions(person, SIZE), tmp_path / "a.npz")
    assert "medians" in refused(tmp_path / "a.npz").found
    recording = read(tmp_path / "a.npz", size=SIZE, unit="pixel")
    np.testing.assert_allclose(recording.fractions().xy, person[..., :2], rtol=1e-6)
    np.savez(tmp_path / "b.npz", keypoints=np.full((2, 133, 3), 0.5))
    assert "--unit fraction" in refused(tmp_path / "b.npz").hint
    assert read(tmp_path / "b.npz", unit="fraction").unit == "fraction"


@pytest.mark.parametrize("name", ["wlasl300_hands", "wlasl_body_hands", "webcam"])
def test_real_clips_are_plausible_in_any_shape_of_image(data_dir: Path, name: str) -> None:
    opened = open_landmarks(data_dir / f"{name}.npz")
    numbers = range(0, len(opened), max(len(opened) // 300, 1))
    wrong = found = 0
    for number in numbers:
        one = opened.clip(number)
        if not one.seen.any():
            continue
        medians = np.median(one.xy[one.seen], axis=0)
        assert (medians > MEDIANS[0]).all()
        assert (medians < MEDIANS[1]).all()
        for size in ((640, 480), (1280, 720), (480, 640), (720, 1280)):
            turned = Recording("a", one.xy * np.float32(size), one.score, "pixel", size)
            try:
                check_plausible(turned, insisted=False)
            except InputError:
                wrong += 1
        try:
            check_plausible(
                Recording("a", one.xy * np.float32((720, 1280)), one.score, "pixel", (1280, 720)), insisted=False
            )
        except InputError:
            found += 1
    assert wrong <= 4
    assert found > 0.3 * len(numbers)


def test_elbows_and_wrists_are_often_unseen() -> None:
    assert {INDEX["left_elbow"], INDEX["right_wrist"]} <= set(OFTEN_UNSEEN)
    assert len(OFTEN_UNSEEN) == 4
