"""Packs written and read back, what the report says, and what happens to clips that cannot be packed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import packed, recording, sample
from hypothesis import given
from hypothesis import strategies as st

from twinsign import __version__
from twinsign.datasets.sample import Corpus, Sample
from twinsign.errors import InputError
from twinsign.files import hash_file
from twinsign.pack.clip import encode_clip
from twinsign.pack.open import Pack
from twinsign.pack.report import PackReport
from twinsign.pack.write import NothingPackedError, write_pack
from twinsign.pose.layout import HANDS, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.recording import Recording


def bad(name: str) -> Sample:
    def read() -> Recording:
        raise InputError("rubbish", "a pose", file="x.pose", clip=name)

    return Sample(name, read, {"gloss": "g"})


def assert_same(found: Recording, given_one: Recording) -> None:
    np.testing.assert_array_equal(found.xy, given_one.xy.astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(found.seen, given_one.seen)
    assert np.abs(found.score - given_one.score).max() <= 1 / 255
    assert (found.id, found.unit, found.size) == (given_one.id, "fraction", given_one.size)
    assert (found.fps, found.source, found.estimator) == (given_one.fps, given_one.source, given_one.estimator)


def test_a_round_trip_in_any_order(pack: Pack, recordings: list[Recording]) -> None:
    assert len(pack) == len(recordings)
    assert pack.frames.tolist() == [len(one.xy) for one in recordings]
    for row, one in enumerate(recordings):
        assert_same(pack.recording(row), one)
        if row % 2:
            np.testing.assert_array_equal(pack.recording(row).score, one.score)
    rows = np.asarray([6, 0, 7, 3, 3, 5, 1])
    flat = pack.flat(rows)
    assert flat.length.tolist() == [len(recordings[row].xy) for row in rows]
    alone = [pack.recording(row) for row in rows]
    np.testing.assert_array_equal(flat.xy, np.concatenate([one.xy for one in alone]))
    np.testing.assert_array_equal(flat.score, np.concatenate([one.score for one in alone]))
    sizes = [np.tile(np.float32(one.size or (1, 1)), (len(one.xy), 1)) for one in alone]
    np.testing.assert_array_equal(flat.size, np.concatenate(sizes))
    assert (flat.xy.dtype, flat.score.dtype) == (np.float32, np.float32)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 5), min_size=1, max_size=7), st.integers(0, 3))
def test_random_packs(tmp_path_factory: pytest.TempPathFactory, seed: int, frames: list[int], kind: int) -> None:
    rng = np.random.default_rng(seed)
    scored = [[False] * len(frames), [True] * len(frames), *(rng.random((2, len(frames))) < 0.5)][kind]
    given_ones = [recording(rng, str(n), count, scored=bool(scored[n])) for n, count in enumerate(frames)]
    pack = packed(tmp_path_factory.getbasetemp() / "random.pack", given_ones)
    rows = rng.permutation(len(frames))
    flat = pack.flat(rows)
    np.testing.assert_array_equal(flat.xy, np.concatenate([given_ones[row].xy for row in rows]))
    score = np.concatenate([given_ones[row].score for row in rows])
    np.testing.assert_array_equal(flat.score > 0, score > 0)
    assert np.abs(flat.score - score).max() <= 1 / 255


def test_coordinates_keep_float16_and_faint_joints_stay_seen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xy = rng.uniform(-1, 2, (50, JOINT_COUNT, 2))
    score = rng.choice([0.0, 1e-6, 0.001, 0.5, 0.999], (50, JOINT_COUNT))
    found = packed(tmp_path / "p", [Recording("a", xy, score)]).recording(0)
    np.testing.assert_array_equal(found.seen, score > 0)
    np.testing.assert_allclose(found.xy, xy * (score > 0)[..., None], atol=2**-11)
    assert np.abs(found.score - score).max() <= 1 / 255


def test_pixels_are_stored_as_fractions(tmp_path: Path) -> None:
    one = recording(np.random.default_rng(0), "a", 3, size=(640, 480))
    pixels = Recording("a", one.xy * np.float32([640, 480]), one.score, "pixel", (640, 480))
    assert_same(packed(tmp_path / "p", [pixels]).recording(0), one)


def test_annotations(pack: Pack, recordings: list[Recording]) -> None:
    assert pack.column("gloss") == [f"sign{number % 3}" for number in range(8)]
    assert pack.column("subset") == ["0", "1"] * 4
    assert pack.column("note") == [None] * 7 + ["ü"]
    assert pack.column("source") == [one.source or None for one in recordings]
    assert pack.column("fps") == [one.fps for one in recordings]
    assert pack.provenance == [
        {
            "twinsign": __version__,
            "estimators": {"holistic": 4, "unknown": 4},
            "fps": {"least": 25.0, "median": 25.0, "largest": 25.0, "unknown": 4},
            "sizes": {"640x480": 4, "unknown": 4},
        }
    ]


def test_the_annotation_goes_before_the_reader_and_facts_before_the_annotation(tmp_path: Path) -> None:
    one = recording(np.random.default_rng(0), "a", 2, source="file", fps=30.0)
    row = {"source": "WLASL", "estimator": "", "frames": "99", "fps": "1", "id": "z", "unit": "", "fractions": ""}
    found = packed(tmp_path / "p", [one], [row])
    assert [found.column(name)[0] for name in ("source", "estimator", "frames", "fps", "id")] == [
        "WLASL", None, 2, 30.0, "a",
    ]  # fmt: skip
    assert [found.column(name)[0] for name in ("unit", "fractions")] == [None, None]


def test_the_annotation_fills_in_what_the_file_leaves_open(tmp_path: Path) -> None:
    plain = [recording(np.random.default_rng(0), name, 2) for name in "abcd"]
    rows = [
        {"fps": "25", "width": "640", "height": "480"},
        {"width": "640"},
        {"fps": "fast"},
        {"height": "-1", "width": "3"},
    ]
    report = write_pack([sample(one, **row) for one, row in zip(plain, rows, strict=True)], tmp_path / "p")
    found = Pack(tmp_path / "p")
    assert [found.column(name) for name in ("fps", "width", "height")] == [[25.0, None], [640, None], [480, None]]
    assert found.recording(0).size == (640, 480)
    assert "fps 'fast'; wanted a positive number" in report.unreadable["c"]
    assert "height '-1'" in report.unreadable["d"]


def test_the_id_is_the_samples(tmp_path: Path) -> None:
    one = recording(np.random.default_rng(0), "the reader's", 2)
    write_pack([Sample(name, lambda: one) for name in "ab"], tmp_path / "p")
    assert Pack(tmp_path / "p").column("id") == ["a", "b"]


def test_what_the_annotation_misses_is_kept(tmp_path: Path, recordings: list[Recording]) -> None:
    lost = [{"id": "x", "gloss": "ü", "split": "test"}]
    annotation = tmp_path / "rows.csv"
    annotation.write_text("id\nclip0\nx\n")
    report = write_pack(Corpus([sample(recordings[0])], lost, [annotation]), tmp_path / "p")
    assert (report.listed, report.missing) == (2, 1)
    assert Pack(tmp_path / "p").missing == lost
    assert Pack(tmp_path / "p").provenance[0]["files"] == {"rows.csv": hash_file(annotation)}


def test_the_report_counts_what_was_packed(recordings: list[Recording], tmp_path: Path) -> None:
    rows = [{"gloss": "a", "split": "train"}, {"gloss": "b", "split": "train"}, {"split": "val"}, {"gloss": "a"}]
    chosen, ticks = recordings[2:6], []
    report = write_pack(
        [sample(one, **row) for one, row in zip(chosen, rows, strict=True)],
        tmp_path / "p",
        provenance={"command": "x"},
        tick=ticks.append,
    )
    seen = np.concatenate([one.seen for one in chosen])
    parts = {"right hand": RIGHT_HAND, "left hand": LEFT_HAND, "both hands": HANDS, "trunk": TRUNK}
    assert report.clips == {"train": 2, "val": 1, "none": 1}
    assert (report.frames, report.glosses, report.handless, report.unreadable) == (len(seen), 2, ["clip5"], {})
    for name, part in parts.items():
        lacking = sum(not seen[frame, part].any() for frame in range(len(seen)))
        assert report.without[name] == pytest.approx(100 * lacking / len(seen), abs=0.005)
    assert (ticks, report.exit_code) == ([0, 1, 2, 3, 4], 0)
    assert Pack(tmp_path / "p").provenance[0]["command"] == "x"


def test_a_clip_without_a_hand_is_packed_and_flagged(pack: Pack, recordings: list[Recording]) -> None:
    assert pack.column("hand_frames") == [int(one.seen[:, HANDS].any(axis=1).sum()) for one in recordings]
    assert pack.column("hand_frames")[5] == 0
    assert not pack.usable[5]
    assert pack.usable.tolist() == [bool(one.seen[:, HANDS].any()) for one in recordings]
    assert_same(pack.recording(5), recordings[5])


def test_unreadable_clips_are_listed_and_the_others_kept(tmp_path: Path, small_batches: None) -> None:
    rng = np.random.default_rng(0)
    good = [sample(recording(rng, str(number), 2), gloss="g") for number in range(7)]
    ticks: list[int] = []
    mixed = [bad("x"), *good[:4], bad("y"), *good[4:], bad("z")]
    report = write_pack(mixed, tmp_path / "p", tick=ticks.append)
    assert list(report.unreadable) == ["x", "y", "z"]
    assert "x.pose" in report.unreadable["x"]
    assert "rubbish" in report.unreadable["x"]
    assert (report.exit_code, ticks) == (3, list(range(11)))
    assert Pack(tmp_path / "p").column("id") == [one.id for one in good]


def test_nothing_readable_writes_nothing(tmp_path: Path) -> None:
    for samples, words in (([bad("x"), bad("y")], "2 unreadable"), ([], "0 unreadable")):
        with pytest.raises(NothingPackedError, match=words) as caught:
            write_pack(samples, tmp_path / "p")
        assert caught.value.report.exit_code == PackReport().exit_code == 2
        assert list(tmp_path.iterdir()) == []


def test_an_id_counts_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, again, other = (recording(rng, name, frames) for name, frames in (("a", 1), ("a", 2), ("b", 3)))
    report = write_pack([sample(first), sample(again), sample(other)], tmp_path / "p")
    assert Pack(tmp_path / "p").frames.tolist() == [1, 3]
    assert list(report.unreadable) == ["a (again)"]
    assert "second time" in report.unreadable["a (again)"]
    assert report.exit_code == 3


def test_an_unreadable_clip_may_be_followed_by_a_readable_one_of_its_id(tmp_path: Path) -> None:
    report = write_pack([bad("a"), sample(recording(np.random.default_rng(0), "a", 2))], tmp_path / "p")
    assert (report.clips, list(report.unreadable)) == ({"none": 1}, ["a"])


def test_what_float16_cannot_hold_is_refused_with_clip_and_frame(tmp_path: Path) -> None:
    xy, score = np.full((4, JOINT_COUNT, 2), 0.5), np.ones((4, JOINT_COUNT))
    xy[2, 7] = 70000
    one = Recording("wild", xy, score, source="x.npz")
    report = write_pack([sample(one), sample(recording(np.random.default_rng(0), "b", 1))], tmp_path / "p")
    message = report.unreadable["wild"]
    for word in ("x.npz", "'wild'", "frame 2", "70000", "pixels"):
        assert word in message
    score[2, 7] = 0
    assert write_pack([sample(replace(one, score=score))], tmp_path / "p").exit_code == 0


def test_an_exception_leaves_the_old_file_and_no_other(
    tmp_path: Path, recordings: list[Recording], small_batches: None
) -> None:
    def broken() -> Iterator[Sample]:
        yield from (sample(one) for one in recordings[:5])
        raise RuntimeError("no power")

    path = tmp_path / "p"
    with pytest.raises(RuntimeError, match="no power"):
        write_pack(broken(), path)
    assert list(tmp_path.iterdir()) == []
    packed(path, recordings)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="no power"):
        write_pack(broken(), path)
    with pytest.raises(NothingPackedError):
        write_pack([bad("x")], path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_column_that_late_rows_alone_have(tmp_path: Path, small_batches: None) -> None:
    rng = np.random.default_rng(0)
    samples = [sample(recording(rng, str(number), 1), **({"late": "1"} if number == 5 else {})) for number in range(6)]
    write_pack(samples, tmp_path / "p")
    assert Pack(tmp_path / "p").column("late") == [None] * 5 + ["1"]


def test_writing_over_an_open_pack_leaves_it_whole(pack: Pack, recordings: list[Recording]) -> None:
    packed(pack.paths[0], recordings[:1])
    assert_same(pack.recording(7), recordings[7])
    assert len(Pack(pack.paths)) == 1


@pytest.mark.parametrize("split", ["Test", "dev", "validation"])
def test_a_clip_of_an_unknown_split_is_listed_and_not_packed(tmp_path: Path, split: str) -> None:
    recording = Recording("odd", np.full((2, 49, 2), 0.5, np.float32), np.ones((2, 49), np.float32))
    fine = Recording("fine", recording.xy, recording.score)
    samples = [Sample("odd", lambda: recording, {"split": split}), Sample("fine", lambda: fine, {"split": "test"})]
    report = write_pack(samples, tmp_path / "pack")
    assert report.exit_code == 3
    assert report.clips == {"test": 1}
    assert repr(split) in report.unreadable["odd"]


def test_readers_notes_are_listed_by_clip(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noted = replace(recording(rng, "a", 2), notes=("2 persons in 1 of 2 frames",))
    report = write_pack([sample(noted), sample(recording(rng, "b", 1))], tmp_path / "p")
    assert report.notes == {"a": ["2 persons in 1 of 2 frames"]}


def test_a_table_that_contradicts_its_files_is_noted(tmp_path: Path) -> None:
    one = replace(recording(np.random.default_rng(0), "a", 5), fps=25.0, size=(640, 480))
    row = {"fps": "60", "width": "480", "height": "640"}
    notes = encode_clip(Sample("a", lambda: one, row)).notes
    assert notes == [
        "frame rate 25 in the file, 60 in the annotation: the file's is used",
        "image size 640 x 480 in the file, 480 x 640 in the annotation: the file's is used",
    ]
    assert encode_clip(Sample("a", lambda: one, {"fps": "25.1", "width": "640", "height": "480"})).notes == []
