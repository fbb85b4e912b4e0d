from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.layout import HANDS, JOINT_COUNT, TRUNK
from twinsign.pose.read import open_landmarks, read

LENGTHS = (3, 1, 4)
ROWS = [{"id": "00414", "gloss": "about"}, {"id": "b", "gloss": "ü, ö"}, {"id": "c", "gloss": ""}]
Content = dict[str, Any]


@pytest.fixture
def content() -> Content:
    rng = np.random.default_rng(0)
    frames = sum(LENGTHS)
    seen = rng.random((frames, JOINT_COUNT)) < 0.7
    xy = rng.uniform(-0.5, 1.5, (frames, JOINT_COUNT, 2)) * seen[..., None]
    return {
        "xy": xy.astype(np.float16),
        "seen": np.packbits(seen, axis=1),
        "offsets": np.cumsum([0, *LENGTHS]),
        "bits": seen,
    }


def write(folder: Path, content: Content, rows: list[dict[str, str]] | str = ROWS) -> Path:
    path = folder / "set.npz"
    np.savez_compressed(path, **{name: array for name, array in content.items() if name != "bits"})
    if isinstance(rows, str):
        path.with_suffix(".csv").write_text(rows, encoding="utf-8")
    else:
        with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        open_landmarks(path)
    assert str(caught.value.file).startswith(str(path.with_suffix("")))
    return caught.value


def test_clips_and_rows(tmp_path: Path, content: Content) -> None:
    opened = open_landmarks(write(tmp_path, content))
    assert len(opened) == 3
    assert opened.rows == ROWS
    assert opened.offsets.tolist() == [0, 3, 4, 8]
    for number, (recording, row) in enumerate(opened):
        frames = slice(*content["offsets"][number : number + 2])
        assert (recording.id, recording.unit, recording.size, recording.fps) == (row["id"], "fraction", None, None)
        np.testing.assert_array_equal(recording.seen, content["bits"][frames])
        np.testing.assert_array_equal(recording.xy, content["xy"][frames].astype(np.float32))
    with pytest.raises(IndexError):
        opened.clip(3)


def test_a_byte_order_mark_and_id_alone(tmp_path: Path, content: Content) -> None:
    opened = open_landmarks(write(tmp_path, content, "\ufeffid\r\n1\r\n2\r\n3\r\n"))
    assert [row["id"] for row in opened.rows] == ["1", "2", "3"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_clip_loses_no_other(tmp_path: Path, content: Content, value: float) -> None:
    frame, joint = 6, int(np.flatnonzero(content["bits"][6])[0])
    content["xy"][frame, joint, 1] = value
    content["offsets"] = np.array([0, 3, 3, 4, 8])
    rows = [*ROWS[:1], {"id": "empty", "gloss": ""}, *ROWS[1:]]
    opened = open_landmarks(write(tmp_path, content, rows))
    assert [opened.clip(number).id for number in (0, 2)] == ["00414", "b"]
    with pytest.raises(InputError) as caught:
        opened.clip(1)
    assert (caught.value.clip, caught.value.found) == ("empty", "0 frames")
    with pytest.raises(InputError) as caught:
        opened.clip(3)
    assert (caught.value.clip, caught.value.frame, caught.value.file) == ("c", 2, str(tmp_path / "set.npz"))


def test_nan_in_an_unseen_joint_is_nothing(tmp_path: Path, content: Content) -> None:
    frame, joint = 6, int(np.flatnonzero(~content["bits"][6])[0])
    content["xy"][frame, joint] = np.nan
    assert len(list(open_landmarks(write(tmp_path, content)))) == 3


DAMAGES: dict[str, Callable[[Content], Content]] = {
    "joints": lambda c: {"xy": c["xy"][:, :48]},
    "columns": lambda c: {"xy": np.concatenate([c["xy"], c["xy"]], axis=2)},
    "flat": lambda c: {"xy": c["xy"].reshape(len(c["xy"]), -1)},
    "number": lambda c: {"xy": np.float16(3)},
    "integers": lambda c: {"xy": c["xy"].astype(np.int16)},
    "text": lambda c: {"xy": c["xy"].astype("U")},
    "objects": lambda c: {"xy": np.array([None])},
    "seen frames": lambda c: {"seen": c["seen"][1:]},
    "seen unpacked": lambda c: {"seen": c["bits"]},
    "seen type": lambda c: {"seen": c["seen"].astype(np.int64)},
    "offsets start": lambda c: {"offsets": c["offsets"] + 1},
    "offsets end": lambda c: {"offsets": np.array([0, 3, 4, 7])},
    "offsets fall": lambda c: {"offsets": np.array([0, 4, 3, 8])},
    "offsets float": lambda c: {"offsets": c["offsets"].astype(float)},
    "offsets two axes": lambda c: {"offsets": c["offsets"][None]},
    "offsets none": lambda c: {"offsets": c["offsets"][:0]},
    "too few clips": lambda c: {"offsets": np.array([0, 4, 8])},
    "too many clips": lambda c: {"offsets": np.array([0, 1, 3, 4, 8])},
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_arrays(tmp_path: Path, content: Content, name: str) -> None:
    refused(write(tmp_path, content | DAMAGES[name](content)))


@pytest.mark.parametrize("name", ["xy", "seen", "offsets"])
def test_absent_arrays(tmp_path: Path, content: Content, name: str) -> None:
    del content[name]
    assert f"{name} is missing" in str(refused(write(tmp_path, content)))


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ("", "none"),
        ("name\na\nb\nc\n", "name"),
        ("id,id\na,a\nb,b\nc,c\n", "id, id"),
        ("id\na\nb\na\n", "used twice"),
        ("id,gloss\na,1\nb\nc,3\n", "row 1"),
        ("id,gloss\na,1\nb,2,3\nc,3\n", "row 1"),
        ("id,gloss\na,1\n,2\nc,3\n", "row 1"),
        ('id,gloss\na,"1\nb,2\nc,3\n', "decoded"),
        ("id\na\nb\n", "3 clips"),
        ("id\n", "3 clips"),
    ],
)
def test_damaged_tables(tmp_path: Path, content: Content, table: str, word: str) -> None:
    error = refused(write(tmp_path, content, table))
    assert word in str(error)


