from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.layout import INDEX
from twinsign.pose.read import read

SIZE = (200, 100)
BODY, LEFT, RIGHT = "pose_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"
COUNTS = {BODY: 25, LEFT: 21, RIGHT: 21}
# OpenPose's numbers of a few points, written out here so that a slip in the layout's table shows.
CHECKED = {
    "nose": (BODY, 0),
    "right_shoulder": (BODY, 2),
    "right_wrist": (BODY, 4),
    "left_shoulder": (BODY, 5),
    "left_wrist": (BODY, 7),
    "left_hand_wrist": (LEFT, 0),
    "left_hand_index_4": (LEFT, 8),
    "right_hand_little_4": (RIGHT, 20),
}


def person(seed: int) -> dict[str, list[float]]:
    rng = np.random.default_rng(seed)
    return {name: (rng.uniform(0.1, 1, (n, 3)) * [*SIZE, 1]).reshape(-1).tolist() for name, n in COUNTS.items()}


def write(folder: Path, number: object, people: Any) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"clip2_{number}_keypoints.json"
    path.write_text(json.dumps({"version": 1.3, "people": people}))
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return tmp_path / "hello"


@pytest.fixture
def refused_here(clip: Path) -> Callable[[], InputError]:
    def check() -> InputError:
        with pytest.raises(InputError) as caught:
            read(clip, size=SIZE)
        assert str(caught.value.file).startswith(str(clip))
        assert caught.value.clip == "hello"
        return caught.value

    return check


def test_frames_in_numeric_order(clip: Path) -> None:
    persons = {number: person(seed) for number, seed in ((8, 2), (10, 10), (9, 9), (11, 100))}
    for number, each in persons.items():
        write(clip, number, [each])
    recording = read(clip, size=SIZE, fps=50)
    assert (recording.id, recording.unit, recording.size, recording.fps) == ("hello", "pixel", SIZE, 50)
    for t, number in enumerate((8, 9, 10, 11)):
        for joint, (part, point) in CHECKED.items():
            values = np.reshape(persons[number][part], (-1, 3))[point]
            np.testing.assert_allclose(recording.xy[t, INDEX[joint]], values[:2], rtol=1e-6)
            np.testing.assert_allclose(recording.score[t, INDEX[joint]], values[2], rtol=1e-6)


def test_a_frame_without_a_person_has_nothing_seen(clip: Path) -> None:
    for number, people in enumerate(([person(1)], [], [{name: [0] * 3 * n for name, n in COUNTS.items()}])):
        write(clip, f"{number:012}", people)
    assert read(clip, size=SIZE).seen.any(axis=1).tolist() == [True, False, False]


def test_missing_frames_are_unseen_ones(clip: Path) -> None:
    for number in (4, 5, 8):
        write(clip, number, [person(number)])
    recording = read(clip, size=SIZE)
    assert recording.seen.any(axis=1).tolist() == [True, True, False, False, True]
    assert recording.notes == ("2 of 5 frames missing (6, 7): nothing seen there",)


def test_every_second_frame_is_no_gap(clip: Path) -> None:
    for number in (4, 6, 8):
        write(clip, number, [person(number)])
    recording = read(clip, size=SIZE)
    assert recording.seen.any(axis=1).tolist() == [True] * 3
    assert "2 apart" in recording.notes[0]


def test_a_folder_of_leaps_is_refused(clip: Path, refused_here: Callable[[], InputError]) -> None:
    for number in (2, 9, 10, 100):
        write(clip, number, [person(number)])
    assert "95 are missing" in str(refused_here())


def test_parts_may_be_absent_or_empty(clip: Path) -> None:
    write(clip, 0, [{BODY: person(1)[BODY], LEFT: []}])
    seen = read(clip, size=SIZE).seen[0]
    assert seen[INDEX["nose"]]
    assert seen.sum() == 7


def test_the_signer_is_followed(clip: Path) -> None:
    signer, other = person(1), person(2)
    for part in COUNTS:
        other[part] = (np.reshape(other[part], (-1, 3)) * [0.1, 0.1, 1] + [180, 80, 0]).reshape(-1).tolist()
    for number in range(4):
        write(clip, number, [signer, other] if number % 2 else [other, signer])
    recording = read(clip, size=SIZE)
    np.testing.assert_allclose(recording.xy[:, INDEX["nose"]], [signer[BODY][:2]] * 4, rtol=1e-6)
    (note,) = recording.notes
    assert note.startswith("several persons in 4 of 4 frames: followed person ")
    assert note.endswith("through 4 frames")


