"""SLR500: splits by signer and by file, classes of names, glosses in the order of gloss_label.txt."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers.dataset_files import pose_files, written

from twinsign.datasets.matching import Source, match_corpus
from twinsign.datasets.slr500 import slr500
from twinsign.errors import InputError

WORDS = "\r\n".join(f"w{number}  " for number in range(500)) + "\n\n"
HEAD = "video_path,class_name\n"


def test_counts_of_the_real_files(data_dir: Path) -> None:
    folder = data_dir / "annotations" / "slr500"
    annotation = slr500([folder], val_signers=[35, 36])
    counts = Counter(clip.row["split"] for clip in annotation.clips)
    assert counts["test"] == 35_000, "the paper's number"
    assert (counts["train"] + counts["val"], len({clip.row["signer"] for clip in annotation.clips})) == (89_945, 50)
    assert counts["val"] == 4995
    assert {clip.row["gloss"] for clip in annotation.clips} == {
        line.strip() for line in (folder / "gloss_label.txt").read_text(encoding="utf-8").splitlines() if line.strip()
    }
    assert [note.split()[0] for note in annotation.notes] == ["2500", "124695"]
    by_file = Counter(clip.row["split"] for clip in slr500([folder / "split.test.csv"], splits="files").clips)
    assert by_file == {"test": 37_500}, "P36 too"


def test_all_clips_by_name_where_no_split_file_is_there(tmp_path: Path) -> None:
    annotation = slr500([written(tmp_path / "gloss_label.txt", WORDS)], subset=40)
    assert Counter(clip.row["split"] for clip in annotation.clips) == {
        "train": 90_000 * 40 // 500,
        "test": 35_000 * 40 // 500,
    }
    assert len({clip.id for clip in annotation.clips}) == 125_000 * 40 // 500
    last = annotation.clips[-1]
    assert (last.id, last.row["gloss"], last.row["label"], last.row["signer"]) == ("P50_02_19_4", "w39", "39", "P50")


@pytest.mark.parametrize("name", ["000/P41_01_00_1._color", "P41_01_00_1._color", "P41_01_00_1", "x/P41_01_00_1"])
def test_names_of_pose_files(tmp_path: Path, name: str) -> None:
    table = written(tmp_path / "split.test.csv", HEAD + "000/P41_01_00_1._color.mp4,a\n001/P41_01_01_2._color.mp4,b\n")
    corpus = match_corpus(slr500([table]), Source(pose_files(tmp_path / "poses", [name])))
    assert [sample.id for sample in corpus.samples] == ["P41_01_00_1"]
    assert corpus.samples[0].row == {"gloss": "a", "split": "test", "signer": "P41", "label": "0"}
    assert [row["gloss"] for row in corpus.missing] == ["b"]


@pytest.mark.parametrize(
    "path", ["000/X41_01_00_1.mp4", "001/P41_01_00_1.mp4", "500/P41_26_00_1.mp4", "../P41_01_00_1.mp4", ""]
)
def test_bad_rows(tmp_path: Path, path: str) -> None:
    file = written(tmp_path / "split.train.csv", f"{HEAD}000/P01_01_00_0._color.mp4,a\n{path},b\n")
    with pytest.raises(InputError, match="'video_path' of line 3") as caught:
        slr500([file])
    assert caught.value.file == file


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 words"):
        slr500([written(tmp_path / "gloss_label.txt", "a\nb\n")])
    with pytest.raises(InputError, match=r"split\.train"):
        slr500([written(tmp_path / "gloss_label.txt", WORDS)], splits="files")
