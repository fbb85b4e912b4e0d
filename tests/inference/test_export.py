"""The ONNX file says what the RUN says: on generated and real clips, of any length, alone and together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.trained_runs import Trained
from torch import nn

from twinsign import __version__
from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.inference import export
from twinsign.inference.export_module import Portable, stack_recordings
from twinsign.inference.recogniser import Recogniser
from twinsign.pack.open import Pack
from twinsign.pose.layout import HANDS, JOINTS
from twinsign.pose.read import open_set
from twinsign.pose.recording import Recording
from twinsign.runs.models import load_encoders, random_encoders
from twinsign.runs.run import Run, load_run, save_run
from twinsign.views.config import WindowConfig

onnx = pytest.importorskip("onnx", reason="the extra `export` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
pytest.importorskip("onnxscript", reason="the extra `export` is not installed")
CLOSE = 1e-4
LONG = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


@pytest.fixture(scope="module")
def file(trained: Trained, folder: Path) -> Path:
    """The fine-tuned RUN as ONNX, written by the command."""
    assert main(["export", "--model", str(trained.finetuned), "--out", str(folder / "model.onnx")]) == 0
    return folder / "model.onnx"


@pytest.fixture(scope="module")
def session(file: Path) -> Any:
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def clips(trained: Trained) -> list[Recording]:
    """The test split, clip by clip."""
    pack = Pack(trained.pack)
    return [pack.recording(int(row)) for row in pack.select(["test"])]


def agree(session: Any, recogniser: Recogniser, recordings: Sequence[Recording]) -> float:
    """The largest difference of probabilities from `predict`; the glosses' order must be its order."""
    found = session.run(["probabilities", "has_hand"], stack_recordings(recordings))
    labels, worst = recogniser.run.labels, 0.0
    for shares, hand, wanted in zip(*found, recogniser.predict_many(recordings, top=len(labels)), strict=True):
        assert hand
        table = {guess.gloss: guess.confidence for guess in wanted.guesses}
        assert [labels[i] for i in np.argsort(-shares)] == list(table)
        worst = max(worst, *(abs(table[gloss] - share) for gloss, share in zip(labels, shares, strict=True)))
    return worst


def test_alone_and_together_as_predict(session: Any, trained: Trained, clips: list[Recording]) -> None:
    recogniser = Recogniser.load(trained.finetuned)
    assert recogniser.calibration.temperature != 1
    for recordings in ([clips[0]], [clips[1]], clips[:3], clips):
        assert agree(session, recogniser, recordings) < CLOSE


def test_one_frame_and_many(session: Any, trained: Trained, clips: list[Recording]) -> None:
    recogniser, one = Recogniser.load(trained.finetuned), clips[0]
    frame = int(np.flatnonzero(one.seen[:, HANDS].any(axis=1))[0])
    for index in ([frame], np.resize(np.arange(len(one.xy)), LONG)):
        assert agree(session, recogniser, [replace(one, xy=one.xy[index], score=one.score[index])] * 2) < CLOSE


