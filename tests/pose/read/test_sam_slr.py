"""SAM-SLR's arrays of 27 joints with their labels."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import published_formats
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.layout import INDEX, JOINTS, SAM_SLR
from twinsign.pose.read import open_set, read
from twinsign.pose.read.sam_slr import strip_padding

SIZE = published_formats.SIZE
NAMES = ["signer0_sample1", "signer0_sample2", "signer3_sample1"]
LABELS = [41, 0, 225]


def write(folder: Path, array: Any = None, labels: Any = (NAMES, LABELS), name: str = "train") -> Path:
    path = folder / f"{name}_data_joint.npy"
    np.save(path, published_formats.sam_slr(published_formats.signers(), 12) if array is None else array)
    if labels is not None:
        (folder / f"{name}_label.pkl").write_bytes(pickle.dumps(labels))
    return path


@pytest.mark.parametrize("repeat", [True, False])
def test_round_trip(tmp_path: Path, repeat: bool) -> None:
    ones = published_formats.signers()
    opened = open_set(write(tmp_path, published_formats.sam_slr(ones, 12, repeat)), size=SIZE, fps=25)
    assert opened.rows == [
        {"id": name, "gloss": str(label), "split": "train"} for name, label in zip(NAMES, LABELS, strict=True)
    ]
    assert opened.files == [tmp_path / "train_data_joint.npy", tmp_path / "train_label.pkl"]
    known = [name for name in JOINTS if published_formats.WHOLE_BODY[name] in published_formats.SAM_SLR]
    assert len(known) == 27
    columns, others = [INDEX[name] for name in known], [INDEX[name] for name in JOINTS if name not in known]
    for (found, row), one in zip(opened, ones, strict=True):
        assert (found.id, found.unit, found.size, found.fps) == (row["id"], "pixel", SIZE, 25)
        assert not found.seen[:, others].any()
        np.testing.assert_allclose(found.xy[:, columns], published_formats.in_pixels(one).xy[:, columns], rtol=1e-6)
        np.testing.assert_array_equal(found.score[:, columns], one.score[:, columns])


def test_the_order_of_the_27() -> None:
    assert [published_formats.WHOLE_BODY[JOINTS[joint]] for joint in SAM_SLR] == list(published_formats.SAM_SLR)


def test_without_labels_ids_are_numbers(tmp_path: Path) -> None:
    opened = open_set(write(tmp_path, labels=None, name="autsl"), size=SIZE)
    assert [row["id"] for row in opened.rows] == [f"autsl_data_joint_0000{n}" for n in range(3)]
    assert "autsl_label.pkl" in opened.notes[0]
    assert "split" not in opened.rows[0]


def test_labels_may_be_arrays(tmp_path: Path) -> None:
    opened = open_set(write(tmp_path, labels=[np.array(NAMES), np.array(LABELS)]), size=SIZE)
    assert [row["gloss"] for row in opened.rows] == ["41", "0", "225"]


@given(st.integers(1, 6), st.integers(1, 20), st.booleans())
def test_filling_is_found(frames: int, total: int, repeat: bool) -> None:
    clip = np.random.default_rng(frames).random((frames, 2, 3)).astype(np.float32)
    filled = np.zeros((total, 2, 3), np.float32)
    for t in range(total):
        if repeat or t < frames:
            filled[t] = clip[t % frames]
    np.testing.assert_array_equal(strip_padding(filled), clip[: min(frames, total)])


def test_a_clip_that_returns_is_not_cut() -> None:
    clip = np.random.default_rng(0).random((6, 2, 3)).astype(np.float32)
    clip[3] = clip[0]
    np.testing.assert_array_equal(strip_padding(clip), clip)
    assert len(strip_padding(np.zeros((4, 2, 3), np.float32))) == 1


def test_a_clip_without_anyone(tmp_path: Path) -> None:
    array = published_formats.sam_slr(published_formats.signers(), 12)
    array[1] = 0
    found = open_set(write(tmp_path, array), size=SIZE).clip(1)
    assert (len(found.xy), bool(found.seen.any())) == (1, False)


def test_several_persons(tmp_path: Path) -> None:
    array = published_formats.sam_slr(published_formats.signers(), 5)
    both = np.concatenate([array * np.float32([0.2, 0.2, 1])[:, None, None, None], array], axis=-1)
    found = open_set(write(tmp_path, both), size=SIZE).clip(0)
    alone = open_set(write(tmp_path, array), size=SIZE).clip(0)
    np.testing.assert_array_equal(found.xy, alone.xy)
    assert "followed person 2 of 2" in found.notes[0]


def test_pixels_need_a_size(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--size"):
        open_set(write(tmp_path)).clip(0)


def test_a_bad_clip_loses_no_other(tmp_path: Path) -> None:
    array = published_formats.sam_slr(published_formats.signers(), 5)
    array[1, 0, 2] = np.nan
    opened = open_set(write(tmp_path, array), size=SIZE)
    assert len(opened.clip(2).xy) == 4
    with pytest.raises(InputError, match="frame 2: found NaN") as caught:
        opened.clip(1)
    assert caught.value.clip == NAMES[1]


@pytest.mark.parametrize(
    "shape",
    [(3, 12, 27, 3, 1), (3, 2, 12, 27, 1), (3, 3, 12, 25, 1), (3, 3, 12, 27), (0, 3, 12, 27, 1), (3, 3, 0, 27, 1)],
)
def test_other_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="shape"):
        open_set(write(tmp_path, np.zeros(shape, np.float32)))


@pytest.mark.parametrize("name", ["train_data_bone", "train_data_joint_motion", "val_data_bone_motion"])
def test_differences_are_no_joints(tmp_path: Path, name: str) -> None:
    write(tmp_path).rename(tmp_path / f"{name}.npy")
    with pytest.raises(InputError, match="differences"):
        open_set(tmp_path / f"{name}.npy")


@pytest.mark.parametrize(
    "labels",
    [NAMES, (NAMES, LABELS[:2]), (NAMES[:2], LABELS[:2]), ("abc", LABELS), {"a": 1, "b": 2}, (NAMES[:2] * 2, LABELS)],
)
def test_bad_labels(tmp_path: Path, labels: Any) -> None:
    with pytest.raises(InputError):
        open_set(write(tmp_path, labels=labels))


def test_names_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="used twice"):
        open_set(write(tmp_path, labels=(["a", "b", "a"], LABELS)))


def test_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="decoded"):
        open_set(tmp_path / "a.npy")
    with pytest.raises(InputError, match="asks for"):
        open_set(write(tmp_path, labels=(Path("x"), LABELS)))


def test_a_lying_header_allocates_nothing(tmp_path: Path) -> None:
    path = write(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"(3, 3, 12, 27, 1)", b"(3, 3, 9**9, 7, 1)"[:17]))
    with pytest.raises(InputError):
        open_set(path)
    path.write_bytes(data.replace(b"(3, 3, 12, 27, 1), }", b"(900000,3,12,27,1),}"))
    with pytest.raises(InputError, match=r"whole \.npy"):
        open_set(path)


def test_one_clip_is_not_a_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pack set"):
        read(write(tmp_path))
