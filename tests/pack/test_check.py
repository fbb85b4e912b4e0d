"""Damaged packs: whatever the damage, a pack opens and reads, or is refused with InputError and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers.recordings import packed, recording, sample
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc

from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pack.schema import COLUMNS, FORMAT_KEY, OPTIONAL, POSES, PROVENANCE_KEY
from twinsign.pack.write import write_pack
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import Recording


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small pack's bytes: scored and unscored clips."""
    rng = np.random.default_rng(0)
    clips = [recording(rng, f"c{n}", n + 1, scored=n % 2 == 0, size=(640, 480), fps=25.0) for n in range(4)]
    path = tmp_path_factory.mktemp("whole") / "p"
    write_pack([sample(one, gloss="g", split="train", extra="1") for one in clips], path)
    return path.read_bytes()


def use(path: Path) -> bool:
    """Read all there is; False where it is refused. Any other error is the test's failure."""
    try:
        pack = Pack(path)
        rows = np.arange(len(pack))
        assert np.isfinite(pack.flat(rows).xy).all()
        assert len(pack.pose_hashes(rows)) == len(pack.usable) == len(pack)
        assert all(pack.recording(row).fractions() for row in rows)
        assert pack.split_hash(rows)
        pack.select(["train"], ["extra=1"])
        assert pack.missing == []
    except InputError:
        return False
    return True


@pytest.fixture(scope="session")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], bool]:
    """`use` on these bytes as a file."""
    path = tmp_path_factory.mktemp("damaged") / "p"

    def check(data: bytes) -> bool:
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        return use(path)

    return check


def test_the_whole_file_is_none_of_them(whole: bytes, damaged: Callable[[bytes], bool]) -> None:
    assert damaged(whole)


def test_truncation_anywhere_is_refused(whole: bytes, damaged: Callable[[bytes], bool]) -> None:
    lengths = [*range(40), *range(0, len(whole), 47), *range(len(whole) - 40, len(whole))]
    assert not any(damaged(whole[:length]) for length in lengths)


