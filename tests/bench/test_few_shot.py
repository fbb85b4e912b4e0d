"""Few recordings a sign: intervals over draws and groups, pairs, and no encoder that was taught the asked signs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.trained_runs import Trained

from twinsign.errors import InputError

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import few_shot


def test_the_interval_is_that_of_the_groups() -> None:
    """Ten groups of equal clips, half of them right: the binomial spread of ten, not of the hundred clips."""
    hits = np.repeat([[1.0, 0.0]] * 3, 50, axis=1)
    found = few_shot.interval("top1", hits, np.repeat(np.arange(10), 10))
    assert found["top1"] == 50
    low, high = found["top1_interval95"]
    assert 15 <= low <= 25
    assert 75 <= high <= 85
    alone = few_shot.interval("top1", hits, np.arange(100))["top1_interval95"]
    assert high - low > 2.5 * (alone[1] - alone[0])


def test_ways_are_paired_with_time_warping(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "found.json"
    given = ["few_shot", "--model", str(trained.pretrained), "--data", str(trained.pack), "--json", str(out)]
    monkeypatch.setattr(sys, "argv", [*given, "--shots", "1", "2", "--draws", "2"])
    few_shot.main()
    found = {(one["encoder"], one["by"], one["shots"]): one for one in json.loads(out.read_text())["few"]}
    assert {name for name, _, _ in found} == {"dtw", "without", "pre-trained"}
    for (name, _, shots), one in found.items():
        assert one["above_dtw"] == pytest.approx(one["top1"] - found["dtw", "nearest", shots]["top1"])
        if name == "dtw":
            assert one["above_dtw_interval95"] == [0, 0]
        low, high = one["top1_interval95"]
        assert low <= one["top1"] <= high


def test_no_encoder_that_was_taught_the_asked_signs(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["few_shot", "--model", str(trained.pretrained), "--data", str(trained.pack)]
    given += ["--supervised", str(trained.linear), "--json", str(tmp_path / "found.json")]
    monkeypatch.setattr(sys, "argv", given)
    with pytest.raises(InputError, match="glosses that it was trained on"):
        few_shot.main()
