from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twinsign.datasets.folder import folder_corpus
from twinsign.errors import InputError
from twinsign.pose.layout import HANDS, INDEX, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.read import read
from twinsign.pose.recording import FloatArray, Recording

Refused = Callable[[Path], InputError]
# MediaPipe's numbers of a few points, written out here so that a slip in the layout's table shows.
TRUNK_CHECKED = {"nose": 0, "left_shoulder": 11, "right_shoulder": 12, "left_wrist": 15, "right_elbow": 14}


@pytest.fixture
def parts() -> dict[str, FloatArray]:
    rng = np.random.default_rng(0)
    shapes = {"pose": (5, 33, 4), "left_hand": (5, 21, 3), "right_hand": (5, 21, 3)}
    return {name: rng.uniform(0.1, 0.9, shape).astype(np.float32) for name, shape in shapes.items()}


def check(recording: Recording, parts: dict[str, FloatArray], *, visibility: bool = True) -> None:
    assert recording.unit == "fraction"
    for joint, number in TRUNK_CHECKED.items():
        np.testing.assert_array_equal(recording.xy[:, INDEX[joint]], parts["pose"][:, number, :2])
        expected = parts["pose"][:, number, 3] if visibility else np.ones(5)
        np.testing.assert_array_equal(recording.score[:, INDEX[joint]], expected)
    np.testing.assert_array_equal(recording.xy[:, LEFT_HAND], parts["left_hand"][..., :2])
    np.testing.assert_array_equal(recording.xy[:, RIGHT_HAND], parts["right_hand"][..., :2])
    np.testing.assert_array_equal(recording.score[:, HANDS], 1)


def test_parts(tmp_path: Path, parts: dict[str, FloatArray]) -> None:
    np.savez(tmp_path / "a.npz", **parts, fps=30.0, size=[640, 480])
    recording = read(tmp_path / "a.npz")
    check(recording, parts)
    assert (recording.fps, recording.size) == (30, (640, 480))


@pytest.mark.parametrize("columns", [2, 3])
def test_parts_without_visibility(tmp_path: Path, parts: dict[str, FloatArray], columns: int) -> None:
    np.savez(tmp_path / "a.npz", **{name: part[..., :columns] for name, part in parts.items()})
    check(read(tmp_path / "a.npz"), parts, visibility=False)


@pytest.mark.parametrize("faces", [True, False])
@pytest.mark.parametrize("columns", [2, 3, 4])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_one_array(tmp_path: Path, parts: dict[str, FloatArray], faces: bool, columns: int, suffix: str) -> None:
    four = {name: np.pad(part, [(0, 0), (0, 0), (0, 4 - part.shape[2])]) for name, part in parts.items()}
    face = np.full((5, 468, 4), np.nan, np.float32)
    names = ["face", "left_hand", "pose", "right_hand"] if faces else ["pose", "left_hand", "right_hand"]
    whole = np.concatenate([{**four, "face": face}[name] for name in names], axis=1)[..., :columns]
    path = tmp_path / f"a{suffix}"
    np.save(path, whole) if suffix == ".npy" else np.savez(path, landmarks=whole)
    check(read(path), parts, visibility=columns == 4)


@pytest.mark.parametrize("value", [0, np.nan])
def test_a_part_that_is_all_zero_or_nan_was_not_found(
    tmp_path: Path, parts: dict[str, FloatArray], value: float
) -> None:
    parts["left_hand"][1] = value
    parts["pose"][2] = value
    np.savez(tmp_path / "a.npz", **parts)
    recording = read(tmp_path / "a.npz")
    assert recording.seen[:, LEFT_HAND].all(axis=1).tolist() == [True, False, True, True, True]
    assert recording.seen[:, TRUNK].all(axis=1).tolist() == [True, True, False, True, True]
    assert not recording.xy[1, LEFT_HAND].any()
    assert recording.seen[:, RIGHT_HAND].all()


def test_a_part_may_be_absent(tmp_path: Path, parts: dict[str, FloatArray]) -> None:
    np.savez(tmp_path / "a.npz", right_hand=parts["right_hand"])
    recording = read(tmp_path / "a.npz")
    assert recording.seen[:, RIGHT_HAND].all()
    assert recording.seen.sum() == 5 * 21


@pytest.mark.parametrize(("part", "column"), [("left_hand", 0), ("pose", 1), ("pose", 3)])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_in_a_found_part(
    tmp_path: Path, parts: dict[str, FloatArray], refused: Refused, part: str, column: int, value: float
) -> None:
    parts[part][3, 0, column] = value
    np.savez(tmp_path / "a.npz", **parts)
    assert refused(tmp_path / "a.npz").frame == 3


