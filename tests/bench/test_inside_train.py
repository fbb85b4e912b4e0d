"""Folds inside train: every clip is asked once, by layers and neighbours that never saw it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.trained_runs import Trained
from numpy.typing import NDArray
from torch import Tensor

from twinsign.errors import InputError
from twinsign.nn.features import joint_embedding
from twinsign.pack.open import Pack
from twinsign.pack.selection import select_labelled_training
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import load_run

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import inside_train


def test_every_clip_is_asked_once_by_the_other_folds() -> None:
    folds, asked_of = np.array([0, 1, 2, 0, 1, 2, 2]), []

    def guess(learnt: NDArray[np.int64], asked: NDArray[np.int64]) -> Tensor:
        assert sorted([*learnt, *asked]) == list(range(7))
        assert not set(folds[learnt]) & set(folds[asked])
        asked_of.extend(asked.tolist())
        return torch.eye(2)[asked % 2]

    right = inside_train.crossed(guess, folds).argmax(axis=1) == np.array([0, 1, 0, 0, 0, 1, 0])
    assert sorted(asked_of) == list(range(7))
    assert right.tolist() == [True, True, True, False, True, True, True]


def test_layer_and_neighbours_find_what_is_there_and_not_what_is_not() -> None:
    torch.manual_seed(0)
    labels = torch.arange(60) % 3
    there = torch.nn.functional.one_hot(labels, 3) + 0.1 * torch.randn(60, 3)
    folds, config = np.arange(60) // 12, replace(Recipe().linear, epochs=30, batch_size=8)
    for x, least, most in ((there, 1.0, 1.0), (torch.randn(60, 3), 0.0, 0.65)):
        unit = joint_embedding({"joint": x})

        def by_layer(learnt: NDArray[np.int64], asked: NDArray[np.int64], x: Tensor = x) -> Tensor:
            return inside_train.by_layer({"joint": x}, [{"joint": x}], labels, 3, config, learnt, asked)

        def by_neighbours(learnt: NDArray[np.int64], asked: NDArray[np.int64], unit: Tensor = unit) -> Tensor:
            return inside_train.by_neighbours(unit, labels, 3, learnt, asked)

        for guess in (by_layer, by_neighbours):
            right = inside_train.crossed(guess, folds).argmax(axis=1) == labels.numpy()
            assert least <= right.mean() <= most


def test_a_run_beside_the_random_encoder(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "found.json"
    given = [str(trained.pretrained), str(trained.pretrained), "none", "--config", str(trained.recipe)]
    given += ["--data", str(trained.pack), "--count", "3", "--share", "0.7", "--json", str(out)]
    monkeypatch.setattr(sys, "argv", ["inside_train", *given])
    monkeypatch.setattr(inside_train, "FOLDS", 2)
    inside_train.main()
    found = json.loads(out.read_text())
    data, glosses = select_labelled_training(Pack(trained.pack), [], 1.0, 0)
    assert (found["clips"], found["glosses"], len(found["found"])) == (len(data.rows), len(glosses), 6)
    assert found["split_hash"] == Pack(trained.pack).split_hash(data.rows)
    assert found["found"][0]["windows"] == {"share": 0.7, "count": 3}
    assert [one["run_digest"] for one in found["found"][::2]] == [load_run(trained.pretrained).digest()] * 2 + [None]
    for one, again in zip(found["found"][:2], found["found"][2:4], strict=True):
        assert one == again, "the same RUN twice is no change"
        assert (one["change"], one["change95"], one["p"]) == (0, [0, 0], 1)


def test_a_classifier_knows_the_labels(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [str(trained.linear), "--data", str(trained.pack), "--json", str(tmp_path / "found.json")]
    monkeypatch.setattr(sys, "argv", ["inside_train", *given])
    with pytest.raises(InputError, match="classifier"):
        inside_train.main()
