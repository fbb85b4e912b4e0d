"""A disk that is full is said in one line, a RUN that cannot be written is evaluated all the same."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from helpers.trained_runs import Trained, copy_essentials
from helpers.warm_process import WarmProcess

from twinsign.cli.main import main
from twinsign.runs.run import keep_report

PATIENCE = 600.0


def test_a_full_disk_is_one_line(trained: Trained, tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("linear", "m.pt2")]
    start = ["--config", str(trained.recipe), "--data", str(trained.pack), "--init", str(trained.pretrained)]
    asked = [
        ["linear", *start, "--out", str(outs[0])],
        ["export", "--model", str(trained.linear), "--out", str(outs[1])],
    ]
    weights = (trained.linear / "weights.safetensors").stat().st_size
    for words in asked:
        with (tmp_path / "said").open("w+b") as stream:
            code = WarmProcess(words, stream.fileno(), file_bytes=weights // 2).wait(PATIENCE)
            said = (tmp_path / "said").read_text()
        assert code == 2, (words, said)
        lines = [line for line in said.splitlines() if "File too large" in line]
        assert len(lines) == 1, said
        assert lines[0].startswith(f"twinsign {words[0]}: ")
        assert "Traceback" not in said
    assert not (outs[0] / "weights.safetensors").exists()
    assert not outs[1].exists()
    assert not [one for one in tmp_path.rglob(".*") if one.name != ".lock"]


def test_a_run_that_cannot_be_written_is_evaluated(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = copy_essentials(trained.linear, tmp_path / "run")
    before = sorted(path.name for path in run.iterdir())
    real = os.access
    if os.geteuid() == 0:  # whom no permission holds back
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != run and real(path, mode))
    run.chmod(0o555)
    try:
        asked = ["evaluate", "--model", str(run), "--data", str(trained.pack)]
        assert main(asked) == 0
        assert "8 clips of 4 classes" in capfd.readouterr().out
        assert main([*asked, "--report", str(tmp_path / "page.html")]) == 0
    finally:
        run.chmod(0o755)
    assert sorted(path.name for path in run.iterdir()) == before
    assert (tmp_path / "page.html").is_file()


def test_a_report_that_cannot_be_kept_is_printed(
    trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = copy_essentials(trained.linear, tmp_path / "run")
    (run / "evaluations").write_text("in the way")
    assert main(["evaluate", "--model", str(run), "--data", str(trained.pack), "--json", str(tmp_path / "e.json")]) == 0
    assert "8 clips of 4 classes" in capfd.readouterr().out
    assert json.loads((tmp_path / "e.json").read_text())["clips"] == 8
    assert keep_report(run, {"split": None, "split_hash": "0"}) is None