def bad() -> dict[str, dict[str, Any]]:
    return {
        "wrong joints": {"pose": np.zeros((2, 25, 3))},
        "wrong hand": {"left_hand": np.zeros((2, 20, 3))},
        "wrong columns": {"left_hand": np.zeros((2, 21, 4))},
        "one column": {"pose": np.zeros((2, 33, 1))},
        "no frames axis": {"pose": np.zeros((33, 3))},
        "frames differ": {"pose": np.zeros((2, 33, 3)), "left_hand": np.zeros((3, 21, 3))},
        "zero frames": {"pose": np.zeros((0, 33, 3))},
        "text": {"pose": np.full((2, 33, 3), "a")},
        "wrong whole": {"landmarks": np.zeros((2, 553, 3))},
        "two wholes": {"a": np.zeros((2, 75, 3)), "b": np.zeros((2, 543, 3))},
        "five columns": {"a": np.zeros((2, 75, 5))},
        "nothing": {},
        "flat": {"a": np.zeros((2, 75 * 3 + 1))},
        "one frame": {"a": np.zeros(258)},
        "hands of other names": {"pose": np.zeros((2, 33, 3)), "lhand": np.zeros((2, 21, 3))},
        "hands alone of other names": {"lhand": np.zeros((2, 21, 3))},
        "no visibility": {"a": np.full((2, 258), 5.0)},
    }


@pytest.mark.parametrize("name", bad())
def test_bad_arrays(tmp_path: Path, refused: Refused, name: str) -> None:
    np.savez(tmp_path / "a.npz", **bad()[name])
    refused(tmp_path / "a.npz")


def test_truncated_and_empty(tmp_path: Path, parts: dict[str, FloatArray], refused: Refused) -> None:
    np.savez_compressed(tmp_path / "a.npz", **parts)
    np.save(tmp_path / "b.npy", np.zeros((2, 75, 3)))
    for path in (tmp_path / "a.npz", tmp_path / "b.npy"):
        whole = path.read_bytes()
        for length in (0, 1, 10, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            refused(path)


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path, refused: Refused) -> None:
    np.savez(tmp_path / "a.npz", pose=np.array([{}], dtype=object))
    assert "pickle" in refused(tmp_path / "a.npz").found


def test_a_lying_header_allocates_nothing(tmp_path: Path, refused: Refused) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (10**13, 75, 3)})
    (tmp_path / "a.npy").write_bytes(stream.getvalue() + b"abcd")
    refused(tmp_path / "a.npy")


@given(
    hnp.arrays(
        hnp.floating_dtypes(endianness="=") | hnp.integer_dtypes() | hnp.boolean_dtypes() | hnp.complex_number_dtypes(),
        st.tuples(st.integers(0, 2), st.sampled_from([21, 33, 75, 133]), st.integers(0, 5)),
        fill=st.nothing() | st.just(0),
    )
)
def test_random_arrays_raise_only_input_errors(hostile: Callable[[str, bytes], None], array: Any) -> None:
    stream = io.BytesIO()
    np.save(stream, array)
    hostile("a.npy", stream.getvalue())
    stream = io.BytesIO()
    np.savez(stream, pose=array)
    hostile("a.npz", stream.getvalue())


@given(st.data())
def test_damaged_archives_raise_only_input_errors(hostile: Callable[[str, bytes], None], data: st.DataObject) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, left_hand=np.ones((2, 21, 2)))
    whole = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    hostile("a.npz", bytes(whole))


def unrolled(parts: dict[str, FloatArray], *order: tuple[str, int]) -> FloatArray:
    """A frame's numbers in a row: parts one after the other, so many columns of each point."""
    given = {**parts, "face": np.full((5, 468, 3), 0.4, np.float32)}
    widened = {name: np.pad(part, [(0, 0), (0, 0), (0, 4 - part.shape[2])]) for name, part in given.items()}
    return np.concatenate([widened[name][..., :columns].reshape(5, -1) for name, columns in order], axis=1)


HANDS_3 = (("left_hand", 3), ("right_hand", 3))
ROWS: dict[int, tuple[tuple[str, int], ...]] = {
    1662: (("pose", 4), ("face", 3), *HANDS_3),
    258: (("pose", 4), *HANDS_3),
    225: (("pose", 3), *HANDS_3),
    150: (("pose", 2), ("left_hand", 2), ("right_hand", 2)),
    2172: (("face", 4), ("left_hand", 4), ("pose", 4), ("right_hand", 4)),
}


