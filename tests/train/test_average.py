"""The mean of several fine-tunings' weights as one RUN."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.trained_runs import Trained

import twinsign as ts
from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.runs.run import WEIGHTS, load_run
from twinsign.train.average import AVERAGED, average


@pytest.fixture(scope="module")
def others(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The session's fine-tuned RUN, and another of the same start by another seed."""
    other = tmp_path_factory.mktemp("average") / "seed1"
    assert trained.classify("finetune", other, "--seed", "1") == 0
    return [trained.finetuned, other]


def test_every_weight_is_the_mean_and_the_labels_of_the_first_row_stay(others: list[Path], tmp_path: Path) -> None:
    assert main(["average", *map(str, others), "--out", str(tmp_path / "mean")]) == 0
    made, (one, two) = load_run(tmp_path / "mean"), map(load_run, others)
    for name, value in made.weights().items():
        first, second = (run.weights()[name] for run in (one, two))
        wanted = (first.double() + second.double()) / 2 if value.is_floating_point() else first
        assert torch.allclose(value.double(), wanted.double(), atol=1e-6), name
    assert made.labels == one.labels
    assert [entry["seed"] for entry in made.about[AVERAGED]] == [0, 1]
    assert [entry["digest"] for entry in made.about[AVERAGED]] == [one.digest(), two.digest()]


def test_a_mean_answers_is_calibrated_and_knows_its_training_clips(
    trained: Trained, others: list[Path], tmp_path: Path
) -> None:
    mean = tmp_path / "mean"
    average(others, mean)
    assert "calibration" not in load_run(mean).about
    assert main(["calibrate", "--model", str(mean), "--data", str(trained.pack)]) == 0
    assert load_run(mean).about["calibration"]["temperature"] > 0
    evaluation = ts.evaluate(mean, ts.ClipSelection([str(trained.pack)]), ["test"])
    assert np.isfinite(evaluation.scored.scores).all()
    assert evaluation.report["clips"] > 0
    assert (mean / "learnt.parquet").read_bytes() == (trained.finetuned / "learnt.parquet").read_bytes()


def test_the_mean_of_a_run_with_itself_is_that_run(others: list[Path], tmp_path: Path) -> None:
    mean = average([others[0]] * 3, tmp_path / "mean")
    wanted = load_run(others[0]).weights()
    assert all(torch.allclose(value, wanted[name], atol=1e-7) for name, value in mean.weights().items())


def test_where_they_began_may_be_one_of_them(trained: Trained, others: list[Path], tmp_path: Path) -> None:
    further = [tmp_path / f"further{seed}" for seed in (0, 1)]
    for seed, run in enumerate(further):
        assert trained.classify("finetune", run, "--seed", str(seed), init=others[0]) == 0
    made = average([others[0], *further], tmp_path / "mean")
    weights = [load_run(run).weights() for run in (others[0], *further)]
    for name, value in made.weights().items():
        if value.is_floating_point():
            assert torch.allclose(value, sum(each[name] for each in weights) / 3, atol=1e-6), name
    with pytest.raises(InputError, match="start unlike those of"):
        average([others[1], *further], tmp_path / "mixed")


def test_the_same_command_again_gives_the_same_and_another_run_is_not_overwritten(
    trained: Trained, others: list[Path], tmp_path: Path
) -> None:
    mean = tmp_path / "mean"
    average(others, mean)
    before = (mean / WEIGHTS).read_bytes()
    assert main(["calibrate", "--model", str(mean), "--data", str(trained.pack)]) == 0
    assert average(others, mean).about["calibration"]["temperature"] > 0, "what is finished stays as it is"
    (mean / WEIGHTS).unlink()  # as if it had been stopped before its last file
    average(others, mean)
    assert (mean / WEIGHTS).read_bytes() == before
    with pytest.raises(InputError, match="a run that differs in averaged"):
        average(others[::-1], mean)
    assert (mean / WEIGHTS).read_bytes() == before


def test_what_does_not_begin_alike_is_refused(trained: Trained, others: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 RUN"):
        average(others[:1], tmp_path / "mean")
    for strange in (trained.linear, trained.pretrained):
        with pytest.raises(InputError, match="no fine-tuning of a trained RUN"):
            average([others[0], strange], tmp_path / "mean")
    scratch = tmp_path / "scratch"
    assert trained.classify("finetune", scratch, init="none") == 0
    with pytest.raises(InputError, match="no fine-tuning of a trained RUN"):
        average([scratch, scratch], tmp_path / "mean")
    fewer = tmp_path / "fewer"
    assert trained.classify("finetune", fewer, "--labels_per_class", "1") == 0
    with pytest.raises(InputError, match="clips unlike those of"):
        average([others[0], fewer], tmp_path / "mean")
    renamed = tmp_path / "renamed"
    shutil.copytree(others[1], renamed)
    (renamed / "labels.json").write_text('["a", "b", "c", "d"]')
    with pytest.raises(InputError, match="glosses unlike those of"):
        average([others[0], renamed], tmp_path / "mean")
    damaged = tmp_path / "damaged"
    shutil.copytree(others[1], damaged)
    (damaged / WEIGHTS).write_bytes((damaged / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged weights"):
        average([others[0], damaged], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
