"""The measurements while pre-training, on packs with and without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny_configs import ENCODER, OBJECTIVE, pack_of, sample

from twinsign.pack.open import Pack
from twinsign.runs.recipe import PretrainConfig, Recipe
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train.monitor import Monitor

RECIPE = Recipe(encoder=ENCODER, objective=OBJECTIVE, pretrain=PretrainConfig(frames=6))
HEALTH = {"effective_rank", "uniformity", "alignment"}


def monitor(pack: Pack, rows: list[int]) -> Monitor:
    torch.manual_seed(0)
    return Monitor(Pretrainer(ENCODER, OBJECTIVE), pack, np.asarray(rows), RECIPE)


def test_val_is_asked_among_the_training_clips(tmp_path: Path) -> None:
    clips = [sample(f"t{i}", "AB"[i % 2], look=i % 2) for i in range(6)]
    held = [sample("v0", "A", "val", look=0), sample("v1", "B", "val", look=1), sample("v2", "C", "val", look=2)]
    found = monitor(pack_of(tmp_path / "P", *clips, *held), list(range(6)))
    first, again = found(), found()
    assert set(first) == HEALTH | {"knn_top1"}
    assert first == again, "the same clips and views each time"
    assert first["knn_top1"] == 100
    assert sorted(found.query.tolist()) == [6, 7], "glosses that training lacks are not asked"
    assert all(np.isfinite(value) for value in first.values())


@pytest.mark.parametrize("split", ["val", "train"])
def test_without_labels_there_is_no_knn(tmp_path: Path, split: str) -> None:
    pack = pack_of(tmp_path / "P", *(sample(f"t{i}") for i in range(5)), sample("v", "A", split))
    assert set(monitor(pack, list(range(5)))()) == HEALTH


def test_measuring_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    pack = pack_of(tmp_path / "P", *(sample(f"t{i}") for i in range(5)))
    found = monitor(pack, list(range(5)))
    before = {name: value.clone() for name, value in found.model.state_dict().items()}
    found()
    assert found.model.training
    assert all(module.training for module in found.model.query.modules())
    assert all(torch.equal(value, before[name]) for name, value in found.model.state_dict().items())