@pytest.mark.parametrize("numbers", ROWS)
def test_a_row_of_numbers_a_frame(tmp_path: Path, parts: dict[str, FloatArray], numbers: int) -> None:
    rows = unrolled(parts, *ROWS[numbers])
    assert rows.shape == (5, numbers)
    np.save(tmp_path / "a.npy", rows)
    found = read(tmp_path / "a.npy")
    check(found, parts, visibility=dict(ROWS[numbers])["pose"] == 4)
    assert found.notes[0].startswith(f"{numbers} numbers a frame taken as")


def test_a_row_of_both_hands(tmp_path: Path, parts: dict[str, FloatArray]) -> None:
    np.save(tmp_path / "a.npy", unrolled(parts, *HANDS_3))
    found = read(tmp_path / "a.npy")
    np.testing.assert_array_equal(found.xy[:, LEFT_HAND], parts["left_hand"][..., :2])
    np.testing.assert_array_equal(found.xy[:, RIGHT_HAND], parts["right_hand"][..., :2])
    assert not found.seen[:, TRUNK].any()


def test_a_column_of_visibilities_that_are_all_unknown_is_none(tmp_path: Path, parts: dict[str, FloatArray]) -> None:
    parts["pose"][..., 3] = np.nan
    np.save(tmp_path / "a.npy", unrolled(parts, *ROWS[258]))
    check(read(tmp_path / "a.npy"), parts, visibility=False)


def test_openhands(tmp_path: Path, parts: dict[str, FloatArray]) -> None:
    points = np.concatenate([part[..., :3] for part in parts.values()], axis=1)
    confidences = np.concatenate([parts["pose"][..., 3], np.ones((5, 42), np.float32)], axis=1)
    points[2, 33:54] = 0
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"keypoints": points, "confidences": confidences}))
    found = read(tmp_path / "a.pkl")
    assert not found.seen[2, LEFT_HAND].any()
    assert found.seen[2, RIGHT_HAND].all()
    np.testing.assert_array_equal(found.score[:, INDEX["left_wrist"]], parts["pose"][:, 15, 3])
    np.savez(tmp_path / "a.npz", keypoints=points, confidences=confidences)
    np.testing.assert_array_equal(read(tmp_path / "a.npz").score, found.score)
    (tmp_path / "b.pkl").write_bytes(pickle.dumps({"keypoints": points}))
    assert read(tmp_path / "b.pkl").seen[2, RIGHT_HAND].all()
    (tmp_path / "c.pkl").write_bytes(pickle.dumps({"keypoints": points, "confidences": confidences[:, :-1]}))
    with pytest.raises(InputError, match=r"confidences of shape \(5, 74\)"):
        read(tmp_path / "c.pkl")


def frames(folder: Path, rows: FloatArray, *numbers: int) -> Path:
    folder.mkdir(parents=True)
    for number, row in zip(numbers, rows, strict=True):
        np.save(folder / f"{number}.npy", row)
    return folder


def test_a_folder_of_numbered_rows_is_a_clip(tmp_path: Path, parts: dict[str, FloatArray]) -> None:
    rows = unrolled(parts, *ROWS[258])
    check(read(frames(tmp_path / "tea" / "0", rows, 8, 9, 10, 11, 12)), parts)
    gap = read(frames(tmp_path / "tea" / "1", rows, 0, 1, 2, 4, 5))
    assert gap.seen.any(axis=1).tolist() == [True, True, True, False, True, True]
    assert any("1 of 6 frames missing (3)" in note for note in gap.notes)
    frames(tmp_path / "milk" / "0", rows, *range(5))
    corpus = folder_corpus(tmp_path)
    assert [(sample.id, sample.row["gloss"]) for sample in corpus.samples] == [
        ("milk/0", "milk"),
        ("tea/0", "tea"),
        ("tea/1", "tea"),
    ]
    np.save(tmp_path / "tea" / "0" / "12.npy", rows[0, :-1])
    with pytest.raises(InputError, match="frames of 257 and 258 numbers"):
        read(tmp_path / "tea" / "0")
    np.save(tmp_path / "tea" / "0" / "12.npy", rows)
    with pytest.raises(InputError, match=r"12.npy.*an array of shape \(5, 258\)"):
        read(tmp_path / "tea" / "0")


def test_numbered_clips_are_no_frames(tmp_path: Path, parts: dict[str, FloatArray]) -> None:
    (tmp_path / "tea").mkdir()
    for number in range(3):
        np.save(tmp_path / "tea" / f"{number}.npy", unrolled(parts, *ROWS[258]))
    assert [sample.id for sample in folder_corpus(tmp_path).samples] == ["tea/0", "tea/1", "tea/2"]