def test_a_duplicate_id_is_named(tmp_path: Path, content: Content) -> None:
    assert refused(write(tmp_path, content, "id\na\nb\na\n")).clip == "a"


def test_files_that_are_absent_truncated_or_empty(tmp_path: Path, content: Content) -> None:
    path = write(tmp_path, content)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path)
    path.write_bytes(whole)
    path.with_suffix(".csv").write_bytes(b"id\n\xff\xfe\n")
    assert refused(path).file == path.with_suffix(".csv")
    path.with_suffix(".csv").unlink()
    assert refused(path).found == "no such file"
    path.unlink()
    assert refused(path).found == "no such file"


def test_one_clip_is_not_a_set(tmp_path: Path, content: Content) -> None:
    with pytest.raises(InputError, match="pack landmarks"):
        read(write(tmp_path, content))


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_random_bytes_raise_only_input_errors(
    tmp_path_factory: pytest.TempPathFactory, archive: bytes, table: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.npz"
    path.write_bytes(archive)
    path.with_suffix(".csv").write_bytes(table)
    refused(path)
    np.savez(
        path, xy=np.zeros((1, 49, 2), np.float16), seen=np.zeros((1, 7), np.uint8), offsets=np.array([0, 1], np.int64)
    )
    try:
        open_landmarks(path)
    except InputError:
        return
    assert table.startswith((b"id", b"\xef\xbb\xbfid"))


@pytest.mark.parametrize(
    ("name", "clips", "trunk"),
    [("wlasl300_hands", 2660, False), ("wlasl_body_hands", 786, True), ("webcam", 15492, True)],
)
def test_real_sets(data_dir: Path, name: str, clips: int, trunk: bool) -> None:
    opened = open_landmarks(data_dir / f"{name}.npz")
    assert len(opened) == clips
    assert opened.offsets[-1] == sum(int(row["frames"]) for row in opened.rows)
    numbers = range(0, clips, max(clips // 200, 1))
    recordings = [opened.clip(number) for number in numbers]
    assert [len(recording.xy) for recording in recordings] == [int(opened.rows[n]["frames"]) for n in numbers]
    seen = np.concatenate([recording.seen for recording in recordings])
    assert seen[:, HANDS].any()
    assert seen[:, TRUNK].any() == trunk
    assert np.concatenate([recording.xy for recording in recordings])[seen].any(axis=-1).mean() > 0.999
