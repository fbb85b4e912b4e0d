"""A person's own table: columns and splits under other names, other encodings, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import recording

from twinsign.cli.main import main
from twinsign.datasets.columns import find_columns, parse_columns
from twinsign.datasets.folder import folder_corpus
from twinsign.datasets.sample import Corpus, Sample
from twinsign.datasets.splits import label_notes, normalise_splits
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz

SPLITS = ("train", "train", "val", "test")
ROWS = [(f"{gloss}/{number}.npz", gloss, split) for gloss in ("tea", "milk") for number, split in enumerate(SPLITS)]


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    """Two glosses of four clips."""
    rng = np.random.default_rng(1)
    for name, _, _ in ROWS:
        (tmp_path / "poses" / name).parent.mkdir(parents=True, exist_ok=True)
        write_npz(recording(rng, "own", 3), tmp_path / "poses" / name)
    return tmp_path / "poses"


def table(
    poses: Path, header: str, rows: list[tuple[str, ...]] = ROWS, between: str = ",", code: str = "utf-8"
) -> Path:
    file = poses.parent / "clips.csv"
    file.write_bytes("\n".join([header, *(between.join(row) for row in rows), ""]).encode(code))
    return file


def splits_of(corpus: Corpus) -> list[tuple[str, str]]:
    return [(sample.row.get("gloss", ""), sample.row.get("split", "")) for sample in corpus.samples]


@pytest.mark.parametrize(
    "header",
    ["file,gloss,split", "File , GLOSS, Split", "filename,label,set", "PATH,Word,Subset", "video,class,Partition"],
)
def test_columns_are_found_under_their_usual_names(poses: Path, header: str) -> None:
    corpus = folder_corpus(poses, table(poses, header, [(file, f" {gloss} ", split) for file, gloss, split in ROWS]))
    assert splits_of(corpus) == [(gloss, split) for _, gloss, split in ROWS]
    taken = [note for note in corpus.notes if "taken as" in note]
    assert len(taken) == (0 if "gloss" in header.lower() else 2), "other names are taken, and that is said"


@pytest.mark.parametrize(("between", "code"), [(";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-8")])
def test_what_spreadsheets_write(poses: Path, between: str, code: str) -> None:
    file = table(poses, between.join(("file", "gloss", "split")), [*ROWS, ("", "", "")], between, code)
    assert splits_of(folder_corpus(poses, file)) == [(gloss, split) for _, gloss, split in ROWS]


def test_a_table_in_another_encoding_says_where(poses: Path) -> None:
    file = table(poses, "file,gloss", [("tea/0.npz", "té")], code="latin-1")
    with pytest.raises(InputError, match=r"0xe9 in line 2.*save it as UTF-8"):
        folder_corpus(poses, file)


def test_columns_by_option(poses: Path) -> None:
    file = table(poses, "where_it_is,what,part,word,class")
    chosen = parse_columns("file=where_it_is, gloss=what,split=Part")
    with pytest.raises(InputError, match="missing or extra fields"):
        folder_corpus(poses, table(poses, "a,b"), columns={"file": "a"})
    rows = [(*row, "1", "2") for row in ROWS]
    file = table(poses, "where_it_is,what,part,word,class", rows)
    assert splits_of(folder_corpus(poses, file, columns=chosen)) == [(gloss, split) for _, gloss, split in ROWS]
    with pytest.raises(InputError, match=r"word.*class.*gloss=word"):
        folder_corpus(poses, file, columns={"file": "where_it_is"})
    with pytest.raises(InputError, match=r"no column 'wht'.*gloss=what"):
        folder_corpus(poses, file, columns={**chosen, "gloss": "wht"})
    neither = folder_corpus(poses, file, columns={"file": "where_it_is", "gloss": ""})
    assert {sample.row["word"] for sample in neither.samples} == {"1"}
    assert not any("gloss" in sample.row for sample in neither.samples)


@pytest.mark.parametrize("text", ["file", "file=", "gloss=a,gloss=b", "spot=x"])
def test_mappings_that_are_none(text: str) -> None:
    if text == "file=":
        with pytest.raises(InputError, match="a column file"):
            find_columns(Path("t.csv"), [{"file": "a"}], parse_columns(text))
        return
    with pytest.raises(InputError, match="FIELD=COLUMN"):
        parse_columns(text)


def test_misspelt_columns_are_asked_about(poses: Path) -> None:
    _, notes = find_columns(Path("t.csv"), [dict.fromkeys(("file", "glos", "spilt", "level"), "x")], {})
    assert [note.split("--columns ")[1] for note in notes] == ["gloss=glos", "split=spilt"]
    with pytest.raises(InputError, match="perhaps file=fiel"):
        find_columns(Path("t.csv"), [{"fiel": "a", "gloss": "b"}], {})


def test_a_table_without_labels_or_splits_says_so(poses: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["pack", "folder", "--poses", str(poses), "--out", str(poses.parent / "p"), "--workers", "0"]
    file = table(poses, "file,meaning,part,score")
    file = table(poses, "file,meaning,part,score", [(*row, "7") for row in ROWS])
    assert main([*command, "--annotations", str(file)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "no clip has a gloss" in said
    assert "no clip has a split: pre-training takes all" in said
    assert "column 'score' is one that a pack keeps itself" in said
    assert main([*command, "--annotations", str(file), "--columns", "gloss=meaning,split=part"]) == 0
    assert Pack(poses.parent / "p").column("split") == [split for _, _, split in ROWS]


def test_other_names_of_splits(poses: Path) -> None:
    words = {"train": "Training", "val": "dev", "test": "TEST"}
    corpus = folder_corpus(poses, table(poses, "file,gloss,split", [(a, b, words[c]) for a, b, c in ROWS]))
    assert splits_of(corpus) == [(gloss, split) for _, gloss, split in ROWS]
    assert "split 'dev' (2 clips) taken as val" in corpus.notes
    again = normalise_splits(corpus)
    assert again is corpus
    rows = [(file, gloss, "holdout" if split == "test" else split) for file, gloss, split in ROWS]
    with pytest.raises(InputError, match=r"split 'holdout' of 2 clips; wanted train, val \(dev"):
        folder_corpus(poses, table(poses, "file,gloss,split", rows))


def test_folders_named_dev_and_folders_of_no_split(poses: Path) -> None:
    for split, gloss in (("dev", "tea"), ("Train", "milk")):
        (poses.parent / "all" / split).mkdir(parents=True)
        (poses / gloss).rename(poses.parent / "all" / split / gloss)
    corpus = folder_corpus(poses.parent / "all")
    assert set(splits_of(corpus)) == {("tea", "val"), ("milk", "train")}
    (poses.parent / "all" / "dev").rename(poses.parent / "all" / "somebody")
    mixed = folder_corpus(poses.parent / "all")
    assert len(mixed.samples) == 4
    assert "4 pose files are left out, such as somebody/tea/0.npz" in " ".join(mixed.notes)
    (poses.parent / "all" / "Train").rename(poses.parent / "all" / "anybody")
    with pytest.raises(InputError, match=r"8 pose files in other folders.*SPLIT/GLOSS/clip"):
        folder_corpus(poses.parent / "all")


def test_no_row_is_the_tables_fault(poses: Path) -> None:
    with pytest.raises(InputError, match="no row") as caught:
        folder_corpus(poses, table(poses, "file,gloss", []))
    assert caught.value.file == poses.parent / "clips.csv"


def test_files_as_people_write_them(poses: Path) -> None:
    rows = [("tea\\0.npz", "tea"), ("tea/1", "tea"), ("tea/2.mp4", "tea"), ("poses/milk/0.npz", "milk")]
    corpus = folder_corpus(poses, table(poses, "file,gloss", rows))
    assert [sample.id for sample in corpus.samples] == ["tea/0", "tea/1", "tea/2", "poses/milk/0"]
    assert [len(sample.read().xy) for sample in corpus.samples] == [3] * 4
    assert any(note.startswith("4 pose files are in no row of clips.csv") for note in corpus.notes)
    (poses / "tea" / "1.json").write_text("[]")
    corpus = folder_corpus(poses, table(poses, "file,gloss", [("tea/1", "tea")]))
    with pytest.raises(InputError, match=r"no such file|ends in"):
        corpus.samples[0].read()


def test_glosses_that_are_the_numbers_of_persons(poses: Path) -> None:
    (poses / "tea").rename(poses / "26734")
    (poses / "milk").rename(poses / "9")
    table(poses, "path,sign,participant_id", [("26734/0.npz", "tea", "26734")])
    notes = folder_corpus(poses).notes
    assert any("2 glosses are numbers" in note and "clips.csv" in note for note in notes)
    corpus = folder_corpus(poses, poses.parent / "clips.csv")
    assert corpus.samples[0].row == {"gloss": "tea", "signer": "26734"}


def test_what_is_lacking_is_counted() -> None:
    def corpus(*rows: dict[str, str]) -> Corpus:
        return Corpus([Sample(str(number), lambda: None, row) for number, row in enumerate(rows)])  # type: ignore[arg-type,return-value]

    assert label_notes(corpus({"gloss": "a", "split": "train"})) == []
    assert [note[:7] for note in label_notes(corpus({"gloss": "a"}, {"split": "val"}))] == ["1 of 2 ", "1 of 2 "]


def test_a_column_called_set_that_holds_no_splits_is_left_as_it_is(poses: Path) -> None:
    rows = [(file, gloss, "recorded in May") for file, gloss, _ in ROWS]
    corpus = folder_corpus(poses, table(poses, "file,gloss,set", rows))
    assert all("split" not in sample.row for sample in corpus.samples)
    assert {sample.row["set"] for sample in corpus.samples} == {"recorded in May"}
