"""A run's start: which precision it gets where the recipe leaves that open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.recordings import packed
from helpers.tiny_configs import pack_of, sample
from helpers.trained_runs import Trained

import twinsign as ts
from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz
from twinsign.runs.recipe import Recipe, load_recipe
from twinsign.runs.run import Run, load_run, save_config
from twinsign.train import precision, protocols
from twinsign.train.precision import resolve_precision
from twinsign.train.prepare import matches_finished_run, training_loader
from twinsign.views.batches import ClipReader
from twinsign.web.network import PageNetwork, describe_network


def run_of(folder: Path, precision: str) -> Run:
    recipe = load_recipe("demo")
    trainer = replace(recipe.trainer, precision=precision)  # type: ignore[arg-type]
    return Run(folder, "pretrained", replace(recipe, trainer=trainer), about={"protocol": "pretrain"})


def test_a_named_precision_stays(tmp_path: Path) -> None:
    run = run_of(tmp_path, "16-mixed")
    assert resolve_precision(run) is run


@pytest.mark.parametrize("bfloat16", [0.5, 2.0])
def test_auto_is_the_faster_one_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bfloat16: float) -> None:
    monkeypatch.setattr(precision, "gemm_gflops", lambda device, side: {"float32": 1.0, "bfloat16": bfloat16})
    run = resolve_precision(run_of(tmp_path, "auto"))
    assert run.recipe.trainer.precision == ("bf16-mixed" if bfloat16 > 1 else "32-true")


@pytest.mark.parametrize("begun", ["bf16-mixed", "32-true"])
def test_a_run_goes_on_as_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: str) -> None:
    save_config(run_of(tmp_path, begun))
    monkeypatch.setattr(precision, "gemm_gflops", lambda device, side: pytest.fail("measured again"))
    assert resolve_precision(run_of(tmp_path, "auto")).recipe.trainer.precision == begun


def test_a_finished_run_says_which_it_was(trained: Trained, tmp_path: Path) -> None:
    recipe: Recipe = load_run(trained.pretrained).recipe
    recipe = replace(recipe, trainer=replace(recipe.trainer, precision="auto"))
    protocols.pretrain(recipe, [trained.pack], tmp_path / "run", page=False)
    assert load_run(tmp_path / "run").recipe.trainer.precision in ("32-true", "bf16-mixed")
    protocols.pretrain(recipe, [trained.pack], tmp_path / "run", page=False)  # finished: left as it is


def test_another_run_is_refused_by_the_names_of_what_differs(tmp_path: Path) -> None:
    run = run_of(tmp_path, "32-true")
    save_config(run)
    recipe = run.recipe
    later = replace(recipe, finetune=replace(recipe.finetune, epochs=7), linear=replace(recipe.linear, epochs=7))
    assert not matches_finished_run(replace(run, recipe=later)), "what comes after a pre-training is not its own"
    other = replace(recipe, pretrain=replace(recipe.pretrain, augment=replace(recipe.pretrain.augment, rotation=1.0)))
    with pytest.raises(InputError, match=r"differs in seed, pretrain\.augment\.rotation;"):
        matches_finished_run(replace(run, recipe=other, about={**run.about, "seed": 1}))
    classifier = replace(run, kind="classifier", labels=["A", "B"], path=tmp_path / "classifier")
    save_config(classifier)
    with pytest.raises(InputError, match=r"differs in finetune\.epochs, linear\.epochs, labels;"):
        matches_finished_run(replace(classifier, recipe=later, labels=["A", "C"]))


def test_few_clips_are_warned_of_and_one_is_refused(
    trained: Trained, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = load_run(trained.pretrained).recipe
    one, three = tmp_path / "one.pack", tmp_path / "three.pack"
    pack_of(one, sample("a", "x"), sample("b", "x", "val"))
    pack_of(three, *(sample(name, name) for name in "abc"))
    with pytest.raises(InputError, match="1 clip to learn from; wanted 2 or more"):
        protocols.pretrain(recipe, [one], tmp_path / "run", page=False)
    few = ClipReader(Pack(three), np.arange(3), recipe.read)
    training_loader(few, 3, 0, recipe)
    assert not caplog.text
    training_loader(few, 8, 0, recipe)
    assert "3 clips are fewer than a batch of 8" in caplog.text


def test_glosses_of_one_recording_are_one_sign_from_training_to_answer(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pack that lists two recordings under another word, too: train, calibrate, evaluate, predict."""
    pack = Pack(str(trained.pack))
    clips = [pack.recording(row) for row in range(len(pack))]
    rows = [
        {name: str(value) for name, value in zip(("gloss", "split"), pair, strict=True)}
        for pair in zip(pack.table["gloss"].to_pylist(), pack.splits.tolist(), strict=True)
    ]
    first = rows[0]["gloss"]
    copied = [number for number, row in enumerate(rows) if row == {"gloss": first, "split": "train"}][:2]
    clips += [replace(clips[number], id=f"copy{number}") for number in copied]
    packed(tmp_path / "Q", clips, [*rows, *({"gloss": "synonym", "split": "train"} for _ in copied)])
    run = tmp_path / "run"
    command = ["finetune", "--config", str(trained.recipe), "--data", str(tmp_path / "Q"), "--init", "none"]
    assert main([*command, "--out", str(run)]) == 0
    assert load_run(run).about["same_signs"] == [sorted([first, "synonym"])]
    assert load_run(run).same_signs() == {first: ("synonym",), "synonym": (first,)}
    assert main([*command, "--out", str(run)]) == 0, "the same again is finished"

    evaluation = ts.evaluate(run, ts.ClipSelection([str(tmp_path / "Q")]), ["train"])
    scored, found = evaluation.scored, evaluation.report["same_signs"]
    guesses = [scored.glosses[place] for place in scored.scores.argmax(axis=1)]
    truth = [scored.glosses[place] for place in scored.labels]
    right = [guess == true or {guess, true} == {first, "synonym"} for guess, true in zip(guesses, truth, strict=True)]
    assert found == {"pairs": 1, "top1": pytest.approx(100 * sum(right) / len(right), abs=0.06)}

    model = ts.Recogniser.load(run)
    guesses = model.predict(clips[copied[0]], top=len(model.labels)).guesses
    assert {guess.gloss: guess.also for guess in guesses if guess.also} == {first: ("synonym",), "synonym": (first,)}
    assert next(guess for guess in guesses if guess.gloss == "synonym").as_dict()["also"] == [first]
    assert all("also" not in guess.as_dict() for guess in guesses if not guess.also)
    assert describe_network(model.run, PageNetwork(model.run))["same_signs"]["synonym"] == (first,)
    write_npz(clips[copied[0]], tmp_path / "clip.npz")
    capsys.readouterr()
    assert main(["predict", "--model", str(run), "--top", "5", str(tmp_path / "clip.npz")]) == 0
    assert f"synonym (or {first})" in " ".join(capsys.readouterr().out.split())
