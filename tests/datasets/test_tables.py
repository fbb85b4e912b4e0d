"""Annotation files as rows: what each field has to be, and errors that name file, row and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.dataset_files import written

from twinsign.datasets.tables import Row, annotation_files, json_rows, read_csv, read_json, read_lines, split_of
from twinsign.errors import InputError

FIELDS = {"a": " x ", "empty": " ", "n": 3, "digits": " 12", "f": 1.5, "b": True, "null": None, "list": [1, 2.5]}
ROW = Row(Path("file.json"), "row 7", FIELDS)


def test_fields_as_what_they_have_to_be() -> None:
    assert (ROW.text("a"), ROW.integer("n"), ROW.integer("digits"), ROW.number("f")) == ("x", 3, 12, 1.5)
    assert (ROW.optional("n"), ROW.optional("f"), ROW.optional("null"), ROW.optional("absent")) == ("3", "1.5", "", "")
    assert ROW.numbers("list", 2) == [1, 2.5]
    assert Row(Path(), "", {"p": "a\\b/c.mp4"}).path("p") == "a/b/c.mp4"


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (ROW.text, "empty"),
        (ROW.text, "n"),
        (ROW.text, "absent"),
        (ROW.integer, "f"),
        (ROW.integer, "b"),
        (ROW.integer, "a"),
        (ROW.number, "a"),
        (ROW.number, "b"),
        (ROW.number, "null"),
        (ROW.optional, "list"),
        (ROW.optional, "b"),
        (ROW.split, "a"),
        (lambda name: ROW.integer(name, 4), "n"),
        (lambda name: ROW.integer(name, 0, 2), "n"),
        (lambda name: ROW.numbers(name, 3), "list"),
    ],
)
def test_wrong_fields_name_file_row_and_field(read: object, name: str) -> None:
    assert callable(read)
    with pytest.raises(InputError) as caught:
        read(name)
    assert caught.value.file == Path("file.json")
    assert f"{name!r} of row 7" in str(caught.value)


@pytest.mark.parametrize("number", ["9" * 5000, "1" + "0" * 61, "--1", "²", "nan", "inf", "1e400"])
def test_odd_numbers(number: str) -> None:
    row = Row(Path("f"), "row 0", {"x": number})
    for read in (row.integer, row.number):
        if number.isdecimal() and len(number) < 100 and read == row.number:
            continue
        with pytest.raises(InputError, match="'x' of row 0"):
            read("x")


@pytest.mark.parametrize("path", ["../a", "a/../../b", "/etc/passwd", "C:\\x", "..\\a"])
def test_paths_that_leave_their_folder(path: str) -> None:
    with pytest.raises(InputError, match="below the folder"):
        Row(Path("f"), "row 0", {"x": path}).path("x")


def test_csv(tmp_path: Path) -> None:
    rows = read_csv(written(tmp_path / "a.csv", "\ufeffid,gloss\n1,a\n2,\n"), ("id",))
    assert [(row.place, row.text("id"), row.optional("gloss")) for row in rows] == [
        ("line 2", "1", "a"),
        ("line 3", "2", ""),
    ]
    headless = read_csv(written(tmp_path / "b.csv", "x,1\n"), ("name", "class"), ("name", "class"))
    assert [(row.text("name"), row.integer("class")) for row in headless] == [("x", 1)]


@pytest.mark.parametrize(
    ("content", "word"),
    [("name\nx\n", "columns name"), ("id,id\n1,2\n", "id, id"), ("id,x\n1,2,3\n", "line 2"), ('id\n"a', "end of data")],
)
def test_bad_csv(tmp_path: Path, content: str, word: str) -> None:
    path = written(tmp_path / "a.csv", content)
    with pytest.raises(InputError, match=word) as caught:
        read_csv(path, ("id",))
    assert caught.value.file == path


def test_bad_json_and_text(tmp_path: Path) -> None:
    for content in (b"{", b"\xff\xfe", b"[" * 100_000, b"[" + b"9" * 5000 + b"]"):
        path = tmp_path / "a.json"
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_json(path, "a list")
        assert caught.value.file == path
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "a.txt", tmp_path / "absent.txt", tmp_path):
        with pytest.raises(InputError):
            read_lines(path)
    with pytest.raises(InputError, match="row 1 that is int"):
        list(json_rows(tmp_path, [{}, 3]))
    with pytest.raises(InputError, match="a list"):
        list(json_rows(tmp_path, {}))


def test_files_given_and_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("b_train.json", "a_val.json", "notes.md"):
        written(tmp_path / name, "x")
    assert [one.name for one in annotation_files([tmp_path], "*.JSON")] == ["a_val.json", "b_train.json"]
    assert annotation_files([tmp_path / "notes.md"], "*.json") == [tmp_path / "notes.md"]
    for given in ([tmp_path], []):
        with pytest.raises(InputError, match=r"\*\.csv"):
            annotation_files(given, "*.csv")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"),
        ("MSASL_val.json", "val"),
        ("validation_labels.csv", "val"),
        ("split.test.csv", "test"),
        ("trainlist01.txt", "train"),
        ("include50_dev.txt", "val"),
    ],
)
def test_splits_of_names(name: str, split: str) -> None:
    assert split_of(Path(name)) == split


@pytest.mark.parametrize("name", ["labels.csv", "training_test.csv", "latest.csv", "contrain.csv"])
def test_names_without_a_split(name: str) -> None:
    with pytest.raises(InputError, match="train, val or test"):
        split_of(Path(name))
