"""Stopped anywhere and started again, a training ends where an uninterrupted one does, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from helpers.trained_runs import Trained
from helpers.warm_process import WarmProcess

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.files import locked
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection
from twinsign.runs.recipe import Recipe, recipe_from, recipe_values
from twinsign.runs.run import Run, read_metrics
from twinsign.train import protocols
from twinsign.train.callbacks import Checkpoints
from twinsign.train.monitor import Monitor

PATIENCE = 600.0
"""Seconds that a process may take."""
SAVES = 10
"""Of last.ckpt in two epochs of five steps, saved after each."""


class CutError(Exception):
    """Stands for the power cut."""


@pytest.fixture(autouse=True)
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and monitors take longer than these trainings."""
    monkeypatch.setattr(protocols, "write_pretraining_page", lambda *_: None)
    monkeypatch.setattr(Monitor, "__call__", lambda _: {})


@pytest.fixture
def recipe(trained: Trained) -> Recipe:
    """Two epochs of five steps, a checkpoint at each."""
    found = recipe_from(recipe_values(trained.recipe))
    parts = {name: replace(getattr(found, name), batch_size=4) for name in ("pretrain", "finetune")}
    dropout = replace(found.encoder, dropout=0.3)
    return replace(found, **parts, encoder=dropout, trainer=replace(found.trainer, save_every=1))


def train(kind: str, recipe: Recipe, trained: Trained, out: Path) -> Run:
    if kind == "pretrain":
        return protocols.pretrain(recipe, [trained.pack], out)
    return protocols.finetune(recipe, "none", ClipSelection([trained.pack]), out, page=False)


def stop_after(monkeypatch: pytest.MonkeyPatch, saves: int, name: str = "last.ckpt") -> None:
    """Raise CutError right after that many checkpoints of this name were written."""
    save, left = Checkpoints._save, [saves]

    def counted(self: Checkpoints, trainer: pl.Trainer, file: str) -> None:
        save(self, trainer, file)
        left[0] -= file == name
        if left[0] == 0 and file == name:
            raise CutError

    monkeypatch.setattr(Checkpoints, "_save", counted)


