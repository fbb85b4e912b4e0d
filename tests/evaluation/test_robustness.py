"""Curves of damage: the start is the plain evaluation, a point is a plain evaluation of the spoilt pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.trained_runs import Trained

from twinsign.datasets.sample import Sample
from twinsign.errors import InputError
from twinsign.evaluation.evaluate import evaluate
from twinsign.evaluation.robustness import resolve_kinds, robustness
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection
from twinsign.pack.write import write_pack
from twinsign.pose.corruptions import PERTURBATIONS
from twinsign.report.trends import robustness_figure


def report(trained: Trained, *kinds: str, seed: int = 0) -> dict:
    return robustness(trained.finetuned, ClipSelection([trained.pack]), ["test"], kinds, seed, lambda _: None)


def test_the_start_is_the_evaluation_of_the_clips_as_recorded(trained: Trained) -> None:
    found = report(trained, "mirror")
    wanted = evaluate(trained.finetuned, ClipSelection([trained.pack]), ["test"]).report
    for name in ("per_instance", "per_class", "clips", "classes", "split_hash", "selected_on"):
        assert found[name] == wanted[name], name
    points = found["curves"]["mirror"]["points"]
    assert [point["level"] for point in points] == [0.5, 1.0]
    for point in points:
        change = point["per_instance"]["top1"] - found["per_instance"]["top1"]
        assert point["change"] == pytest.approx(change, abs=0.006)
        assert 0 < point["p"] <= 1


def test_a_point_is_the_evaluation_of_a_spoilt_pack(trained: Trained, tmp_path: Path) -> None:
    pack = Pack(trained.pack)
    rows, level, place = pack.select(["test"]), 0.5, list(PERTURBATIONS).index("hands")
    samples = []
    for row in rows.tolist():
        random = np.random.default_rng([4, place, 500, row])
        spoilt = PERTURBATIONS["hands"].apply(pack.recording(row), level, random)
        gloss = pack.table["gloss"][row].as_py()
        samples.append(Sample(spoilt.id, lambda spoilt=spoilt: spoilt, {"gloss": gloss, "split": "test"}))
    write_pack(samples, tmp_path / "P")
    wanted = evaluate(trained.finetuned, ClipSelection([tmp_path / "P"]), ["test"]).report
    points = report(trained, "hands", seed=4)["curves"]["hands"]["points"]
    (point,) = [one for one in points if one["level"] == level]
    assert point["per_instance"] == wanted["per_instance"]
    assert point["per_class"] == wanted["per_class"]


def test_the_seed_decides_and_kinds_do_not_disturb_each_other(trained: Trained) -> None:
    alone, beside = report(trained, "noise"), report(trained, "mirror", "noise")
    assert alone["curves"]["noise"] == beside["curves"]["noise"]
    assert list(beside["curves"]) == ["mirror", "noise"]
    assert resolve_kinds([]) == list(PERTURBATIONS)
    with pytest.raises(InputError, match="kind 'rain'; wanted some of noise, joints"):
        resolve_kinds(["noise", "rain"])


def test_the_picture_starts_at_no_damage(trained: Trained) -> None:
    found = report(trained, "mirror", "rotation")
    figure = robustness_figure(found)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["mirror", "rotation"]
    line = figure.axes[1].lines[0]
    assert line.get_xdata().tolist() == [0, 5, 10, 20, 45]
    assert line.get_ydata()[0] == found["per_instance"]["top1"]
