"""The pictures of Figs. 3, 5 and 6 by the command, on generated signs; and a grid on real clips (slow)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.grids import Sweep

from twinsign.cli.main import main


@pytest.mark.parametrize(("figure", "words"), [("fig3", "t-SNE"), ("fig5", "hand"), ("fig6", "joint")])
def test_figures(copied: Sweep, figure: str, words: str) -> None:
    options = ["--seeds", "0", "--finetune.epochs", "1", "--split", "val,test"]
    if figure != "fig3":
        options += ["--protocol", "linear"]
    assert main(copied.words(*options, experiment=figure)) == 0
    stem = figure if figure == "fig3" else f"{figure}-linear"
    page = (copied.out / f"{stem}.html").read_text()
    assert words in page
    pictures = sorted(copied.out.glob(f"{figure}*.png"))
    assert pictures
    assert page.count("data:image/svg+xml") == len(pictures)
    said = json.loads((copied.out / f"{stem}.json").read_text())
    assert said["protocols"] == (["none"] if figure == "fig3" else ["linear"])


@pytest.mark.slow
def test_a_table_on_real_clips(data_dir: Path, tmp_path: Path) -> None:
    pack, out, own = tmp_path / "P", tmp_path / "grid", tmp_path / "parts.yaml"
    rows = "".join(f"  - {{name: {one}, init: none, head: {{parts: [{one}]}}}}\n" for one in ("hand", "trunk"))
    own.write_text(f"title: Untrained\nreference: both\nrows:\n{rows}  - {{name: both, init: none}}\n")
    assert main(["pack", "landmarks", "--data", str(data_dir / "wlasl300_hands.npz"), "--out", str(pack)]) == 0
    given = ["reproduce", str(own), "--config", "demo", "--data", str(pack), "--out", str(out), "--protocol", "linear"]
    assert main([*given, "--subsets", "wlasl100=1", "--linear.views", "1", "--trainer.progress", "false"]) == 0
    entries = [row["ours"]["WLASL100"] for row in json.loads((out / "parts-linear.json").read_text())["rows"]]
    assert {(entry["clips"], entry["classes"], entry["label_count"]) for entry in entries} == {(100, 72, 100)}
    assert all(entry["selected_on"] == [] for entry in entries)
    hand, trunk, both = (entry["per_instance"]["top1"] for entry in entries)
    assert trunk < hand  # two wrists are all that these clips have of a trunk
    assert both > 10  # ten times chance, untrained
