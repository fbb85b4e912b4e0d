"""Models that come with the package: found by name, small, whole, never written to, and right about real signs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.evaluation.calibrate import recalibrate
from twinsign.inference.embedder import Embedder
from twinsign.inference.load import load
from twinsign.inference.recogniser import Recogniser
from twinsign.nn.config import each_network
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection
from twinsign.pose.read import write_npz
from twinsign.runs.recipe import AbstainConfig
from twinsign.runs.run import keep_report, load_run
from twinsign.runs.shipped import CARD, LICENCE, shipped_models, shipped_path
from twinsign.synthetic.corpus import SyntheticConfig, synthesise

MEGABYTES = 12
NAMES = ("asl2000", "asl300", "encoder")
SIGNS = {"asl300": 300, "asl2000": 1996}


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated recording as a pose file."""
    file = tmp_path_factory.mktemp("clip") / "clip.npz"
    recording, _ = next(iter(synthesise(SyntheticConfig(glosses=2, signers=8))))
    write_npz(recording, file)
    return file


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_every_model_is_there_with_its_card_and_licence_and_small() -> None:
    models = {model.name: model for model in shipped_models()}
    assert tuple(models) == NAMES
    for model in models.values():
        assert model.size < MEGABYTES * 10**6
        assert {"what", "signs", "accuracy", "licence", "made"} <= set(model.facts)
        assert (model.path.parent / LICENCE).is_file()
        assert not list(model.path.rglob("*.ckpt"))
        if model.name in SIGNS:
            assert len(load_run(model.name).labels) == SIGNS[model.name] == model.facts["signs"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_goes_where_a_run_goes(name: str) -> None:
    model = load(name)
    assert isinstance(model, Embedder if name == "encoder" else Recogniser)
    run = load_run(name)
    assert (run.shipped, run.reference) == (True, name)
    assert all(np.isfinite(value.numpy()).all() for value in run.weights().values() if value.is_floating_point())


def test_recognisers_are_of_two_kinds_and_know_words_for_one_sign() -> None:
    for name in SIGNS:
        run = load_run(name)
        assert [network.network for network in each_network(run.recipe.encoder)] == ["conv_gru", "gcn_transformer"]
        assert "past" in run.same_signs()["before"]
        assert {*run.same_signs()} <= {*run.labels}


def test_a_local_folder_of_the_same_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped_path("asl300") is not None
    assert shipped_path("../asl300") is None
    shutil.copytree(load_run("asl300").path, tmp_path / "asl300")
    assert shipped_path("asl300") is None
    assert not load_run("asl300").shipped


def test_an_unknown_name_lists_the_models() -> None:
    with pytest.raises(InputError, match="asl2000, asl300, encoder"):
        load_run("asl3000")


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in listed] == [*NAMES]
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in NAMES)
    assert "not commercial" in printed


def test_nothing_is_written_into_a_shipped_model(
    tmp_path: Path, clip_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = load_run("asl300").path
    before = files_of(folder.parent)
    assert keep_report(folder, {"split": ["test"], "split_hash": "0" * 16}) is None
    with pytest.raises(InputError, match="cannot be written"):
        recalibrate("asl300", ClipSelection([tmp_path / "pack"]), ["val"], AbstainConfig())
    assert main(["predict", str(clip_file)]) == 0
    assert main(["enrol", str(clip_file), "--gloss", "mine"]) == 0
    assert main(["search", str(clip_file)]) == 0
    assert (tmp_path / "dictionary" / "dictionary.json").is_file()
    assert json.loads((tmp_path / "dictionary" / "dictionary.json").read_text())["run"] == "asl2000"
    assert files_of(folder.parent) == before


def test_real_signs_are_named(data_dir: Path, tmp_path: Path) -> None:
    """On test clips that chose nothing: far above chance, and of the sure answers most are right."""
    assert (
        main(["pack", "landmarks", "--data", str(data_dir / "wlasl300_hands.npz"), "--out", str(tmp_path / "P")]) == 0
    )
    pack, model = Pack(tmp_path / "P"), Recogniser.load("asl300")
    rows = pack.select(["test"])[:100]
    answers = [model.predict(pack.recording(row)) for row in rows.tolist()]
    glosses = pack.table["gloss"].take(rows).to_pylist()
    right = [answer.guesses[0].gloss == gloss for answer, gloss in zip(answers, glosses, strict=True)]
    assert np.mean(right) > 0.5
    sure = [hit for hit, answer in zip(right, answers, strict=True) if answer.sure]
    assert len(sure) >= 10
    assert np.mean(sure) > 0.8


def test_cards_say_what_the_files_are() -> None:
    for model in shipped_models():
        facts = json.loads((model.path / CARD).read_text())
        count = sum(value.numel() for value in load_run(model.name).weights().values())
        assert facts["weights"] == count
