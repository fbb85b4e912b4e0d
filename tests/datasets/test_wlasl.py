"""WLASL in both forms: the published counts on the real files, what one form says and the other does not, bad rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers.dataset_files import pose_files, written

from twinsign.datasets.matching import Source, match_corpus
from twinsign.datasets.spans import Span
from twinsign.datasets.wlasl import wlasl
from twinsign.errors import InputError

CLASSES = "0\tbook\n1\tvice president\n"
NUMBERS = {
    "00001": {"subset": "train", "action": [0, 1, 55]},
    "00002": {"subset": "val", "action": [1, 300, 350]},
    "00003": {"subset": "test", "action": [1, 1, 40]},
}


def instance(video: str, **change: Any) -> dict[str, Any]:
    whole = {"bbox": [385, 37, 885, 720], "fps": 25, "frame_end": -1, "frame_start": 1, "instance_id": 0}
    about = {"signer_id": 118, "source": "aslbrick", "split": "train", "url": "http://x/book.mp4", "variation_id": 0}
    return {**whole, **about, "video_id": video, **change}


LIST = [
    {"gloss": "book", "instances": [instance("00001", frame_start=100, frame_end=160)]},
    {"gloss": "vice-president", "instances": [instance("00002", split="test"), instance("00003", split="test")]},
]


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("nslt_100.json", (1442, 338, 258)),
        ("nslt_300.json", (3549, 901, 668)),
        ("nslt_1000.json", (8978, 2320, 1876)),
        ("nslt_2000.json", (14296, 3920, 2879)),
        ("asl100.json", (1442, 338, 258)),
        ("asl300.json", (3549, 900, 668)),
        ("asl1000.json", (8974, 2318, 1876)),
    ],
)
def test_counts_of_the_real_files(data_dir: Path, file: str, counts: tuple[int, int, int]) -> None:
    folder = data_dir / "annotations" / "wlasl"
    annotation = wlasl([folder / file, folder / "wlasl_class_list.txt"])
    splits = Counter(clip.row["split"] for clip in annotation.clips)
    assert (splits["train"], splits["val"], splits["test"]) == counts
    glosses = int(file.removesuffix(".json").lstrip("nsltax_"))
    assert len({clip.row["gloss"] for clip in annotation.clips}) == glosses
    assert {int(clip.row["label"]) for clip in annotation.clips} == set(range(glosses))
    assert sum(clip.row["wlasl100"] == "1" for clip in annotation.clips) == 2038
    assert not annotation.notes


def test_both_real_forms(data_dir: Path) -> None:
    folder = data_dir / "annotations" / "wlasl"
    annotation = wlasl([folder])
    assert len(annotation.clips) == 21095
    assert len(annotation.notes) == 2
    assert "'lose' in the list, 163 'losear' in nslt (16 clips)" in annotation.notes[0]
    first = [clip for clip in annotation.clips if clip.row["wlasl300"] == "1"]
    assert len(first) == 5118
    assert all(clip.row["signer"] for clip in first if clip.id != "20065"), "which only nslt lists"
    spans = Counter(clip.span is None for clip in wlasl([folder / "asl1000.json"]).clips)
    assert spans[False] == 1347


def test_a_real_landmark_set(data_dir: Path) -> None:
    corpus = match_corpus(
        wlasl([data_dir / "annotations" / "wlasl" / "asl300.json"]), Source(data_dir / "wlasl300_hands.npz")
    )
    assert (len(corpus.samples), len(corpus.missing)) == (2660, 2457)
    assert Counter(sample.row["split"] for sample in corpus.samples) == {"train": 1897, "val": 446, "test": 317}
    assert sum(sample.row["wlasl100"] == "1" for sample in corpus.samples) == 1013
    assert all(sample.row["signer"] for sample in corpus.samples)
    first = corpus.samples[0]
    assert (first.id, first.read().id, len(first.read().xy)) == ("00414", "00414", 105)


def test_numbers_with_their_classes(tmp_path: Path) -> None:
    files = [written(tmp_path / "nslt_2.json", NUMBERS), written(tmp_path / "class_list.txt", CLASSES)]
    annotation = wlasl(files)
    assert [(clip.id, clip.row["gloss"], clip.row["split"]) for clip in annotation.clips] == [
        ("00001", "book", "train"),
        ("00002", "vice president", "val"),
        ("00003", "vice president", "test"),
    ]
    assert [clip.span for clip in annotation.clips] == [None, Span(299, 350), None]
    assert annotation.clips[0].names == {"video_id": "00001", "number": "1"}
    assert annotation.files == files
    with pytest.raises(InputError, match="wlasl_class_list") as caught:
        wlasl(files[:1])
    assert caught.value.file == files[0]


def test_both_forms_fill_in_and_check_each_other(tmp_path: Path) -> None:
    numbers = {**NUMBERS, "00009": {"subset": "train", "action": [0, 1, 9]}}
    for name, content in (("nslt_2.json", numbers), ("WLASL_v0.3.json", LIST), ("wlasl_class_list.txt", CLASSES)):
        written(tmp_path / name, content)
    annotation = wlasl([tmp_path])
    rows = {clip.id: clip.row for clip in annotation.clips}
    assert rows["00002"]["split"] == "test"
    assert (rows["00003"]["gloss"], rows["00003"]["signer"], rows["00009"]["signer"]) == ("vice-president", "118", "")
    assert {clip.id: clip.span for clip in annotation.clips} == dict.fromkeys(rows) | {"00001": Span(99, 160)}
    assert len({tuple(row) for row in rows.values()}) == 1, "all clips have the same columns"
    assert annotation.notes == [
        "clip '00002' is of test in the list, of val in nslt; the list counts",
        "class 1 'vice-president' in the list, 1 'vice president' in nslt (2 clips); the list counts",
        "1 clips are in nslt alone: 00009",
    ]


def test_an_id_listed_twice_is_noted(tmp_path: Path) -> None:
    twice = [
        {"gloss": "book", "instances": [instance("1"), instance("1")]},
        {"gloss": "go", "instances": [instance("1")]},
    ]
    annotation = wlasl([written(tmp_path / "asl2.json", twice)])
    assert [clip.row["gloss"] for clip in annotation.clips] == ["book"]
    assert len(annotation.notes) == 2
    assert "listed again" in annotation.notes[0]
    assert "as 'go' (train), not 'book' (train)" in annotation.notes[1]


def test_frame_ranges_of_whole_videos_and_of_cut_ones(tmp_path: Path) -> None:
    pose_files(tmp_path, ["00001"], frames=400)
    pose_files(tmp_path, ["00002"], frames=30)
    annotation = wlasl([written(tmp_path / "asl2.json", LIST)])
    found = match_corpus(annotation, Source(tmp_path))
    assert [len(sample.read().xy) for sample in found.samples] == [61, 30]
    pose_files(tmp_path, ["00001"], frames=72)
    assert [len(one.read().xy) for one in match_corpus(annotation, Source(tmp_path)).samples] == [72, 30]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"split": "holdout"}, "split"),
        ({"frame_start": 0}, "frame_start"),
        ({"frame_end": 0, "frame_start": 2}, "frame_end"),
        ({"bbox": [1, 2, 3]}, "bbox"),
        ({"bbox": [1, 2, 3, None]}, "3"),
        ({"video_id": 7}, "video_id"),
        ({"signer_id": "x"}, "signer_id"),
    ],
)
def test_bad_rows_of_a_list(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    file = written(tmp_path / "asl1.json", [{"gloss": "book", "instances": [instance("1"), instance("2", **change)]}])
    with pytest.raises(InputError, match=f"'{field}' of .*gloss 'book', instance 1") as caught:
        wlasl([file])
    assert caught.value.file == file


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"subset": "train", "action": [0, 1]}, "action"),
        ({"subset": "train", "action": [0, 5, 4]}, "last frame"),
        ({"subset": "train", "action": ["x", 1, 4]}, "class"),
        ({"action": [0, 1, 4]}, "subset"),
        (3, "action"),
    ],
)
def test_bad_rows_of_numbers(tmp_path: Path, entry: object, field: str) -> None:
    file = written(tmp_path / "nslt_1.json", {"00007": entry})
    with pytest.raises(InputError, match=f"'{field}' of clip '00007'") as caught:
        wlasl([file, written(tmp_path / "class_list.txt", CLASSES)])
    assert caught.value.file == file


def test_no_list_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nslt_"):
        wlasl([written(tmp_path / "class_list.txt", CLASSES)])
    for content in ([3], [{"gloss": "a"}], "3"):
        with pytest.raises(InputError):
            wlasl([written(tmp_path / "asl.json", content)])