@pytest.mark.parametrize("name", ["webcam", "wlasl_body_hands"])
def test_real_clips(data_dir: Path, session: Any, trained: Trained, name: str) -> None:
    opened = open_set(data_dir / f"{name}.npz")
    real = [opened.clip(number) for number in range(0, len(opened), len(opened) // 60)]
    real = [one for one in real if one.seen[:, HANDS].any()]
    recogniser = Recogniser.load(trained.finetuned)
    assert len(real) > 50
    assert len({len(one.xy) for one in real}) > 1
    assert max(agree(session, recogniser, [one]) for one in real) < CLOSE
    lengths = [len(one.xy) for one in real]
    same = [one for one in real if len(one.xy) == max(set(lengths), key=lengths.count)]
    assert agree(session, recogniser, same) < CLOSE


def test_without_a_hand_it_says_so_where_predict_refuses(
    session: Any, trained: Trained, clips: list[Recording]
) -> None:
    score = clips[1].score.copy()
    score[:, HANDS] = 0
    given = stack_recordings(
        [clips[0], replace(clips[1], score=score), Recording("x", clips[2].xy, 0 * clips[2].score)]
    )
    shares, embedding, hand = session.run(["probabilities", "embedding", "has_hand"], given)
    assert hand.tolist() == [True, False, False]
    assert np.isfinite(shares).all()
    assert np.isfinite(embedding).all()
    with pytest.raises(InputError, match="no hand"):
        Recogniser.load(trained.finetuned).predict(replace(clips[1], score=score))


def test_what_unseen_joints_hold_means_nothing(session: Any, clips: list[Recording]) -> None:
    given = stack_recordings(clips)
    one = session.run(["probabilities"], given)[0]
    junk = np.where(given["seen"][..., None] > 0, given["xy"], np.nan).astype(np.float32)
    np.testing.assert_array_equal(session.run(["probabilities"], {**given, "xy": junk})[0], one)


def test_the_file_says_what_it_is(file: Path, trained: Trained) -> None:
    model, run = onnx.load(file), load_run(trained.finetuned)
    onnx.checker.check_model(model)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    calibration = run.about["calibration"]
    assert json.loads(facts["labels"]) == run.labels
    assert json.loads(facts["threshold"]) == calibration["threshold"]
    assert json.loads(facts["temperature"]) == calibration["temperature"]
    assert json.loads(facts["recipe"]) == run.recipe.as_dict()
    assert json.loads(facts["joints"]) == list(JOINTS)
    assert (facts["twinsign"], facts["kind"], facts["run_hash"]) == (__version__, "classifier", run.digest())
    shapes = {
        one.name: [axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim]
        for one in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "xy": ["batch", "frames", 49, 2],
        "seen": ["batch", "frames", 49],
        "size": ["batch", 2],
        "probabilities": ["batch", 4],
        "embedding": ["batch", 32],
        "has_hand": ["batch"],
        "distance": ["batch"],
    }
    assert [one.name for one in file.parent.iterdir()] == [file.name], "one file, nothing beside it"


@pytest.mark.slow
def test_a_pretrained_run_gives_its_embedding(trained: Trained, tmp_path: Path, clips: list[Recording]) -> None:
    recipe = load_run(trained.pretrained).recipe
    recipe = replace(
        recipe,
        objective=replace(recipe.objective, branches=("joint",)),
        read=replace(recipe.read, idle="keep", longest=20),
        windows=WindowConfig(share=0.8, count=3),
    )
    encoders = random_encoders(recipe, seed=0)
    run = Run(tmp_path / "run", "pretrained", recipe, about={"protocol": "pretrain"})
    save_run(run, nn.ModuleDict({"encoders": encoders}))
    assert load_encoders(run).keys() == {"joint"}
    found = export.export_run(run.path, tmp_path / "model.onnx")
    assert set(found) == {"embedding", "has_hand", "distance"}
    assert found["embedding"] < CLOSE
    loaded = export.load_onnx(tmp_path / "model.onnx")
    assert export.differences(loaded, Portable(run), [[one] for one in clips])["embedding"] < CLOSE
    assert "labels" not in {entry.key for entry in onnx.load(tmp_path / "model.onnx").metadata_props}


def test_a_file_that_differs_is_not_written(
    trained: Trained, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The comparison is what decides: another RUN's file under this RUN's name does not pass."""
    (tmp_path / "model.onnx").write_text("an older one")
    content = file.read_bytes()
    form = export.FORMS[".onnx"]._replace(write=lambda portable, metadata, to: to.write_bytes(content))
    monkeypatch.setitem(export.FORMS, ".onnx", form)
    given = ["export", "--out", str(tmp_path / "model.onnx"), "--model"]
    assert main([*given, str(trained.linear)]) == 2
    assert "differs by" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "an older one"
    assert main([*given, str(trained.finetuned)]) == 0
    assert (tmp_path / "model.onnx").read_bytes() == content


def test_without_the_extra_it_names_it(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else object())
    assert main(["export", "--model", str(trained.linear), "--out", str(tmp_path / "m.onnx")]) == 2
    said = capsys.readouterr().err
    assert "onnxscript" in said
    assert "twinsign[export]" in said
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"ends in '\.xml'; wanted \.onnx or \.pt2"):
        export.export_run(trained.linear, tmp_path / "m.xml")


def test_torchs_own_file_says_the_same(trained: Trained, tmp_path: Path, clips: list[Recording]) -> None:
    assert main(["export", "--model", str(trained.linear), "--out", str(tmp_path / "model.pt2")]) == 0
    assert [one.name for one in tmp_path.iterdir()] == ["model.pt2"]
    portable, loaded = Portable(load_run(trained.linear)), export.load_program(tmp_path / "model.pt2")
    long = replace(clips[0], xy=np.resize(clips[0].xy, (LONG, 49, 2)), score=np.resize(clips[0].score, (LONG, 49)))
    found = export.differences(loaded, portable, [[one] for one in clips[:3]] + [clips, [long]])
    assert set(found) == {"probabilities", "embedding", "has_hand", "distance"}
    assert max(found.values()) < CLOSE
    facts = {"labels": "", "run_hash": ""}
    torch.export.load(tmp_path / "model.pt2", extra_files=facts)
    assert json.loads(facts["labels"]) == load_run(trained.linear).labels
    assert facts["run_hash"] == load_run(trained.linear).digest()


@pytest.mark.parametrize(("network", "ending"), [("conv_gru", ".onnx"), ("st_gcn", ".onnx"), ("conv_gru", ".pt2")])
def test_a_baseline_takes_any_batch_and_length(network: str, ending: str, trained: Trained, tmp_path: Path) -> None:
    """One branch and one window, since further ones are traced the same way, each as long as the first."""
    recipe = load_run(trained.pretrained).recipe
    recipe = replace(
        recipe,
        encoder=replace(recipe.encoder, network=network),
        objective=replace(recipe.objective, branches=("joint",)),
        windows=WindowConfig(share=0.8, count=1),
    )
    run = Run(tmp_path / "run", "pretrained", recipe, about={"protocol": "pretrain"})
    save_run(run, nn.ModuleDict({"encoders": random_encoders(recipe, seed=0)}))
    assert export.export_run(run.path, tmp_path / f"model{ending}")["embedding"] < CLOSE