def state(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(out / "checkpoints" / "last.ckpt", weights_only=False)
    return found


def same_end(one: Path, other: Path) -> None:
    """Weights byte for byte; banks, optimiser and schedule value for value; the same best epoch."""
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    mine, theirs = state(one), state(other)
    assert mine["global_step"] == theirs["global_step"] == 10
    assert mine["state_dict"].keys() == theirs["state_dict"].keys()
    for name, value in mine["state_dict"].items():
        assert torch.equal(value, theirs["state_dict"][name]), name
    torch.testing.assert_close(mine["optimizer_states"], theirs["optimizer_states"], rtol=0, atol=0)
    assert mine["lr_schedulers"] == theirs["lr_schedulers"]
    rows = [[{**row, "minutes": 0} for row in read_metrics(out) if "epoch" in row] for out in (one, other)]
    assert rows[0] == rows[1]
    assert [row["epoch"] for row in rows[0]] == [0, 1]


@pytest.fixture(scope="module")
def whole(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where uninterrupted trainings lie."""
    return tmp_path_factory.mktemp("whole")


def uninterrupted(kind: str, recipe: Recipe, trained: Trained, whole: Path) -> Path:
    if not (whole / kind / "weights.safetensors").is_file():
        train(kind, recipe, trained, whole / kind)
    return whole / kind


@pytest.mark.parametrize("kind", ["pretrain", "finetune"])
@pytest.mark.parametrize("saves", [1, 4, 5, 6, 10])
def test_stopped_after_any_checkpoint(
    kind: str, saves: int, recipe: Recipe, trained: Trained, whole: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wanted, out = uninterrupted(kind, recipe, trained, whole), tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_after(patch, saves)
        with pytest.raises(CutError):
            train(kind, recipe, trained, out)
    assert not (out / "weights.safetensors").exists()
    train(kind, recipe, trained, out)
    same_end(out, wanted)


def test_the_saves_counted_above_are_all(
    recipe: Recipe, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(monkeypatch, SAVES + 1)
    train("pretrain", recipe, trained, tmp_path / "out")
    stop_after(monkeypatch, SAVES)
    with pytest.raises(CutError):
        train("pretrain", recipe, trained, tmp_path / "out2")


def test_stopped_three_times(
    recipe: Recipe, trained: Trained, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = uninterrupted("pretrain", recipe, trained, whole)
    for _ in range(3):
        with monkeypatch.context() as patch:
            stop_after(patch, 3)
            with pytest.raises(CutError):
                train("pretrain", recipe, trained, tmp_path / "out")
    train("pretrain", recipe, trained, tmp_path / "out")
    same_end(tmp_path / "out", wanted)


def test_stopped_between_best_and_last(
    recipe: Recipe, trained: Trained, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = uninterrupted("finetune", recipe, trained, whole)
    with monkeypatch.context() as patch:
        stop_after(patch, 1, "best.ckpt")
        with pytest.raises(CutError):
            train("finetune", recipe, trained, tmp_path / "out")
    train("finetune", recipe, trained, tmp_path / "out")
    same_end(tmp_path / "out", wanted)


@pytest.mark.parametrize("kind", ["pretrain", "finetune"])
def test_checkpoints_and_worker_processes_change_nothing(
    kind: str, recipe: Recipe, trained: Trained, whole: Path, tmp_path: Path
) -> None:
    wanted = uninterrupted(kind, recipe, trained, whole)
    other = replace(recipe, trainer=replace(recipe.trainer, save_every=0, workers=1))
    train(kind, other, trained, tmp_path / "out")
    same_end(tmp_path / "out", wanted)


def test_another_seed_ends_elsewhere(recipe: Recipe, trained: Trained, whole: Path, tmp_path: Path) -> None:
    wanted = uninterrupted("pretrain", recipe, trained, whole)
    protocols.pretrain(recipe, [trained.pack], tmp_path / "out", seed=1)
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() != (wanted / "weights.safetensors").read_bytes()


def test_rows_past_the_checkpoint_are_dropped_and_the_resumption_noted(
    recipe: Recipe, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse = replace(recipe, trainer=replace(recipe.trainer, save_every=3))
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(CutError):
            train("pretrain", sparse, trained, tmp_path / "out")
    with (tmp_path / "out" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "epoch": 0}\n')
    train("pretrain", sparse, trained, tmp_path / "out")
    rows = read_metrics(tmp_path / "out")
    assert [row["step"] for row in rows] == [3, 5, 10]
    assert rows[0]["resumed_from_step"] == 3
    assert "loss" in rows[1]


def test_ctrl_c_ends_with_130_and_goes_on_later(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    save = Checkpoints._save

    def interrupted(self: Checkpoints, trainer: pl.Trainer, name: str) -> None:
        save(self, trainer, name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_save", interrupted)
        assert trained.pretrain(tmp_path / "out") == 130
    assert signal.getsignal(signal.SIGINT) == handler
    assert "resumes" in capsys.readouterr().err
    assert trained.pretrain(tmp_path / "out") == 0
    ours, theirs = tmp_path / "out" / "weights.safetensors", trained.pretrained / "weights.safetensors"
    assert ours.read_bytes() == theirs.read_bytes()


def test_a_killed_process_leaves_a_folder_to_go_on_with(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--config", str(trained.recipe), "--data", str(trained.pack), "--out", str(out)]
    options += ["--trainer.save_every", "1", "--pretrain.epochs", "100000"]
    with (tmp_path / "log").open("wb") as log:
        process = WarmProcess(["pretrain", *options], log.fileno())
    try:
        deadline = time.monotonic() + PATIENCE
        while not (out / "checkpoints" / "last.ckpt").is_file() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        assert main(["pretrain", *options]) == 2, "two processes in one folder"
    finally:
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL
    assert state(out)["global_step"] > 0
    with locked(out):
        pass
    assert not (out / "weights.safetensors").exists()


def test_a_folder_in_use_is_refused(recipe: Recipe, trained: Trained, tmp_path: Path) -> None:
    for kind in ("pretrain", "finetune"):
        with locked(tmp_path / "out"), pytest.raises(InputError, match="in use"):
            train(kind, recipe, trained, tmp_path / "out")
    with locked(tmp_path / "out"), pytest.raises(InputError, match="in use"):
        protocols.linear(recipe, "none", ClipSelection([trained.pack]), tmp_path / "out")


def test_a_loss_that_is_no_number_stops_the_training(trained: Trained, recipe: Recipe, tmp_path: Path) -> None:
    optimiser = replace(recipe.finetune.optimiser, lr=1e30)
    wild = replace(recipe, finetune=replace(recipe.finetune, optimiser=optimiser, epochs=5))
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"(loss of|are no numbers).*bad_batch.json.*Lower the learning rate"):
        train("finetune", replace(wild, trainer=replace(wild.trainer, save_every=0)), trained, out)
    assert not (out / "weights.safetensors").exists()
    assert not (out / "checkpoints" / "last.ckpt").exists()
    told = json.loads((out / "bad_batch.json").read_text())
    known = set(Pack(trained.pack).column("id"))
    assert told["found"] in ("a loss of nan", "a loss of inf", "weights that are no numbers")
    for batch in told["batches"]:
        assert len(batch["clips"]) == 4
        assert {clip["id"] for clip in batch["clips"]} <= known
        assert {clip["pack"] for clip in batch["clips"]} == {str(trained.pack)}
    assert [batch["batch"] for batch in told["batches"]] == [told["batch"], told["batch"] - 1]


class Evil:
    """What a pickle does when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.file),)


def test_a_checkpoint_runs_no_code(recipe: Recipe, trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "checkpoints").mkdir(parents=True)
    torch.save({"global_step": 0, "state_dict": {}, "x": Evil(tmp_path / "ran")}, out / "checkpoints" / "last.ckpt")
    with pytest.raises(InputError, match="a damaged checkpoint"):
        train("pretrain", recipe, trained, out)
    assert not (tmp_path / "ran").exists()
