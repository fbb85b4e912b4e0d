"""`enrol`, `search` and `predict --dictionary` by the command line: files, packs, deletions, exit codes, messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.trained_runs import Trained, copy_essentials

from twinsign.cli.main import main
from twinsign.dictionary.store import DictionaryStore
from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz


@pytest.fixture
def run(trained: Trained, tmp_path: Path) -> Path:
    """A fine-tuned RUN of its own."""
    return copy_essentials(trained.finetuned, tmp_path / "run")


@pytest.fixture
def files(trained: Trained, tmp_path: Path) -> list[Path]:
    """Four recordings, two of each of two glosses, as files."""
    pack = Pack(trained.pack)
    glosses = np.asarray(pack.column("gloss"))
    rows = [
        row for gloss in np.unique(glosses)[:2] for row in np.flatnonzero((glosses == gloss) & pack.usable)[:2].tolist()
    ]
    found = [tmp_path / f"clip{number}.npz" for number in range(4)]
    for file, row in zip(found, rows, strict=True):
        write_npz(pack.recording(row), file)
    return found


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_enrol_search_delete(run: Path, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"PK\x03\x04 no more")
    enrol = ["enrol", "--model", str(run), "--gloss"]
    assert main([*enrol, "my sign", str(files[0]), str(files[1]), str(bad), "--signer", "Ada"]) == 3
    shown = capsys.readouterr()
    assert "bad.npz" in shown.err.replace("\n", "")
    assert "enrolled 2 recordings" in shown.out
    assert "no answer counts as sure" in shown.err.replace("\n", " ")
    assert main([*enrol, "other", str(files[2]), str(files[0])]) == 0
    shown = capsys.readouterr()
    assert "already enrolled, 1:" in shown.err.replace("\n", " ")
    assert main([*enrol, "third", str(bad)]) == 2
    listed = DictionaryStore.open(run / "dictionary").listed()
    assert [(one.gloss, one.signer) for one in listed] == [("my sign", "Ada"), ("my sign", "Ada"), ("other", "")]
    assert listed[0].source == str(files[0])
    capsys.readouterr()

    search = ["search", *map(str, files[:3]), "--dictionary", str(run / "dictionary"), "--top", "2", "--json"]
    assert main(search) == 0
    found = lines(capsys)
    assert found[2]["guesses"][0]["gloss"] == "other"  # of the others' two recordings it is the mean that counts
    assert [one["nearest"][0]["id"] for one in found] == [one.id for one in listed]
    assert all(len(one["guesses"]) == len(one["nearest"]) == 2 and one["sure"] is False for one in found)
    assert main([*search, "--by", "nearest", "--model", str(run)]) == 0
    assert [one["guesses"][0]["gloss"] for one in lines(capsys)] == ["my sign", "my sign", "other"]
    assert main(["search", str(files[0]), str(bad), "--model", str(run), "--by", "nearest"]) == 3
    assert "not sure; perhaps my sign" in " ".join(capsys.readouterr().out.split())
    assert main(["search", str(bad), "--model", str(run)]) == 2

    assert main(["enrol", "--model", str(run), "--delete", "my sign"]) == 0
    assert "deleted 2 recordings" in capsys.readouterr().out.replace("\n", " ")
    assert DictionaryStore.open(run / "dictionary").entries.glosses == ["other"]


def test_a_packs_signs_and_predict_beside_them(
    run: Path, trained: Trained, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signs = tmp_path / "signs"
    enrol = ["enrol", "--model", str(run), "--data", str(trained.pack), "--dictionary", str(signs)]
    assert main(enrol) == 0
    pack = Pack(trained.pack)
    train = pack.select(["train"])
    assert len(DictionaryStore.open(signs)) == pack.usable[train].sum()
    assert main(enrol) == 0
    assert f"already enrolled, {pack.usable[train].sum()}:" in capsys.readouterr().err.replace("\n", " ")
    assert main([*enrol, "--split", "val,test", "--where", f"gloss={pack.column('gloss')[0]}"]) == 0
    assert len(DictionaryStore.open(signs)) > pack.usable[train].sum()
    capsys.readouterr()
    predict = ["predict", str(files[0]), "--model", str(run), "--dictionary", str(signs)]
    assert main([*predict, "--json"]) == 0
    (found,) = lines(capsys)
    assert {"guesses", "sure", "enrolled"} <= set(found)
    assert set(found["enrolled"]) == {"guesses", "sure", "nearest"}
    assert main(predict) == 0
    assert "among the enrolled signs" in capsys.readouterr().out.replace("\n", " ")
    assert main(["predict", str(files[0]), "--model", str(trained.linear), "--dictionary", str(signs)]) == 2
    assert "vectors of the RUN" in capsys.readouterr().err


def test_what_makes_no_sense_is_refused(run: Path, files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    model, file = ["--model", str(run)], str(files[0])
    for given, said in (
        (["enrol", *model], "neither FILES"),
        (["enrol", *model, file, "--gloss", "a", "--delete", "b"], "several of FILES"),
        (["enrol", *model, file], "without --gloss"),
        (["enrol", *model, "--delete", "b", "--gloss", "a"], "without files"),
        (["enrol", *model, "--delete", "b"], "no sign 'b'"),
        (["search", file, *model], "no sign"),
        (["search", file, "--dictionary", str(run)], "without dictionary.json"),
    ):
        assert main(given) == 2
        shown = capsys.readouterr()
        assert said in shown.err.replace("\n", " "), shown.err
        assert shown.out == ""
