"""Annotated clips and pose files by name: namings found out, ambiguity refused, tables, sets, missing and unlisted."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.dataset_files import pose_files, written

from twinsign.datasets.matching import VIDEO, Annotation, Clip, Source, match_corpus
from twinsign.datasets.sample import Corpus, strip_suffixes
from twinsign.datasets.spans import Span
from twinsign.errors import InputError
from twinsign.pack.write import write_pack
from twinsign.pose.layout import JOINT_COUNT


def clip(number: int, **about: str) -> Clip:
    """Clip c0, c1, … named by place, by number, or by video."""
    names = {"place": f"train/{number:05d}", "code": f"c{number}", VIDEO: "film"}
    row = {"gloss": "g", "split": "train", **about}
    return Clip(f"c{number}", row, names, Span(100 * number, 100 * number + 10))


def matched(source: Path, *clips: Clip, names: str | None = None) -> Corpus:
    return match_corpus(Annotation(list(clips), [Path("list.json")]), Source(source, names))


FOUR = [clip(number) for number in range(4)]


@pytest.mark.parametrize(
    "names",
    [
        ["train/00000", "train/00002"],
        ["any/where/train/00000", "any/where/train/00002", "any/where/val/00001"],
        ["c0", "c2"],
        ["deep/c0.mp4", "other/c2.MOV"],
    ],
)
def test_names_are_found_out(tmp_path: Path, names: list[str]) -> None:
    corpus = matched(pose_files(tmp_path, names), *FOUR)
    assert [sample.id for sample in corpus.samples] == ["c0", "c2"]
    assert [sample.file for sample in corpus.samples] == [tmp_path / f"{name}.npz" for name in names[:2]]
    assert [row["id"] for row in corpus.missing] == ["c1", "c3"]
    assert corpus.missing[0]["gloss"] == "g"
    assert [sample.read().id for sample in corpus.samples] == ["c0", "c2"]
    assert len(corpus.notes) == (1 if len(names) > 2 else 0)


def test_part_of_a_name_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        matched(pose_files(tmp_path, ["xc0", "c0x", "c0/other", "00000"]), *FOUR)
    message = str(caught.value)
    assert all(word in message for word in ("c0x", "train/00000", "4 clips", "--names"))


def test_two_ways_of_naming_are_refused_with_examples_of_both(tmp_path: Path) -> None:
    pose_files(tmp_path, ["train/00000", "train/00001", "c2"])
    with pytest.raises(InputError) as caught:
        matched(tmp_path, *FOUR)
    assert "2 files named by place, such as train/00000.npz for clip 'c0'" in str(caught.value)
    assert "1 files named by code, such as c2.npz for clip 'c2'" in str(caught.value)
    assert [one.id for one in matched(tmp_path, *FOUR, names="code").samples] == ["c2"]
    assert len(matched(tmp_path, *FOUR, names="place").samples) == 2


def test_two_files_for_a_clip_are_refused(tmp_path: Path) -> None:
    pose_files(tmp_path, ["a/c0", "b/c0", "c1"])
    with pytest.raises(InputError, match=r"a/c0\.npz, b/c0\.npz for clip 'c0'"):
        matched(tmp_path, *FOUR)
    shutil.rmtree(tmp_path / "b")
    np.save(tmp_path / "a" / "c0.npy", np.zeros((2, JOINT_COUNT, 3)))
    with pytest.raises(InputError, match=r"c0\.npy, a/c0\.npz"):
        matched(tmp_path, *FOUR)


def test_one_video_for_several_clips(tmp_path: Path) -> None:
    corpus = matched(pose_files(tmp_path, ["film"], frames=205), *FOUR[:3])
    assert [len(sample.read().xy) for sample in corpus.samples] == [10, 10, 5]
    assert [sample.read().notes[0].split(" of ")[0] for sample in corpus.samples][1] == "frames 100 to 109"


def test_a_table_of_names(tmp_path: Path) -> None:
    poses = pose_files(tmp_path / "poses", ["x/one", "two", "film"])
    table = written(tmp_path / "names.csv", "id,file\nc3,x/one.npz\nc0,two\nc1,absent\n")
    corpus = matched(poses, *FOUR, names=str(table))
    assert {sample.id: sample.file for sample in corpus.samples} == {
        "c0": poses / "two.npz",
        "c3": poses / "x" / "one.npz",
    }
    assert [row["id"] for row in corpus.missing] == ["c1", "c2"]
    assert table in corpus.files
    assert "1 pose files belong to no listed clip, such as film.npz" in corpus.notes


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ("c9,two", "annotated clip"),
        ("c0,../two", "below the folder"),
        ("c0,/etc/passwd", "below the folder"),
        ("c0,two\nc0,film", "each id once"),
        ("c0,absent", "no file that is there"),
        ("c0,", "'file' of line 2"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, rows: str, word: str) -> None:
    poses = pose_files(tmp_path / "poses", ["two", "film"])
    pose_files(tmp_path, ["two"])
    table = written(tmp_path / "names.csv", f"id,file\n{rows}\n")
    with pytest.raises(InputError, match=word) as caught:
        matched(poses, *FOUR, names=str(table))
    assert caught.value.file == table


def test_annotated_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    pose_files(tmp_path, ["secret", "poses/c1"])
    evil = Clip("e", {"gloss": "g"}, {"code": "../secret"})
    corpus = matched(tmp_path / "poses", evil, FOUR[1])
    assert [sample.id for sample in corpus.samples] == ["c1"]


def test_ids_listed_twice_count_once_and_are_noted(tmp_path: Path) -> None:
    again = [clip(0), clip(1, gloss="h", split="test"), clip(0), clip(1)]
    corpus = matched(pose_files(tmp_path, ["c0", "c1"]), *again)
    assert [(sample.id, sample.row["gloss"]) for sample in corpus.samples] == [("c0", "g"), ("c1", "h")]
    assert corpus.notes == [
        "clip 'c0' is listed again; the first counts",
        "clip 'c1' is listed again; the first counts: gloss 'g' after 'h', split 'train' after 'test'",
    ]


def test_a_set_of_clips(tmp_path: Path) -> None:
    frames = np.zeros((3, JOINT_COUNT, 2), np.float16)
    seen = np.packbits(np.ones((3, JOINT_COUNT), bool), axis=1)
    np.savez(tmp_path / "set.npz", xy=frames, seen=seen, offsets=np.array([0, 1, 3]))
    written(tmp_path / "set.csv", "id,gloss,twin_of\nc2,other,c9\nx,,\n")
    corpus = matched(tmp_path / "set.npz", *[Clip(one.id, one.row, one.names) for one in FOUR])
    assert [sample.id for sample in corpus.samples] == ["c2"]
    assert corpus.samples[0].row == {"gloss": "g", "split": "train", "twin_of": "c9"}
    assert corpus.files == [Path("list.json"), tmp_path / "set.npz", tmp_path / "set.csv"]
    assert len(corpus.missing) == 3


def test_folders_of_frames_and_damaged_files(tmp_path: Path) -> None:
    written(tmp_path / "c0" / "c0_000_keypoints.json", {"people": []})
    written(tmp_path / "c1.pose", "no pose")
    pose_files(tmp_path, ["c2", ".hidden/c3"])
    corpus = matched(tmp_path, *FOUR)
    assert [sample.id for sample in corpus.samples] == ["c0", "c1", "c2"]
    report = write_pack(corpus.samples, tmp_path / "out" / "p")
    assert (sum(report.clips.values()), sorted(report.unreadable)) == (1, ["c0", "c1"])


def test_nothing_to_match(tmp_path: Path) -> None:
    for source, word in ((tmp_path, "no pose file"), (tmp_path / "absent.npz", "no such file")):
        with pytest.raises(InputError, match=word):
            matched(source, *FOUR)
    with pytest.raises(InputError, match="subset"):
        matched(pose_files(tmp_path, ["c0"]))


def test_names_without_endings() -> None:
    assert strip_suffixes("a/01.mp4.pose") == strip_suffixes("a\\01.MOV") == strip_suffixes("a/01") == "a/01"
    assert strip_suffixes("000/P41_01_00_1._color.mp4") == "000/P41_01_00_1._color"
    assert strip_suffixes("4. Bird/1.2") == "4. Bird/1.2"
