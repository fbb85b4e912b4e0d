"""The walk of the README on real signs, shortened: pack, pre-train, fine-tune, evaluate, k-NN (slow)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from twinsign.cli.main import main

pytestmark = pytest.mark.slow
CHANCE = 1.0
"""Percent, of 100 classes."""


def report(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_readme_walk_on_wlasl100(data_dir: Path, tmp_path: Path) -> None:
    pack, pre, run = (str(tmp_path / name) for name in ("wlasl300", "pre", "run"))
    quiet, once = ["--trainer.progress", "false"], ["--windows.count", "1"]  # three windows take thrice as long
    where = ["--where", "wlasl100=1"]
    assert main(["pack", "landmarks", "--data", str(data_dir / "wlasl300_hands.npz"), "--out", pack]) == 0
    assert (
        main(["pretrain", "--config", "small", "--data", pack, "--out", pre, "--pretrain.steps", "58", *quiet, *once])
        == 0
    )
    for model in ("none", pre):
        knn = ["knn", "--config", "small", "--model", model, "--data", pack, *where, "--split", "val"]
        assert main([*knn, *once, "--json", str(tmp_path / f"knn_{Path(model).name}.json")]) == 0
    finetune = ["finetune", "--config", "small", "--init", pre, "--data", pack, *where, "--out", run]
    assert main([*finetune, "--finetune.epochs", "4", *quiet, *once]) == 0
    evaluate = ["evaluate", "--model", run, "--data", pack, *where, "--split", "val"]
    assert main([*evaluate, "--json", str(tmp_path / "val.json")]) == 0
    found = report(tmp_path / "val.json")
    assert (found["clips"], found["label_count"], found["selected_on"]) == (165, 100, ["val"])
    assert found["interval95"]["per_instance.top1"][0] > 10 * CHANCE, "a few steps already tell signs apart"
    random, trained = (report(tmp_path / f"knn_{name}.json")["per_instance"]["top1"] for name in ("none", "pre"))
    assert trained > CHANCE
    assert random > CHANCE
    lowest = report(tmp_path / "knn_pre.json")["interval95"]["per_instance.top1"][0]
    assert lowest > 5 * CHANCE, "an epoch without labels already bring like signs together"
