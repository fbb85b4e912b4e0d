"""Two processes with batches of 8 do what one does with batches of 16: norms, losses, gradients, banks, RUNs."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.distributed_runs import (
    OBJECTIVES,
    cut_and_resumed,
    exchange,
    fail,
    finetuning,
    method,
    norm,
    training,
    work,
)
from helpers.trained_runs import Trained
from safetensors.torch import load_file

from twinsign.errors import InputError, StoppedError, TwinsignError
from twinsign.nn.config import HeadConfig
from twinsign.runs.recipe import Recipe, TrainerConfig, load_recipe
from twinsign.runs.run import load_run, read_metrics
from twinsign.train import processes, protocols
from twinsign.train.launch import must_start, start
from twinsign.train.monitor import Monitor
from twinsign.train.processes import KilledError, WorkerResult

PROCESSES = 2


def recipes(trained: Trained) -> dict[str, Recipe]:
    """The tiny recipe without dropout, for one process, in what the trainings below vary."""
    found = load_recipe(str(trained.recipe))
    base = replace(
        found,
        encoder=replace(found.encoder, dropout=0.0),
        objective=replace(found.objective, bank_size=23),
        pretrain=replace(found.pretrain, batch_size=16, monitor_every=0),
        finetune=replace(found.finetune, batch_size=16),
        # Lightning knows this precision, too: differences beyond its rounding are ours.
        trainer=replace(found.trainer, save_every=1, precision="64-true"),  # type: ignore[arg-type]
    )
    return {
        "float64": base,
        "bfloat16": replace(base, trainer=replace(base.trainer, precision="bf16-mixed")),
        "accumulated": replace(
            base, trainer=replace(base.trainer, accumulate=2), pretrain=replace(base.pretrain, batch_size=8)
        ),
        "both parts": base,
        "one part": replace(base, finetune=replace(base.finetune, head=HeadConfig(parts=("hand",)))),
        "class means": replace(base, finetune=replace(base.finetune, head=HeadConfig(start="means"))),
    }


def shared(recipe: Recipe) -> Recipe:
    """The same for a company: as many clips a step."""
    sizes = {
        name: replace(getattr(recipe, name), batch_size=getattr(recipe, name).batch_size // PROCESSES)
        for name in ("pretrain", "finetune")
    }
    return replace(recipe, trainer=replace(recipe.trainer, devices=PROCESSES), **sizes)


def tasks(trained: Trained, folder: Path, company: bool) -> dict[str, Any]:
    """What is done, by name."""
    known = {name: shared(recipe) if company else recipe for name, recipe in recipes(trained).items()}
    found: dict[str, Any] = {
        f"training {name}": (training, (trained.pack, known[name], folder / name), {})
        for name in ("float64", "bfloat16", "accumulated")
    }
    for name in ("both parts", "one part", "class means"):
        found[f"finetuning {name}"] = finetuning, (trained.pack, known[name], folder / f"finetuned {name}"), {}
    found |= {name: (method, (objective,), {}) for name, objective in OBJECTIVES.items()}
    found |= {"float32": (method, (OBJECTIVES["paper"], torch.float32), {})}
    found |= {"norm": (norm, (), {}), "exchange": (exchange, (), {})}
    if company:
        whole = replace(known["both parts"], encoder=replace(known["both parts"].encoder, dropout=0.3))
        whole = replace(whole, pretrain=replace(whole.pretrain, batch_size=4))
        whole = replace(
            whole, pretrain=replace(whole.pretrain, batch_size=4), trainer=replace(whole.trainer, precision="32-true")
        )
        for name in ("whole", "cut"):
            found[name] = cut_and_resumed, (trained.pack, whole, folder / name, name == "cut"), {}
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Of the company's RUNs, and of the one process's."""
    return tmp_path_factory.mktemp("company"), tmp_path_factory.mktemp("alone")


@pytest.fixture(scope="module")
def company(trained: Trained, folders: tuple[Path, Path]) -> dict[str, Any]:
    """What two processes found."""
    found: dict[str, Any] = start(PROCESSES, work, (tasks(trained, folders[0], True),))
    return found