@given(st.data())
def test_flipped_bits(whole: bytes, damaged: Callable[[bytes], bool], data: st.DataObject) -> None:
    changed = bytearray(whole)
    near_ends = st.integers(0, 3000) | st.integers(len(whole) - 3000, len(whole) - 1)
    places = data.draw(st.lists(near_ends | st.integers(0, len(whole) - 1), min_size=1, max_size=4))
    for place in places:
        changed[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged(bytes(changed))


@pytest.mark.parametrize("seed", range(3))
def test_many_flipped_bits_and_overwritten_stretches(whole: bytes, damaged: Callable[[bytes], bool], seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(150):
        changed, first = bytearray(whole), int(rng.integers(len(whole)))
        changed[first] ^= 1 << int(rng.integers(8))
        if rng.random() < 0.5:
            length = int(rng.integers(1, 30))
            changed[first : first + length] = rng.bytes(length)
        damaged(bytes(changed))


@given(st.binary(max_size=80))
def test_random_bytes_are_refused(damaged: Callable[[bytes], bool], data: bytes) -> None:
    assert not damaged(data)
    assert not damaged(b"ARROW1\0\0" + data + b"ARROW1")


def content(pack: Pack) -> pa.Table:
    return ipc.open_file(pa.BufferReader(pack.paths[0].read_bytes())).read_all()


def change(pack: Pack, edit: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite a pack after `edit`, as another program would; the opened one keeps the old file."""
    table, path = edit(content(pack)), pack.paths[0]
    path.unlink()
    with ipc.new_file(path, table.schema) as file:
        file.write_table(table)


def put(name: str, values: list[Any]) -> Callable[[pa.Table], pa.Table]:
    def edit(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        return table.set_column(at, name, pa.array(values, table.schema.field(name).type))

    return edit


def refused(pack: Pack, edit: Callable[[pa.Table], pa.Table]) -> InputError:
    change(pack, edit)
    with pytest.raises(InputError) as caught:
        read_all(Pack(pack.paths))
    assert caught.value.file == pack.paths[0]
    return caught.value


def read_all(pack: Pack) -> None:
    """Touch every record batch's columns, then its poses; opening alone looks at neither."""
    assert pack.table.num_rows == len(pack)
    pack.flat(np.arange(len(pack)))


@pytest.mark.parametrize("name", [*COLUMNS, *POSES])
def test_each_column_must_be_there_with_its_type(pack: Pack, tmp_path: Path, name: str) -> None:
    before = pack.paths[0].read_bytes()
    assert f"{name!r} of type nothing" in refused(pack, lambda table: table.drop_columns([name])).found
    pack.paths[0].unlink()
    pack.paths[0].write_bytes(before)
    other = pa.array(["x"] * len(pack)) if pa.types.is_primitive(COLUMNS.get(name, pa.null())) else None
    other = other if other is not None else pa.array([1] * len(pack))
    at = [*COLUMNS, *OPTIONAL, "note", "subset", *POSES].index(name)
    error = refused(pack, lambda table: table.set_column(at, name, other))
    assert error.found == f"column {name!r} of type {other.type}"


@pytest.mark.parametrize("name", ["id", "frames", "hand_frames", "xy", "seen"])
def test_no_clip_without(pack: Pack, name: str) -> None:
    values = [*content(pack)[name].to_pylist()[:-1], None]
    assert refused(pack, put(name, values)).found == f"a clip without {name}"


@pytest.mark.parametrize(
    ("name", "value", "clip", "found"),
    [
        ("frames", 0, "clip3", "0 frames"),
        ("frames", -1, "clip3", "0 frames"),
        ("frames", 3, "clip3", "xy of another number of frames"),
        ("width", 0, "clip3", "width below 1"),
        ("height", -5, "clip3", "height below 1"),
        ("seen", [[0] * 7], "clip3", "seen of another number of frames"),
        ("score", [[0] * JOINT_COUNT], "clip3", "score of another number of frames"),
        ("xy", [[0.0] * 98] * 3, "clip3", "xy of another number of frames"),
    ],
)
def test_what_disagrees_is_named_with_its_clip(pack: Pack, name: str, value: Any, clip: str, found: str) -> None:
    values = content(pack)[name].to_pylist()
    values[3] = value
    error = refused(pack, put(name, values))
    assert (error.clip, error.found) == (clip, found)


def test_a_gap_within_a_frame(pack: Pack) -> None:
    values = content(pack)["xy"].to_pylist()
    values[4][1][20] = None
    assert refused(pack, put("xy", values)).found == "gaps in xy"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_when_read(pack: Pack, value: float) -> None:
    values = content(pack)["xy"].to_pylist()
    values[4][2][20] = value
    change(pack, put("xy", values))
    found = Pack(pack.paths)
    found.flat([0, 1, 2, 3, 5, 6, 7])
    for rows in ([4], [7, 4, 0], [2, 3, 4]):
        with pytest.raises(InputError, match="NaN or infinity") as caught:
            found.flat(rows)
        assert (caught.value.file, caught.value.clip, caught.value.frame) == (str(pack.paths[0]), "clip4", 2)


def test_two_columns_of_one_name(pack: Pack) -> None:
    error = refused(pack, lambda table: table.append_column("gloss", table["gloss"]))
    assert error.found == "two columns of the same name"


def test_columns_that_two_files_hold_differently(tmp_path: Path, recordings: list[Recording]) -> None:
    one = packed(tmp_path / "one", recordings[:2], [{"extra": "1"}] * 2)
    two = packed(tmp_path / "two", recordings[2:4], [{"extra": "1"}] * 2)
    change(two, lambda table: table.set_column(12, "extra", pa.array([1, 2])))
    assert len(Pack(two.paths)) == 2
    with pytest.raises(InputError):
        read_all(Pack([*one.paths, *two.paths]))


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({}, "no layout version"),
        ({FORMAT_KEY: b"2"}, "layout version 2"),
        ({FORMAT_KEY: b"\xff"}, "layout version �"),
        ({FORMAT_KEY: b"1", PROVENANCE_KEY: b"{"}, "provenance that is no JSON"),
    ],
)
def test_another_layout_version(pack: Pack, metadata: dict[bytes, bytes], found: str) -> None:
    error = refused(pack, lambda table: table.replace_schema_metadata(metadata))
    assert error.found.startswith(found)


def test_packs_without_clips_and_no_packs(pack: Pack, tmp_path: Path) -> None:
    assert refused(pack, lambda table: table.slice(0, 0)).found == "a pack without clips"
    with pytest.raises(InputError, match="no such file"):
        Pack(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no packs; wanted files that end in \.pack"):
        Pack(tmp_path / "empty")


def test_a_pack_rewritten_by_another_program_is_still_one(pack: Pack, recordings: list[Recording]) -> None:
    change(pack, lambda table: table.slice(2, 5).combine_chunks())
    found = Pack(pack.paths)
    assert found.column("id") == [one.id for one in recordings[2:7]]
    for row, one in enumerate(recordings[2:7]):
        np.testing.assert_array_equal(found.recording(row).xy, pack.recording(row + 2).xy)
        np.testing.assert_array_equal(found.recording(row).score, pack.recording(row + 2).score)
        assert found.recording(row).id == one.id
