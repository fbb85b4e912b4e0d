"""A run's start: which precision it gets where the recipe leaves that open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from trained import Trained

from twinsign import prepare, protocols
from twinsign.prepare import settled
from twinsign.recipe import Recipe, load_recipe
from twinsign.run import Run, load_run, save_config


def run_of(folder: Path, precision: str) -> Run:
    recipe = load_recipe("demo")
    trainer = replace(recipe.trainer, precision=precision)  # type: ignore[arg-type]
    return Run(folder, "pretrained", replace(recipe, trainer=trainer), about={"protocol": "pretrain"})


def test_a_named_precision_stays(tmp_path: Path) -> None:
    run = run_of(tmp_path, "16-mixed")
    assert settled(run) is run


@pytest.mark.parametrize("bfloat16", [0.5, 2.0])
def test_auto_is_the_faster_one_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bfloat16: float) -> None:
    monkeypatch.setattr(prepare, "gemm_gflops", lambda device, side: {"float32": 1.0, "bfloat16": bfloat16})
    run = settled(run_of(tmp_path, "auto"))
    assert run.recipe.trainer.precision == ("bf16-mixed" if bfloat16 > 1 else "32-true")


@pytest.mark.parametrize("begun", ["bf16-mixed", "32-true"])
def test_a_run_goes_on_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: str) -> None:
    save_config(run_of(tmp_path, begun))
    monkeypatch.setattr(prepare, "gemm_gflops", lambda device, side: pytest.fail("measured again"))
    assert settled(run_of(tmp_path, "auto")).recipe.trainer.precision == begun


def test_a_finished_run_says_which_it_was(trained: Trained, tmp_path: Path) -> None:
    recipe: Recipe = load_run(trained.pretrained).recipe
    recipe = replace(recipe, trainer=replace(recipe.trainer, precision="auto"))
    protocols.pretrain(recipe, [trained.pack], tmp_path / "run", page=False)
    assert load_run(tmp_path / "run").recipe.trainer.precision in ("32-true", "bf16-mixed")
    protocols.pretrain(recipe, [trained.pack], tmp_path / "run", page=False)  # finished: left as it is
