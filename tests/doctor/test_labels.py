"""Findings on glosses, splits, signers and listed clips."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.moving_clips import exam_of
from helpers.tiny_configs import sample
from hypothesis import given
from hypothesis import strategies as st

from twinsign.datasets.sample import Sample
from twinsign.doctor.exam import Exam, examine
from twinsign.doctor.labels import labels, normalize_spelling
from twinsign.doctor.splits import (
    coverage,
    missing_clips,
    provenance,
    read_annotations,
    repeated_ids,
    signer_overlap,
    split_hash,
)
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack


def signed(name: str, gloss: str, split: str, **row: str) -> Sample:
    made = sample(name, gloss, split)
    return Sample(name, made.read, {**made.row, **row})


def levels(checked: object) -> dict[str, str]:
    return {finding.message.split(":")[0]: finding.level for finding in checked.findings}


@pytest.mark.parametrize(
    ("one", "other"),
    [("Thank you", "thank_you"), ("café", "cafe\u0301"), (" book", "book"), ("a  b", "A-b"), ("ﬁne", "fine")],
)
def test_one_gloss_spelt_in_two_ways(one: str, other: str) -> None:
    assert normalize_spelling(one) == normalize_spelling(other)


@given(st.text(max_size=8))
def test_spelling_is_settled(gloss: str) -> None:
    assert normalize_spelling(normalize_spelling(gloss)) == normalize_spelling(gloss)


def test_labels(tmp_path: Path) -> None:
    rows = [("1", "Thank you", "train"), ("2", "thank_you", "train"), ("3", "idle", "train"), ("4", "new", "test")]
    rows += [("5", "", "train"), ("6", " book", "train"), *((str(10 + n), "much", "train") for n in range(20))]
    found = labels(exam_of(tmp_path / "p", [sample(*row) for row in rows]))
    assert found.value["held_out_only"] == ["new"]
    assert found.value["alike"] == [["Thank you", "thank_you"]]
    assert found.value["junk"] == {"idle": 1}
    assert found.value["padded"] == [" book"]
    assert found.value["one_clip"] == [" book", "Thank you", "idle", "new", "thank_you"]
    assert found.value["unlabelled_clips"] == 1
    assert (found.value["imbalance"]["ratio"], found.value["imbalance"]["largest_glosses"][0]) == (20, "much")
    by_clips = {tuple(finding.clips): finding.level for finding in found.findings}
    assert by_clips[("4",)] == "error"
    assert (by_clips[("1", "2")], by_clips[("3",)], by_clips[("6",)]) == ("warning",) * 3


def test_sound_labels_and_no_labels(tmp_path: Path) -> None:
    fine = [sample(f"{split}{gloss}{n}", gloss, split) for split in ("train", "test") for gloss in "ab" for n in (0, 1)]
    assert labels(exam_of(tmp_path / "p", fine)).findings == []
    none = labels(exam_of(tmp_path / "q", [sample("a"), sample("b")]))
    assert ([finding.level for finding in none.findings], none.value["imbalance"]) == (["warning"], None)
    assert "no clip has a gloss" in none.findings[0].message


def test_splits_that_are_absent_or_partly_so(tmp_path: Path) -> None:
    def said(*splits: str) -> list[tuple[str, list[str]]]:
        samples = [sample(f"{n}", "a", split) for n, split in enumerate(splits)]
        findings = coverage(exam_of(tmp_path / "-".join(["p", *splits]), samples)).findings
        return [(finding.level, list(finding.clips)) for finding in findings]

    assert said("train", "test") == []
    assert said("none", "") == [("warning", [])]
    assert said("train", "none") == [], "an unlabelled part of a training set is what pre-training is for"
    assert said("train", "none", "val") == [("note", ["1"])]


def test_signers_of_several_splits(tmp_path: Path) -> None:
    samples = [
        signed("1", "a", "train", signer="anna"),
        signed("2", "a", "test", signer="anna"),
        signed("3", "a", "train", signer="ben"),
        signed("4", "a", "test", signer="cleo"),
        signed("5", "a", "val", signer=""),
    ]
    found = signer_overlap(exam_of(tmp_path / "p", samples))
    assert found.value == [{"signer": "anna", "splits": {"train": 1, "test": 1}, "clips": ["2"]}]
    assert "33 %" in found.findings[0].message
    assert signer_overlap(exam_of(tmp_path / "q", [sample("1", "a"), sample("2", "a", "test")])).findings == ()


LISTED = [
    {"id": "1", "gloss": "a", "split": "train"},
    {"id": "2", "gloss": "a", "split": "test"},
    {"id": "3", "gloss": "b", "split": "test"},
]


def test_missing_clips_and_coverage(tmp_path: Path) -> None:
    samples = [sample("1", "a", "train"), sample("2", "a", "test")]
    exam = exam_of(tmp_path / "p", samples, missing=LISTED)
    assert missing_clips(exam).value == [LISTED[2]]
    found = coverage(exam).value
    assert found["train"]["percent"] == 100
    test = found["test"]
    assert (test["clips"], test["listed"], test["percent"]) == (1, 2, 50)
    assert (test["classes"], test["listed_classes"], test["classes_lost"]) == (1, 2, ["b"])
    unknown = coverage(exam_of(tmp_path / "q", samples)).value["test"]
    assert (unknown["clips"], unknown["listed"], unknown["percent"]) == (1, None, None)


def test_split_hashes_are_those_of_reports(tmp_path: Path) -> None:
    exam = exam_of(tmp_path / "p", [sample("1", "a", "train"), sample("2", "a", "test"), sample("3", "b", "test")])
    assert split_hash(exam).value == {
        split: exam.pack.split_hash(exam.pack.select([split])) for split in ("train", "test")
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "id,gloss,split\n1,a,train\n2,a,test\n3,b,test\n"),
        ("l.csv", "ID, Label ,set\n1,a,Train\n2,a,test\n3, b,Test\n"),
        ("l.json", '[{"id": 1, "gloss": "a", "split": "train"}, {"id": 2, "gloss": "a", "subset": "test"}, '
                   '{"id": 3, "gloss": "b", "split": "test"}]'),
        ("l.json", '{"1": {"gloss": "a", "subset": "train"}, "2": {"gloss": "a", "split": "test"}, '
                   '"3": {"gloss": "b", "subset": "test"}}'),
    ],
)  # fmt: skip
def test_annotation_lists(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_annotations(tmp_path / name) == LISTED


@pytest.mark.parametrize(
    ("name", "text"),
    [("l.csv", "file\na\n"), ("l.json", "[1, 2]"), ("l.json", "{"), ("l.json", '{"1": 2}'), ("n", None)],
)
def test_what_is_no_list(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="wanted a CSV with a column `id`"):
        read_annotations(tmp_path / name)


def test_the_official_wlasl_list(data_dir: Path) -> None:
    files = sorted((data_dir / "annotations" / "wlasl").glob("nslt_100.json"))
    if not files:
        pytest.skip("no nslt_100.json")
    rows = read_annotations(files[0])
    assert len(rows) == 2038
    assert {row["split"] for row in rows} == {"train", "val", "test"}


def two_packs(tmp_path: Path) -> Exam:
    write_pack([signed("1", "a", "train"), signed("2", "a", "train"), signed("3", "a", "test")], tmp_path / "one.pack")
    write_pack([signed("1", "a", "test"), signed("2", "b", "train"), signed("4", "a", "test")], tmp_path / "two.pack")
    return examine(Pack([tmp_path / "one.pack", tmp_path / "two.pack"]))


def test_ids_in_several_packs(tmp_path: Path) -> None:
    exam = two_packs(tmp_path)
    found = repeated_ids(exam)
    assert [row["id"] for row in found.value] == ["1", "2"]
    assert found.value[0]["clips"] == ["one:1", "two:1"]
    assert {finding.level: finding.clips for finding in found.findings} == {
        "note": ["1", "2"],
        "error": ["1"],
        "warning": ["2"],
    }


def test_a_test_split_of_another_estimator(tmp_path: Path) -> None:
    samples = [signed(str(n), "a", "train", estimator="holistic", source="x") for n in range(8)]
    samples += [signed(f"t{n}", "a", "test", estimator="openpose", source="x") for n in range(4)]
    found = provenance(exam_of(tmp_path / "p", samples))
    assert found.value["estimator"] == {"train": {"holistic": 8}, "test": {"openpose": 4}}
    assert {finding.level for finding in found.findings} == {"warning", "note"}
    assert "test is not like train" in found.findings[0].message
    alike = [signed(str(n), "a", split, source="x") for n, split in enumerate(["train", "test"] * 4)]
    assert provenance(exam_of(tmp_path / "q", alike)).findings == []
