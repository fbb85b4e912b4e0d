"""The command `bench`: the contract of its JSON, and that its figures follow from each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from helpers.trained_runs import Trained

from twinsign.cli.main import main
from twinsign.train.precision import SIDE


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_bench(
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(SIDE, "cpu", 128)
    file, threads = tmp_path / "bench.json", torch.get_num_threads()
    given = ["bench", "--config", str(trained.recipe), "--data", str(trained.pack), "--threads", "1", "--steps", "2"]
    assert main([*given, "--precision", precision, "--batch_size", "4", "--frames", "6", "--json", str(file)]) == 0
    torch.set_num_threads(threads)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("matrix products: "), "the first figure comes first"
    assert [line.split(":")[0] for line in said[1:]] == ["pack read", "views", "embed", "pretrain step"]
    found = json.loads(file.read_text())
    assert list(found["gemm_gflops"]) == ["bfloat16" if precision == "bf16-mixed" else "float32"], "what is asked for"
    assert set(found) == {"pretrain_step", "embed", "gemm_gflops", "views", "pack_read", "env"}
    step, env = found["pretrain_step"], found["env"]
    peak = found["gemm_gflops"]["bfloat16" if precision == "bf16-mixed" else "float32"]
    assert step["of_gemm_peak"] == pytest.approx(step["sequences_per_s"] * step["gflop_per_sequence"] / peak, rel=0.05)
    assert set(step["stages_ms"]) == {
        "views",
        "keys",
        "queries",
        "losses",
        "backward",
        "optimiser",
        "banks",
        "momentum",
    }
    # the stages are medians of the same steps, and nothing else of note happens in one
    assert sum(step["stages_ms"].values()) == pytest.approx(4000 / step["sequences_per_s"], rel=0.5)
    assert step["waits"] == {}
    assert (env["threads"], env["precision"], env["batch_size"], env["frames"]) == (1, precision, 4, 6)
    assert found["embed"]["one_clip_ms"]["median"] <= found["embed"]["one_clip_ms"]["p95"]
    assert found["embed"]["one_clip_ms"]["frames"] == 64
    assert min(found["pack_read"].values()) > 0


@pytest.mark.parametrize("option", ["--steps", "--threads", "--batch_size", "--frames"])
def test_numbers_that_make_no_sense(trained: Trained, capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert main(["bench", "--config", str(trained.recipe), option, "0"]) == 2
    assert "or more" in capsys.readouterr().err
