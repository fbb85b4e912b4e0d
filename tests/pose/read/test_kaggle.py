"""Google's landmark parquets: isolated signs and fingerspelling."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from helpers import published_formats

from twinsign.errors import InputError
from twinsign.pose.layout import LEFT_HAND, RIGHT_HAND
from twinsign.pose.read import PoseSet, open_set, read
from twinsign.pose.recording import Recording

Refused = Callable[[Path], InputError]


def write(folder: Path, table: pa.Table, rows: int | None = None) -> Path:
    path = folder / "100015657.parquet"
    path.write_bytes(published_formats.parquet_bytes(table, rows))
    return path


def check(found: Recording, one: Recording) -> None:
    """Hands that were not whole are NaN in the layout, so unseen; what was found has score 1."""
    seen = np.ones(one.seen.shape, bool)
    for part in (RIGHT_HAND, LEFT_HAND):
        seen[:, part] = one.seen[:, part].all(axis=1)[:, None]
    assert (found.unit, found.estimator) == ("fraction", "mediapipe_holistic")
    np.testing.assert_array_equal(found.score, seen)
    np.testing.assert_allclose(found.xy, one.xy * seen[..., None], atol=1e-6)


def test_an_isolated_sign(tmp_path: Path) -> None:
    one = published_formats.unmasked(published_formats.signer(0, 5))
    found = read(write(tmp_path, published_formats.isolated(one)), fps=30)
    assert (found.id, found.fps, found.size, found.notes) == ("100015657", 30, None, ())
    check(found, one)


def test_missing_frames_are_unseen_ones(tmp_path: Path) -> None:
    one = published_formats.unmasked(published_formats.signer(0, 3))
    found = read(write(tmp_path, published_formats.isolated(one, frames=[4, 5, 8])))
    assert found.seen.any(axis=1).tolist() == [True, True, False, False, True]
    assert "2 of 5 frames missing" in found.notes[0]
    check(Recording("a", found.xy[[0, 1, 4]], found.score[[0, 1, 4]], estimator=found.estimator), one)


def test_rows_in_any_order(tmp_path: Path) -> None:
    one = published_formats.unmasked(published_formats.signer(0, 3))
    table = published_formats.isolated(one)
    order = np.random.default_rng(0).permutation(len(table))
    check(read(write(tmp_path, table.take(order))), one)


@pytest.mark.parametrize("rows", [None, 4, 1])
def test_sequences(tmp_path: Path, rows: int | None) -> None:
    ones = {
        1816796431: published_formats.signer(0, 5),
        9: published_formats.signer(1, 3),
        12: published_formats.signer(2, 4),
    }
    ones = {name: published_formats.unmasked(one) for name, one in ones.items()}
    opened = open_set(write(tmp_path, published_formats.sequences(ones), rows))
    assert opened.rows == [{"id": str(name)} for name in ones]
    numbers = [2, 0, 1, 1]
    for number in numbers:
        found = opened.clip(number)
        assert found.id == opened.rows[number]["id"]
        check(found, list(ones.values())[number])


def test_one_and_many_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pack folder"):
        open_set(write(tmp_path, published_formats.isolated(published_formats.signer(0, 2))))
    with pytest.raises(InputError, match="pack set"):
        read(write(tmp_path, published_formats.sequences({3: published_formats.signer(0, 2)})))


def changed(table: pa.Table, name: str, value: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, value)


ISOLATED = published_formats.isolated(published_formats.unmasked(published_formats.signer(0, 2)))


@pytest.mark.parametrize(
    ("table", "word"),
    [
        (ISOLATED.drop_columns(["x"]), "columns frame"),
        (ISOLATED.slice(0, 0), "0 frames"),
        (pa.concat_tables([ISOLATED, ISOLATED]), "twice"),
        (changed(ISOLATED, "frame", pc.cast(ISOLATED["frame"], pa.float32())), "frame of type"),
        (changed(ISOLATED, "x", pc.cast(ISOLATED["x"], pa.string())), "x of type|decoded"),
        (changed(ISOLATED, "landmark_index", pc.add(ISOLATED["landmark_index"], pa.scalar(13, pa.int16()))), "beyond"),
        (changed(ISOLATED, "landmark_index", pc.negate(ISOLATED["landmark_index"])), "beyond"),
        (
            changed(ISOLATED, "frame", pc.multiply(ISOLATED["landmark_index"], pa.scalar(7, pa.int16()))),
            "twice|missing",
        ),
        (changed(ISOLATED, "x", pc.multiply(ISOLATED["x"], 640.0)), "--unit pixel"),
    ],
    ids=range(9),
)
def test_bad_tables(tmp_path: Path, refused: Refused, table: pa.Table, word: str) -> None:
    path = write(tmp_path, table)
    with pytest.raises(InputError, match=word):
        read(path)


def test_hands_under_another_name_are_refused_not_lost(tmp_path: Path) -> None:
    for old, new in (("left_hand", "LeftHand"), ("pose", "body")):
        kinds = [new if kind == old else kind for kind in ISOLATED["type"].to_pylist()]
        with pytest.raises(InputError, match=f"points of type '{new}'; wanted types face, pose, left_hand"):
            read(write(tmp_path, changed(ISOLATED, "type", pa.array(kinds))))


SEQUENCES = published_formats.sequences({3: published_formats.signer(0, 3), 5: published_formats.signer(1, 4)})


@pytest.mark.parametrize(
    ("table", "word"),
    [
        (SEQUENCES.drop_columns(["y_right_hand_20"]), "y_right_hand_20 is missing"),
        (SEQUENCES.drop_columns(["sequence_id"]), "sequence_id is missing"),
        (pa.concat_tables([SEQUENCES, SEQUENCES]), "used twice"),
        (changed(SEQUENCES, "sequence_id", pc.cast(SEQUENCES["sequence_id"], pa.string())), "type"),
    ],
    ids=range(4),
)
def test_bad_files_of_sequences(tmp_path: Path, table: pa.Table, word: str) -> None:
    with pytest.raises(InputError, match=word):
        open_set(write(tmp_path, table))


def test_no_sequence_is_an_empty_set(tmp_path: Path) -> None:
    assert len(open_set(write(tmp_path, SEQUENCES.slice(0, 0)))) == 0


def test_a_bad_sequence_loses_no_other(tmp_path: Path) -> None:
    opened: PoseSet = open_set(write(tmp_path, changed(SEQUENCES, "frame", pa.array([0, 1, 2, 0, 2, 1, 3]))))
    assert len(opened.clip(0).xy) == 3
    with pytest.raises(InputError, match="frame number 1 after 2") as caught:
        opened.clip(1)
    assert caught.value.clip == "5"


def test_truncated(tmp_path: Path) -> None:
    data = published_formats.parquet_bytes(SEQUENCES)
    path = tmp_path / "a.parquet"
    for length in (0, 4, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(InputError):
            open_set(path)


def test_an_opened_file_cannot_be_sent_to_another_process(tmp_path: Path) -> None:
    opened = open_set(write(tmp_path, SEQUENCES))
    with pytest.raises((TypeError, pickle.PicklingError)):  # what twinsign.cluster turns into an InputError
        pickle.dumps(opened)
