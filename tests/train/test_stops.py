"""Killed, stopped, out of room or robbed of its pack: a training says so and goes on, bit for bit, later."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.trained_runs import Trained

from twinsign.cli.main import main
from twinsign.files import locked
from twinsign.runs.run import read_metrics
from twinsign.train import protocols
from twinsign.train.callbacks import Journal
from twinsign.train.monitor import Monitor
from twinsign.train.tasks import PretrainModule

CHANGES = "pretrain: {frames: 8, epochs: 2, batch_size: 4, monitor_every: 0}\n"


@pytest.fixture(autouse=True)
def no_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and monitors take longer than these trainings."""
    monkeypatch.setattr(protocols, "write_pretraining_page", lambda *_: None)
    monkeypatch.setattr(Monitor, "__call__", lambda _: {})


@pytest.fixture(scope="module")
def recipe(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs of five steps, with dropout."""
    text = trained.recipe.read_text().replace(
        "pretrain: {frames: 8, epochs: 2, batch_size: 8, monitor_every: 1}\n", CHANGES
    )
    file = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    file.write_text(text.replace("depth: 1", "depth: 1\n  dropout: 0.3"))
    return file


@pytest.fixture(scope="module")
def train(trained: Trained, recipe: Path) -> Callable[..., int]:
    """The command; a checkpoint every other step."""

    def run(out: Path, *options: str, pack: Path = trained.pack) -> int:
        common = ["--config", str(recipe), "--data", str(pack), "--out", str(out), "--trainer.save_every", "2"]
        return main(["pretrain", *common, *options])

    return run


@pytest.fixture(scope="module")
def whole(train: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocols, "write_pretraining_page", lambda *_: None)
        assert train(out) == 0
    return out


def state(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(out / "checkpoints" / "last.ckpt", weights_only=False)
    return found


def same(one: Path, other: Path) -> None:
    """Weights byte for byte; banks, optimiser, schedule and means value for value; the same rows."""
    assert (one / "weights.safetensors").read_bytes() == (other / "weights.safetensors").read_bytes()
    ours, theirs = state(one), state(other)
    for name in ("state_dict", "optimizer_states", "lr_schedulers", "twinsign", "global_step"):
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=0)
    rows = [[{**row, "minutes": 0} for row in read_metrics(out) if "epoch" in row] for out in (one, other)]
    assert rows[0] == rows[1]
    assert not list(one.rglob(".*.tmp"))


def in_a_child(run: Callable[[], int]) -> int:
    """The exit status of a forked process that runs this: cheap, and as mortal as any other."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            torch.set_num_threads(1)
            code = run()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def at_step(patch: pytest.MonkeyPatch, number: int, act: Callable[[], Any]) -> None:
    """Do something amid a step."""
    step = PretrainModule.training_step

    def acting(self: PretrainModule, batch: Any, batch_idx: int) -> Any:
        if self.number + 1 == number:
            act()
        return step(self, batch, batch_idx)

    patch.setattr(PretrainModule, "training_step", acting)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_step(patch: pytest.MonkeyPatch) -> None:
    at_step(patch, 4, killed)


def in_the_first_step(patch: pytest.MonkeyPatch) -> None:
    at_step(patch, 1, killed)


def in_writing(patch: pytest.MonkeyPatch) -> None:
    """Half of the second checkpoint is on the disk."""
    save, left = torch.save, [2]

    def halved(value: Any, file: Any) -> None:
        save(value, file)
        left[0] -= 1
        if left[0] == 0:
            file.truncate(file.tell() // 2)
            file.flush()
            killed()

    patch.setattr(torch, "save", halved)


def after_the_row(patch: pytest.MonkeyPatch) -> None:
    """An epoch's row is written, its checkpoint is not."""
    write = Journal.on_train_epoch_end

    def then_killed(self: Journal, *args: Any) -> None:
        write(self, *args)
        killed()

    patch.setattr(Journal, "on_train_epoch_end", then_killed)


@pytest.mark.parametrize("where", [in_the_first_step, in_a_step, in_writing, after_the_row])
def test_killed_anywhere_it_goes_on(
    where: Callable[[pytest.MonkeyPatch], None], train: Callable[..., int], whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        where(patch)
        assert in_a_child(lambda: train(out)) == -signal.SIGKILL
    assert not (out / "weights.safetensors").exists()
    assert train(out) == 0
    same(out, whole)
    resumed = [row["resumed_from_step"] for row in read_metrics(out) if "resumed_from_step" in row]
    assert resumed == {in_the_first_step: [], in_a_step: [2], in_writing: [2], after_the_row: [4]}[where]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_it_saves_and_says_so(
    number: signal.Signals,
    code: int,
    train: Callable[..., int],
    whole: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
    out, handlers = tmp_path / "out", [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.MonkeyPatch.context() as patch:
        at_step(patch, 2, lambda: os.kill(os.getpid(), number))
        assert train(out, "--trainer.save_every", "0") == code
    assert f"stopped by {number.name}; the same command resumes after step 3" in capsys.readouterr().err
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    signal.signal(signal.SIGINT, inherited)
    assert state(out)["global_step"] == 3
    assert train(out) == 0
    same(out, whole)


def test_a_full_disk_leaves_the_last_checkpoint(
    train: Callable[..., int], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, limits = tmp_path / "out", resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        at_step(patch, 4, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1])))
        try:
            assert train(out) == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err
    assert "no way to write" in said
    assert "last.ckpt" in said
    assert "File too large" in said
    assert state(out)["global_step"] == 2
    assert not list(out.rglob(".*.tmp"))
    assert train(out) == 0
    same(out, whole)


def test_without_its_pack_it_says_which(
    trained: Trained, train: Callable[..., int], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack, out = tmp_path / "P", tmp_path / "out"
    shutil.copy(trained.pack, pack)
    with pytest.MonkeyPatch.context() as patch:
        at_step(patch, 4, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert train(out, pack=pack) == 143
    before = (out / "checkpoints" / "last.ckpt").read_bytes()
    pack.unlink()
    assert train(out, pack=pack) == 2
    assert str(pack) in capsys.readouterr().err
    assert (out / "checkpoints" / "last.ckpt").read_bytes() == before
    shutil.copy(trained.pack, pack)
    assert train(out, pack=pack) == 0
    assert (out / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def test_a_damaged_checkpoint_is_named(
    train: Callable[..., int], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    (out / "weights.safetensors").unlink()
    last = out / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:5000])
    assert train(out) == 2
    assert "last.ckpt: found a damaged checkpoint" in capsys.readouterr().err


def test_a_finished_run_is_left_as_it_is(train: Callable[..., int], whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"}
    assert train(out) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    assert train(tmp_path / "out") == 2
    assert str(tmp_path / "out") in capsys.readouterr().err


def test_a_worker_that_outlives_its_training_holds_no_lock(tmp_path: Path) -> None:
    """The lock's file is inherited by forked processes, and would stay locked as long as one of them lives."""
    ear, mouth = os.pipe()

    def trainer() -> int:
        with locked(tmp_path):
            if os.fork() == 0:
                os.read(ear, 1)
                os._exit(0)
            killed()
        return 0

    assert in_a_child(trainer) == -signal.SIGKILL
    try:
        with locked(tmp_path):
            pass
    finally:
        os.write(mouth, b"x")
