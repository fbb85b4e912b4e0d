"""The pictures of Figs. 3, 5 and 6 by the command, on generated signs; and a grid on real clips (slow)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sweeps import Sweep

from twinsign.cli import main


@pytest.mark.parametrize(("figure", "words"), [("fig3", "t-SNE"), ("fig5", "hand"), ("fig6", "joint")])
def test_figures(copied: Sweep, figure: str, words: str) -> None:
    options = ["--seeds", "0", "--finetune.epochs", "1", "--split", "val,test"]
    if figure != "fig3":
        options += ["--protocol", "linear"]
    assert main(copied.words(*options, experiment=figure)) == 0
    page = (copied.out / f"{figure}.html").read_text()
    assert words in page
    pictures = sorted(copied.out.glob(f"{figure}*.png"))
    assert pictures
    assert page.count("data:image/svg+xml") == len(pictures)
    said = json.loads((copied.out / f"{figure}.json").read_text())
    assert said["protocols"] == (["none"] if figure == "fig3" else ["linear"])


@pytest.mark.slow
def test_a_table_on_real_clips(data_dir: Path, tmp_path: Path) -> None:
    pack, out = tmp_path / "P", tmp_path / "grid"
    assert main(["pack", "landmarks", "--data", str(data_dir / "wlasl_body_hands.npz"), "--out", str(pack)]) == 0
    given = ["reproduce", "table10", "--config", "demo", "--data", str(pack), "--out", str(out), "--split", "train"]
    given += [
        "--protocol",
        "linear",
        "--pretrain.steps",
        "20",
        "--pretrain.monitor_every",
        "0",
        "--linear.epochs",
        "20",
    ]
    assert main([*given, "--linear.select", "last", "--trainer.progress", "false"]) == 0
    rows = json.loads((out / "table10.json").read_text())["rows"]
    entries = [row["ours"]["all"] for row in rows]
    assert [row["name"] for row in rows] == ["hand", "trunk", "hand + trunk"]
    assert entries[0]["clips"] == entries[1]["clips"] > 400
    assert all(entry["selected_on"] == ["train"] for entry in entries)  # the page says that it is no test result
    assert "no test result" in (out / "table10.html").read_text()
    assert entries[2]["per_instance"]["top1"] > 100 / entries[2]["label_count"]
