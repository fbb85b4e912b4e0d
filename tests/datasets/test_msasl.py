"""MS-ASL: the published counts as far as the real files go, names of pose files, duplicates, bad rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers.dataset_files import pose_files, written

from twinsign.datasets.matching import Source, match_corpus
from twinsign.datasets.msasl import msasl
from twinsign.datasets.spans import Span
from twinsign.errors import InputError


def row(video: str = "ri3NrdgfAtE", **change: Any) -> dict[str, Any]:
    about = {"org_text": "HELLO", "clean_text": "hello", "text": "hello", "label": 0, "signer_id": 11, "signer": -1}
    when = {"start": 0, "end": 10, "start_time": 0.0, "end_time": 0.4, "fps": 25.0, "width": 640.0, "height": 360.0}
    return {**about, **when, "url": f"www.youtube.com/watch?v={video}", "box": [0, 0.1, 1, 0.9], "file": "x", **change}


def test_counts_of_the_real_files(data_dir: Path) -> None:
    folder = data_dir / "annotations" / "msasl"
    full = msasl([folder])
    assert [file.name for file in full.files] == [
        "MSASL_classes.json",
        "MSASL_synonym.json",
        "MSASL_test.json",
        "MSASL_val.json",
        "MS_ASL_SI_ASL200_train.json",
    ]
    counts = Counter(clip.row["split"] for clip in full.clips)
    assert (counts["val"], counts["test"]) == (5287, 4172), "of 1000 classes; train's 16,054 are not here"
    held_out = [clip for clip in full.clips if clip.row["split"] != "train"]
    assert sum(clip.row["msasl500"] == "1" for clip in held_out) == 3702 + 2720
    for subset, total, splits in ((100, 5736, (3789, 1190, 757)), (200, 9719, (6319, 2041, 1359))):
        annotation = msasl([folder], subset)
        counts = Counter(clip.row["split"] for clip in annotation.clips)
        assert (counts["train"], counts["val"], counts["test"]) == splits
        assert len(annotation.clips) == total
        assert len({clip.row["gloss"] for clip in annotation.clips}) == subset
        assert len({clip.id for clip in annotation.clips}) == {100: 5721, 200: 9695}[subset], (
            "one video is listed twice"
        )
    signers = {split: {clip.row["signer"] for clip in full.clips if clip.row["split"] == split} for split in counts}
    assert not signers["train"] & signers["val"] | signers["train"] & signers["test"] | signers["val"] & signers["test"]
    assert any("different vocabularies" in note for note in full.notes)
    father = next(clip.row for clip in full.clips if clip.row["gloss"] == "father")
    assert father["synonyms"] == "dad|daddy"


def test_lists_of_a_subset_are_the_full_lists_first_classes(data_dir: Path) -> None:
    folder = data_dir / "annotations" / "msasl"
    for split in ("val", "test"):
        full = msasl([folder / f"MSASL_{split}.json"], 200)
        part = msasl([folder / f"MS_ASL_SI_ASL200_{split}.json"])
        assert [clip.id for clip in full.clips] == [clip.id for clip in part.clips]


def test_a_rows_columns(tmp_path: Path) -> None:
    files = [
        written(tmp_path / "MSASL_val.json", [row(review=1), row("aaaaaaaaaaa", label=150, text="hi", start=5)]),
        written(tmp_path / "MSASL_classes.json", ["hello"] * 150 + ["hi"]),
        written(tmp_path / "MSASL_synonym.json", [["hi", "hey"], ["hi", "howdy", "hey"]]),
    ]
    one, two = msasl(files).clips
    assert (one.id, one.span, two.span) == ("ri3NrdgfAtE_0_10", Span(0, 10, 25.0), Span(5, 10, 25.0))
    assert {name: two.row[name] for name in ("gloss", "split", "signer", "msasl100", "msasl200", "synonyms")} == {
        "gloss": "hi",
        "split": "val",
        "signer": "11",
        "msasl100": "0",
        "msasl200": "1",
        "synonyms": "hey|howdy",
    }
    assert (one.row["box"], one.row["video_fps"], one.row["review"]) == ("0.0000 0.1000 1.0000 0.9000", "25", "1")
    assert two.names["split_index"] == "val/00001"
    assert [clip.row["gloss"] for clip in msasl(files, 100).clips] == ["hello"]


@pytest.mark.parametrize(
    "names",
    [
        ["val/00000", "val/00001"],
        ["val_00000", "val_00001"],
        ["val/0", "val/1"],
        ["ri3NrdgfAtE_0_10", "aaaaaaaaaaa_0_10"],
        ["ri3NrdgfAtE", "aaaaaaaaaaa"],
    ],
)
def test_names_of_pose_files(tmp_path: Path, names: list[str]) -> None:
    annotation = msasl([written(tmp_path / "MSASL_val.json", [row(), row("aaaaaaaaaaa")])])
    found = match_corpus(annotation, Source(pose_files(tmp_path / "poses", names)))
    assert [sample.file and sample.file.name for sample in found.samples] == [
        f"{Path(name).name}.npz" for name in names
    ]
    assert [len(sample.read().xy) for sample in found.samples] == [10, 10]


def test_places_in_one_of_several_lists_name_no_clip(tmp_path: Path) -> None:
    lists = [
        written(tmp_path / "MS_ASL_SI_ASL100_val.json", [row("aaaaaaaaaaa")]),
        written(tmp_path / "MSASL_val.json", [row(), row("aaaaaaaaaaa")]),
        written(tmp_path / "MSASL_test.json", [row("bbbbbbbbbbb")]),
    ]
    annotation = msasl(lists)
    assert [sorted(clip.names) for clip in annotation.clips if clip.row["split"] == "val"] == [["frames", "video"]] * 2
    assert any("several files list val" in note for note in annotation.notes)
    (test,) = [clip for clip in annotation.clips if clip.row["split"] == "test"]
    assert test.names["split_index"] == "test/00000"
    assert {clip.names["split_number"] for clip in msasl(lists[1:]).clips} == {"val/0", "val/1", "test/0"}


def test_a_video_with_several_clips(tmp_path: Path) -> None:
    annotation = msasl([written(tmp_path / "MSASL_val.json", [row(), row(start=50, end=70)])])
    found = match_corpus(annotation, Source(pose_files(tmp_path / "poses", ["ri3NrdgfAtE"], frames=90)))
    assert [len(sample.read().xy) for sample in found.samples] == [10, 20]


def test_the_same_clip_under_another_address(tmp_path: Path) -> None:
    rows = [
        row(),
        row(url="https://www.youtube.com/watch?v=ri3NrdgfAtE&t=54s"),
        row(url="https://youtu.be/aaaaaaaaaaa"),
    ]
    annotation = msasl([written(tmp_path / "MSASL_val.json", rows)])
    found = match_corpus(annotation, Source(pose_files(tmp_path / "p", ["val/00000", "val/00001", "val/00002"])))
    assert [sample.id for sample in found.samples] == ["ri3NrdgfAtE_0_10", "aaaaaaaaaaa_0_10"]
    assert any("listed again" in note for note in found.notes)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://x/y.mp4"}, "url"),
        ({"label": 2}, "label"),
        ({"label": None}, "label"),
        ({"end": -1}, "end"),
        ({"fps": 0}, "fps"),
        ({"box": [0, 0, 1, 1.5]}, "box"),
        ({"review": 7}, "review"),
        ({"signer_id": 1.5}, "signer_id"),
    ],
)
def test_bad_rows(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    file = written(tmp_path / "MSASL_train.json", [row(), row(**change)])
    with pytest.raises(InputError, match=f"'{field}' of row 1") as caught:
        msasl([file, written(tmp_path / "MSASL_classes.json", ["hello", "hi"])])
    assert caught.value.file == file


def test_texts_unlike_the_class_list_are_noted(tmp_path: Path) -> None:
    file = written(tmp_path / "MSASL_train.json", [row(text="hallo")])
    annotation = msasl([file, written(tmp_path / "MSASL_classes.json", ["hello"])])
    assert annotation.clips[0].row["gloss"] == "hello"
    assert annotation.notes == ["texts that differ from the class list: 'hallo' for 'hello'"]


def test_files_that_are_no_lists(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MSASL_train"):
        msasl([written(tmp_path / "MSASL_classes.json", ["hello"])])
    for name in ("MSASL_classes.json", "MSASL_synonym.json", "MSASL_train.json"):
        with pytest.raises(InputError) as caught:
            msasl([written(tmp_path / "MSASL_val.json", [row()]), written(tmp_path / name, {"a": 1})])
        assert caught.value.file == tmp_path / name
