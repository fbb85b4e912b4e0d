"""The command `extract`: exit codes, what it says, and `predict` on videos."""

from __future__ import annotations

import json
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from helpers.trained_runs import Trained
from helpers.videos import DOTS, make_sound, make_video

from twinsign.cli.commands import extract
from twinsign.cli.main import main
from twinsign.cli.packing import PackTarget, pack_corpus
from twinsign.datasets.folder import folder_corpus
from twinsign.extract import clip, extras
from twinsign.extract.jobs import run_jobs
from twinsign.pack.open import Pack
from twinsign.pose.read import read


@pytest.fixture
def dots(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dots' estimator in place of Holistic, in the command and in `predict`."""
    monkeypatch.setattr(extract, "run_jobs", partial(run_jobs, loader=DOTS))
    monkeypatch.setattr(clip, "load_estimator", DOTS.load)


@pytest.mark.usefixtures("dots")
def test_videos_become_a_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("hello/1.mp4", "hello/2.webm", "thanks/1.mp4"):
        make_video(tmp_path / "videos" / name)
    (tmp_path / "videos" / "hello" / "3.WMV").write_bytes(b"")
    out = tmp_path / "poses"
    command = ["extract", str(tmp_path / "videos"), "--out", str(out), "--workers", "1"]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert "3.WMV" in captured.err.replace("\n", ""), "what is left out is named"
    shown = " ".join(captured.out.split())
    assert "3 videos, 36 frames" in shown
    assert "right_hand 100.0 %, left_hand 0.0 %" in shown
    assert main(command) == 0
    assert "3 of them there before" in " ".join(capsys.readouterr().out.split())
    assert pack_corpus(folder_corpus(out), PackTarget(tmp_path / "P"), {}) == 0
    pack = Pack(tmp_path / "P")
    assert pack.table["id"].to_pylist() == ["hello/1", "hello/2", "thanks/1"]
    assert pack.table["gloss"].to_pylist() == ["hello", "hello", "thanks"]


@pytest.mark.usefixtures("dots")
def test_exit_codes_and_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, sound = make_video(tmp_path / "good.mp4"), make_sound(tmp_path / "sound.mp4")
    out = ["--out", str(tmp_path / "out"), "--workers", "1", "--format", "npz", "--trim"]
    assert main(["extract", str(sound), str(good), *out]) == 3
    shown = capsys.readouterr()
    assert "only an audio stream" in " ".join(shown.err.split())
    assert "1 videos, 12 frames" in " ".join(shown.out.split())
    assert len(read(tmp_path / "out" / "good.npz").xy) == 12
    assert main(["extract", str(sound), str(tmp_path / "absent.mp4"), *out]) == 2
    assert "nothing was written" in capsys.readouterr().err
    assert main(["extract", str(good), str(tmp_path), *out]) == 3
    (tmp_path / "empty").mkdir()
    assert main(["extract", str(tmp_path / "empty"), *out]) == 2
    assert "no video" in capsys.readouterr().err


@pytest.mark.usefixtures("dots")
def test_predict_takes_videos_as_it_takes_their_poses(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(tmp_path / "sign.mp4")
    assert main(["extract", str(video), "--out", str(tmp_path), "--workers", "1"]) == 0
    capsys.readouterr()
    files = [str(video), str(tmp_path / "sign.pose"), str(make_sound(tmp_path / "sound.mkv"))]
    assert main(["predict", *files, "--model", str(trained.linear), "--json"]) == 3
    from_video, from_poses, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert from_video["guesses"] == from_poses["guesses"]
    assert np.isclose(sum(guess["confidence"] for guess in from_video["guesses"]), 1)
    assert "only an audio stream" in bad["error"]


def test_a_missing_extra_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(extras, "version", nothing)
    command = ["extract", str(make_video(tmp_path / "a.mp4")), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "pip install 'twinsign[video]'" in capsys.readouterr().err
    model = ["--estimator.name", "rtm", "--estimator.pose_model", str(tmp_path / "a.mp4")]
    assert main([*command, *model]) == 2
    assert "pip install 'twinsign[rtm]'" in capsys.readouterr().err
    assert not (tmp_path / "out" / "a.pose").exists()