def test_pixels_need_a_size(clip: Path) -> None:
    write(clip, 0, [person(1)])
    with pytest.raises(InputError, match=r"size=\(width, height\)"):
        read(clip)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_and_infinity_name_the_frame_and_file(
    clip: Path, refused_here: Callable[[], InputError], value: float
) -> None:
    bad = person(1)
    bad[RIGHT][1] = value
    write(clip, 0, [person(1)])
    path = write(clip, 1, [bad])
    error = refused_here()
    assert (error.frame, error.file) == (1, path)


@pytest.mark.parametrize(
    "people",
    [None, 3, [3], {}, [{BODY: [1] * 57}], [{LEFT: [1] * 62}], [{BODY: "abc"}], [{BODY: [[1, 2, 3]] * 25}]],
    ids=str,
)
def test_bad_people(clip: Path, refused_here: Callable[[], InputError], people: object) -> None:
    path = write(clip, 0, people)
    assert refused_here().file == path


def test_keys_of_before_version_1_2(clip: Path) -> None:
    whole = person(3)
    old = {name.removesuffix("_2d"): values for name, values in whole.items()}
    old["pose_keypoints"] = old["pose_keypoints"][: 3 * 18]  # the 18 points of COCO begin as BODY_25 does
    for number, each in enumerate((whole, old)):
        write(clip, number, [each])
    new, same = read(clip, size=SIZE).xy
    np.testing.assert_array_equal(new, same)


@pytest.mark.parametrize(
    "people",
    [
        {"keypoints": [1.0] * 75},
        {"pose_keypoints_3d": [1.0] * 100, BODY: [], LEFT: [], RIGHT: []},
        {"body_keypoints_2d": [1.0] * 75},
        {"lefthand_keypoints_2d": [1.0] * 63, BODY: [1.0] * 75},
        {},
    ],
    ids=range(5),
)
def test_keys_that_nobody_knows_are_named(
    clip: Path, refused_here: Callable[[], InputError], people: dict[str, Any]
) -> None:
    write(clip, 0, [people])
    given = [key for key, value in people.items() if value] or ["(none)"]
    assert refused_here().found.startswith(f"a person with {given[0]}")
    assert BODY in refused_here().wanted


def test_empty_folders_and_folders_of_clips_say_so_before_any_size_is_asked_for(clip: Path) -> None:
    clip.mkdir()
    with pytest.raises(InputError, match="an empty folder"):
        read(clip)
    (clip / "a.pose").write_bytes(b"")
    with pytest.raises(InputError, match=r"a folder that is not one clip.*Name the files in it"):
        read(clip)


def test_bad_folders(clip: Path, refused_here: Callable[[], InputError]) -> None:
    clip.mkdir()
    assert refused_here().found == "an empty folder"
    whole = write(clip, 7, [person(1)]).read_bytes()
    for data in (b"", whole[:-2], b"[]"):
        (clip / "clip2_8_keypoints.json").write_bytes(data)
        assert refused_here().file == clip / "clip2_8_keypoints.json"
    (clip / "clip2_8_keypoints.json").unlink()
    (clip / "other_7_keypoints.json").write_bytes(whole)
    assert "same frame number" in refused_here().found
    (clip / "other_7_keypoints.json").rename(clip / "meta.json")
    assert "meta.json" in refused_here().found


NUMBERS = st.floats(width=64) | st.integers(-1000, 1000)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(list(COUNTS)),
            st.tuples(NUMBERS, NUMBERS, NUMBERS).map(lambda xyc: list(xyc) * 21)
            | st.none()
            | st.lists(NUMBERS, max_size=4),
        )
        | st.none(),
        max_size=3,
    )
)
def test_random_people_raise_only_input_errors(hostile: Callable[[str, bytes], None], people: object) -> None:
    hostile("people/a_1.json", json.dumps({"people": people}).encode())


@given(st.binary(max_size=60))
def test_random_bytes_raise_only_input_errors(hostile: Callable[[str, bytes], None], data: bytes) -> None:
    hostile("bytes/a_1.json", data)
