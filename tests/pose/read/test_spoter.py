"""SPOTER's tables of lists."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import published_formats

from twinsign.errors import InputError
from twinsign.pose.layout import JOINTS
from twinsign.pose.read import PoseSet, open_set
from twinsign.pose.read.spoter import COLUMNS

Row = dict[str, str]


def rows(upwards: bool = True) -> list[Row]:
    return [
        published_formats.spoter_row(one, number, upwards) for number, one in enumerate(published_formats.signers())
    ]


def opened(folder: Path, content: list[Row] | bytes) -> PoseSet:
    path = folder / "WLASL100_val_25fps.csv"
    path.write_bytes(content if isinstance(content, bytes) else published_formats.spoter(content))
    return open_set(path)


@pytest.mark.parametrize("upwards", [True, False])
def test_round_trip(tmp_path: Path, upwards: bool) -> None:
    table = opened(tmp_path, rows(upwards))
    assert table.rows == [{"id": f"WLASL100_val_25fps_0000{n}", "gloss": str(n)} for n in range(3)]
    assert table.notes == (("y counts upwards in the file: turned",) if upwards else ())
    for number in (2, 0, 1):
        found, one = table.clip(number), published_formats.signers()[number]
        assert (found.id, found.unit, found.size) == (table.rows[number]["id"], "fraction", published_formats.SIZE)
        np.testing.assert_array_equal(found.seen, one.seen)
        np.testing.assert_allclose(found.xy, one.xy, atol=1e-6)


def test_every_joint_has_its_column() -> None:
    assert published_formats.SPOTER == COLUMNS
    assert set(COLUMNS) == set(JOINTS)


def test_what_a_row_states(tmp_path: Path) -> None:
    row = rows()[0] | {"video_fps": "29.97", "signer_id": "7", "split": "val", "video_id": "00414"}
    table = opened(tmp_path, [row])
    assert table.rows == [{"id": "00414", "gloss": "0", "signer": "7", "split": "val"}]
    assert table.clip(0).fps == pytest.approx(29.97)


@pytest.mark.parametrize("sides", [("_Left_", "_Right_"), ("_0_", "_1_")])
def test_earlier_names_of_columns(tmp_path: Path, sides: tuple[str, str]) -> None:
    data = published_formats.spoter(rows()).decode().replace("_left_", sides[0]).replace("_right_", sides[1])
    found = opened(tmp_path, data.encode()).clip(0)
    np.testing.assert_array_equal(found.seen, published_formats.signers()[0].seen)


def test_a_byte_order_mark_lines_in_fields_and_empty_lines(tmp_path: Path) -> None:
    row = rows()[1]
    text = published_formats.spoter([rows()[0], row, row]).decode().replace(", ", ",\n", 40)
    table = opened(tmp_path, ("\ufeff" + text.replace("\r\n", "\r\n\r\n", 2)).encode())
    assert [len(found.xy) for found, _ in table] == [5, 3, 3]
    np.testing.assert_allclose(table.clip(0).xy, published_formats.signers()[0].xy, atol=1e-6)


def test_none_and_nan_are_not_found(tmp_path: Path) -> None:
    row = rows()[0]
    row["leftElbow_X"] = "[None, nan, 0.0, 0.5, 0.5]"
    row["leftElbow_Y"] = "[None, nan, 0.0, 0.5, 0.5]"
    seen = opened(tmp_path, [row]).clip(0).seen
    assert seen[:, JOINTS.index("left_elbow")].tolist() == [False, False, False, True, True]


def test_columns_that_are_not_there_are_unseen(tmp_path: Path) -> None:
    row = {name: text for name, text in rows()[0].items() if not name.startswith("thumb")}
    table = opened(tmp_path, [row])
    assert "no columns of 8 joints, such as thumbCMC_left_X: those are unseen" in table.notes
    found = table.clip(0)
    assert not found.seen[:, [n for n, name in enumerate(JOINTS) if "thumb" in name]].any()
    assert found.seen.any()


def without_nose(row: Row) -> Row:
    return {name: text for name, text in row.items() if not name.startswith("nose")}


def half_turned() -> list[Row]:
    return [*rows(upwards=True), *rows(upwards=False)]


@pytest.mark.parametrize("make", [half_turned, lambda: [without_nose(row) for row in rows()]])
def test_which_way_y_counts_must_show(tmp_path: Path, make: Callable[[], list[Row]]) -> None:
    with pytest.raises(InputError, match="upwards or downwards"):
        opened(tmp_path, make())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"nose_X": "[0.1, 0.2]"}, "frames"),
        ({"nose_X": "0.5"}, "list of numbers"),
        ({"wrist_left_X": "[0.1, abc, 0.2, 0.3, 0.4]"}, "decoded"),
        ({"wrist_left_X": "[[0.1], 0.2, 0.2, 0.3, 0.4]"}, "decoded"),
        ({"wrist_left_X": "[__import__('os'), 0, 0, 0, 0]"}, "decoded"),
        ({"wrist_left_X": "[inf, 0.2, 0.2, 0.3, 0.4]"}, "infinity"),
        ({"video_fps": "fast"}, "video_fps"),
        ({"video_size_width": "-5"}, "positive"),
        ({name: "[]" for name in rows()[0] if name.endswith(("_X", "_Y"))}, "0 frames"),
    ],
    ids=range(9),
)
def test_a_bad_clip_loses_no_other(tmp_path: Path, change: Row, word: str) -> None:
    table = opened(tmp_path, [rows()[1], rows()[0] | change, rows()[2]])
    assert [len(table.clip(number).xy) for number in (0, 2)] == [3, 4]
    with pytest.raises(InputError, match=word) as caught:
        table.clip(1)
    assert caught.value.clip == "WLASL100_val_25fps_00001"


@pytest.mark.parametrize("content", [b"", b"id,gloss\na,b\n", b"\xff\xfe\n", b"wrist_left_X,wrist_left_X\n1,2\n"])
def test_other_tables(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError):
        opened(tmp_path, content)


def test_a_row_cut_off(tmp_path: Path) -> None:
    data = published_formats.spoter(rows())
    with pytest.raises(InputError):
        opened(tmp_path, data[:-500])


def test_pixels_are_refused(tmp_path: Path) -> None:
    table = opened(
        tmp_path,
        [published_formats.spoter_row(published_formats.in_pixels(published_formats.signer(0, 3)), 1, upwards=False)],
    )
    with pytest.raises(InputError, match="--unit pixel"):
        table.clip(0)


def test_a_file_cut_off_after_it_was_opened(tmp_path: Path) -> None:
    table = opened(tmp_path, rows())
    table.path.write_bytes(b"")
    with pytest.raises(InputError, match="0 fields"):
        table.clip(1)


def test_long_clips(tmp_path: Path) -> None:
    row = {name: str([0.5] * 9000) if text.startswith("[") else text for name, text in rows()[0].items()}
    row["nose_Y"] = str([0.6123456789012345678] * 9000)
    row["leftShoulder_X"] = str([0.123456789012345678] * 9000)
    assert len(row["leftShoulder_X"]) > 131072
    assert csv.field_size_limit() > 0
    assert len(opened(tmp_path, [row]).clip(0).xy) == 9000
