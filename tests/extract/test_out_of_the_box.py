"""From a video to an answer with nothing but the package: no --model, no training, no network."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from twinsign.cli.main import main

pytestmark = pytest.mark.slow
pytest.importorskip("mediapipe", reason="needs the extra `video`: run `make video`")
VIDEOS = 5


def test_videos_are_named(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """WLASL's own videos, most of which the model learnt from: what is tested is the way from picture to gloss."""
    with (data_dir / "videos" / "labels.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))[:VIDEOS]
    videos = [str(data_dir / "videos" / row["file"]) for row in table]
    capsys.readouterr()
    assert main(["predict", *videos, "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first = [answer["guesses"][0]["gloss"] for answer in answers]
    assert sum(name == row["gloss"] for name, row in zip(first, table, strict=True)) >= VIDEOS - 1
    assert any(answer["sure"] for answer in answers)


def test_a_sign_of_any_language_is_found_again(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arabic signs that no model knows, enrolled from one video each."""
    monkeypatch.chdir(tmp_path)
    videos = sorted(map(str, (data_dir / "videos" / "karsl").glob("*.mp4")))[:2]
    for number, video in enumerate(videos):
        assert main(["enrol", "--gloss", f"sign {number}", video]) == 0
    capsys.readouterr()
    assert main(["search", videos[1], "--json"]) == 0
    (answer,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert answer["guesses"][0]["gloss"] == "sign 1"
    assert not answer["sure"], "two recordings make nothing sure"