@pytest.fixture(scope="module")
def alone(trained: Trained, folders: tuple[Path, Path]) -> dict[str, Any]:
    """What one process found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Monitor, "__call__", lambda _: {})
        return work(tasks(trained, folders[1], False))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_method_is_the_same(name: str, company: dict[str, Any], alone: dict[str, Any]) -> None:
    ours, theirs = company[name], alone[name]
    assert ours["alike"]
    for part in ("losses", "accuracy", "gradients", "state"):
        torch.testing.assert_close(ours[part], theirs[part], rtol=1e-9, atol=1e-9)
    assert all(loss[0] > 0.1 for loss in ours["losses"][1:])


def test_in_float32_the_first_losses_agree_to_rounding(company: dict[str, Any], alone: dict[str, Any]) -> None:
    ours, theirs = (torch.stack(found["float32"]["losses"][:2]) for found in (company, alone))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_mixed_precision_keeps_the_banks_alike(company: dict[str, Any], folders: tuple[Path, Path]) -> None:
    assert company["training bfloat16"]["alike"]
    ours, theirs = (read_metrics(folder / "bfloat16")[0]["loss"] for folder in folders)
    assert ours == pytest.approx(theirs, rel=0.1)


def test_the_norm_is_that_of_all_rows(company: dict[str, Any], alone: dict[str, Any]) -> None:
    torch.testing.assert_close(company["norm"], alone["norm"], rtol=1e-4, atol=1e-4)


def test_rows_and_sums_of_all(company: dict[str, Any], alone: dict[str, Any]) -> None:
    assert company["exchange"]["rows"].tolist() == alone["exchange"]["rows"].tolist() == list(range(7))
    assert company["exchange"]["sum"] == 21
    assert company["exchange"]["first"].tolist() == [0, 0]


@pytest.mark.parametrize(("name", "tolerance"), [("float64", 1e-8), ("accumulated", 1e-8)])
def test_a_pretraining_is_the_same(
    name: str, tolerance: float, company: dict[str, Any], alone: dict[str, Any], folders: tuple[Path, Path]
) -> None:
    ours, theirs = company[f"training {name}"], alone[f"training {name}"]
    assert ours["alike"]
    torch.testing.assert_close(ours["state"], theirs["state"], rtol=tolerance, atol=tolerance)
    same_rows(folders[0] / name, folders[1] / name, tolerance)
    one, other = (torch.load(folder / name / "checkpoints" / "last.ckpt", weights_only=False) for folder in folders)
    assert one["global_step"] == other["global_step"] > 3
    torch.testing.assert_close(one["optimizer_states"], other["optimizer_states"], rtol=tolerance, atol=tolerance)


def same_rows(one: Path, other: Path, tolerance: float) -> None:
    """metrics.jsonl says the same, but for the minutes."""
    ours, theirs = read_metrics(one), read_metrics(other)
    for row in (*ours, *theirs):
        del row["minutes"]
    assert len(ours) == 2
    for mine, its in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(its, rel=tolerance, abs=2e-5)


@pytest.mark.parametrize("name", ["both parts", "one part", "class means"])
def test_a_finetuning_is_the_same_and_so_is_its_run(
    name: str, company: dict[str, Any], alone: dict[str, Any], folders: tuple[Path, Path]
) -> None:
    one, other = (folder / f"finetuned {name}" for folder in folders)
    torch.testing.assert_close(
        load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors"), rtol=1e-6, atol=1e-6
    )
    same_rows(one, other, 1e-6)
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
    names = ("per_instance", "per_class", "clips", "split_hash")
    ours, theirs = (json.loads((path / "val.json").read_text()) for path in (one, other))
    assert {key: ours[key] for key in names} == {key: theirs[key] for key in names}


def test_a_company_that_is_cut_goes_on_bit_for_bit(company: dict[str, Any], folders: tuple[Path, Path]) -> None:
    assert company["cut"]["cut"]
    whole, cut = (folders[0] / name for name in ("whole", "cut"))
    assert (whole / "weights.safetensors").read_bytes() == (cut / "weights.safetensors").read_bytes()
    ours, theirs = (torch.load(path / "checkpoints" / "last.ckpt", weights_only=False) for path in (cut, whole))
    torch.testing.assert_close(ours["state_dict"], theirs["state_dict"], rtol=0, atol=0)
    rows = [{**row, "minutes": 0} for row in read_metrics(cut) if "resumed_from_step" not in row]
    assert rows == [{**row, "minutes": 0} for row in read_metrics(whole)]
    assert len(read_metrics(cut)) == len(rows) + 1


def test_a_process_that_is_killed_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.5)
    with pytest.raises(TwinsignError, match=r"process 1 of 2 was ended by signal SIGKILL.*resumes"):
        start(2, fail)


def test_the_error_that_explains_most_is_told() -> None:
    lost = WorkerResult(0, error=RuntimeError("connection closed by peer"))
    read = WorkerResult(
        1, error=pickle.loads(pickle.dumps(InputError("a", "b", file="c", clip="d", frame=3, hint="e")))
    )
    killed, stopped = WorkerResult(2, error=KilledError("killed")), WorkerResult(3, error=StoppedError(15, 7))
    assert [one.rank for one in sorted([lost, stopped, killed, read], key=WorkerResult.order)] == [1, 2, 3, 0]
    assert str(read.error) == "c, clip 'd', frame 3: found a; wanted b. e"
    assert str(pickle.loads(pickle.dumps(stopped.error))) == str(stopped.error)


def test_another_number_of_processes_does_not_go_on(
    trained: Trained, company: dict[str, Any], folders: tuple[Path, Path], tmp_path: Path
) -> None:
    recipe = recipes(trained)["both parts"]
    out = tmp_path / "out"
    shutil.copytree(folders[0] / "whole", out)
    (out / "weights.safetensors").unlink()
    alone = replace(load_run(out).recipe, trainer=recipe.trainer)
    with pytest.raises(InputError, match=r"1 processes.*2 processes.*trainer.devices"):
        protocols.pretrain(alone, [trained.pack], out, page=False)


def test_processes_are_started_only_where_none_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not must_start(TrainerConfig())
    assert must_start(TrainerConfig(devices=2))
    with pytest.raises(InputError, match="torchrun"):
        must_start(TrainerConfig(num_nodes=2))
    for names in (("RANK", "LOCAL_RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS")):
        with monkeypatch.context() as patch:
            for name, value in zip(names, "314", strict=True):
                patch.setenv(name, value)
            assert not must_start(TrainerConfig(devices=2, num_nodes=2))
            with pytest.raises(InputError, match="4 processes for"):
                must_start(TrainerConfig(devices=2))
