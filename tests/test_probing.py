"""Retrieval by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trained import Trained

from twinsign.cli import main
from twinsign.recognise.scores import read_scores


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    ("model", "options", "by"),
    [
        ("linear", [], "logits"),
        ("linear", ["--by", "prototype"], "prototype"),
        ("pretrained", [], "nearest"),
    ],
)
def test_retrieve(trained: Trained, tmp_path: Path, model: str, options: list[str], by: str) -> None:
    report, scores = tmp_path / "R.json", tmp_path / "S.npz"
    given = ["retrieve", "--model", str(trained.folder / model), "--data", str(trained.pack), *options]
    assert main([*given, "--json", str(report), "--scores", str(scores)]) == 0
    found, file = load(report), read_scores(scores)
    ranks = [
        1 + sum(score >= row[label] for c, score in enumerate(row) if c != label)
        for row, label in zip(file.scores, file.truth, strict=True)
    ]
    assert found["by"] == by
    assert found["per_instance"]["mrr"] == pytest.approx(100 * np.mean([1 / rank for rank in ranks]), abs=0.006)
    assert found["per_instance"]["recall5"] == 100
    assert (found["clips"], found["classes"], found["split"]) == (8, 4, ["test"])
    assert found["signers"]["shared"] == 0
    assert ("gallery_clips" in found) == (by != "logits")


def test_a_gallery_apart_from_its_queries(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["retrieve", "--model", str(trained.pretrained), "--data", str(trained.pack), "--split", "train"]
    assert main(given) == 2
    assert "gallery apart from the clips" in capsys.readouterr().err
    assert main([*given, "--split", "test", "--by", "logits"]) == 2
    assert "a pre-trained run without a classifier" in capsys.readouterr().err
