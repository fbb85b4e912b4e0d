"""What a grid says: the same as its cells' scores say, counted the slow way; late fusion; refused words."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from helpers.grids import Sweep, top1

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.reproduce.results import parse_rgb_files


def found(sweep: Sweep) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((sweep.out / "sweep.json").read_text())
    return read


def by_row(sweep: Sweep) -> dict[str, dict[int, float]]:
    """Each cell's accuracy by row and seed, from its scores alone."""
    accuracies: dict[str, dict[int, float]] = defaultdict(dict)
    for file in (sweep.out / "cells").glob("*.json"):
        cell = json.loads(file.read_text())["cell"]
        scores = np.load(file.with_suffix(".npz"))
        accuracies[cell["row"]][cell["seed"]] = top1(scores["scores"], scores["labels"])
    return accuracies


def test_rows_are_the_means_of_their_cells(sweep: Sweep) -> None:
    cells = by_row(sweep)
    rows = {row["name"]: row["ours"] for row in found(sweep)["rows"]}
    assert {name for name, ours in rows.items() if ours} == {*cells, "with RGB"}
    for name, seeds in cells.items():
        entry = rows[name]["all"]
        assert entry["per_instance"]["top1"] == pytest.approx(np.mean(list(seeds.values())), abs=0.01)
        assert entry["per_instance_top1_by_seed"] == pytest.approx([seeds[0], seeds[1]], abs=0.01)
        low, high = entry["interval95"]["per_instance.top1"]
        assert low <= entry["per_instance"]["top1"] <= high


def test_rows_are_compared_with_their_reference(sweep: Sweep) -> None:
    cells = by_row(sweep)
    rows = {row["name"]: row["ours"].get("all", {}) for row in found(sweep)["rows"]}
    assert "difference" not in rows["as it is"]
    pairs = {"no pre-training": "as it is", "half of the clips": "as it is", "joint alone": "no pre-training"}
    for name, other in pairs.items():
        difference = rows[name]["difference"]
        wanted = np.mean(list(cells[name].values())) - np.mean(list(cells[other].values()))
        assert difference["from"] == other
        assert difference["difference"]["per_instance"]["top1"] == pytest.approx(wanted, abs=0.02)
        assert 0 < difference["sign_flip"]["p"] <= 1


def test_late_fusion_adds_a_model_that_is_always_right(sweep: Sweep) -> None:
    fused = next(row for row in found(sweep)["rows"] if row["name"] == "with RGB")["ours"]["all"]
    assert fused["per_instance"]["top1"] == 100
    assert fused["per_instance_top1_by_seed"] == [100, 100]


def test_the_summary_says_on_what_it_stands(sweep: Sweep) -> None:
    said = found(sweep)
    assert (said["seeds"], said["splits"], said["protocols"], said["cells"]) == ([0, 1], ["test"], ["linear"], 8)
    assert said["pretrained_on"] == said["data"] == [str(sweep.folder / "P")]
    assert [row["x"] for row in said["rows"]] == [0, None, 50, None, 100, None]
    entry = said["rows"][-2]["ours"]["all"]
    assert (entry["clips"], entry["classes"], entry["seeds"]) == (8, 4, 2)
    assert entry["selected_on"] == []
    assert len(entry["files"]) == 2
    assert entry["signers"]["shared"] == 0


def test_the_page_and_the_tables_have_ours_and_the_papers(sweep: Sweep) -> None:
    page, text = (sweep.out / "sweep.html").read_text(), (sweep.out / "sweep.md").read_text()
    for word in ("another method", "86.26 / 86.63", "50.00 / –", "paired by clip", "with RGB"):
        assert word in page
        assert word in text
    ours, theirs = text.split("**A sweep: the paper's numbers**")
    assert "as it is" in ours
    assert "86.26" not in ours  # the paper's columns are others than ours
    assert [line for line in theirs.splitlines() if line.startswith("| another method")] == [
        "| another method | 50.00 / – |"
    ]
    for number in (1, 2):  # bars, and the curve
        assert (sweep.out / f"sweep-{number}.svg").read_bytes().startswith(b"<?xml")
        assert (sweep.out / f"sweep-{number}.png").read_bytes().startswith(b"\x89PNG")


def test_rgb_scores_name_their_column() -> None:
    assert parse_rgb_files(["F.csv"], {"all": None}) == {"all": "F.csv"}
    assert parse_rgb_files(["A=F.csv", "B=G.npz"], {"A": None, "B": None}) == {"A": "F.csv", "B": "G.npz"}
    for words, columns in ((["F.csv"], {"A": None, "B": None}), (["C=F.csv"], {"A": None}), (["A="], {"A": None})):
        with pytest.raises(InputError, match="COLUMN=FILE"):
            parse_rgb_files(words, columns)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--protocol", "guess"], "finetune or linear"),
        (["--split", "tset"], "val or test"),
        (["--split", "dev"], "pre-trained on"),
        (["--seeds", "1", "1"], "each once"),
        (["--seeds", "0.5"], "whole numbers"),
        (["--seeds", "-1"], "whole numbers"),
        (["--subsets", "colour=red"], "no column 'colour'"),
        (["--subsets", "signer=signer008"], "no clip"),
        (["--subsets", "wlasl100"], "COLUMN=VALUE"),
        (["--seeds", "zero"], "numbers"),
        (["--pretrain_on", "nowhere.pack"], "nowhere.pack"),
        (["--rgb", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_typing_errors_show_before_any_work(
    sweep: Sweep, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    before = sorted(sweep.out.rglob("*"))
    assert main(sweep.words(*options)) == 2
    assert words in capsys.readouterr().err
    assert sorted(sweep.out.rglob("*")) == before


@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_a_damaged_cell_is_named_and_made_anew(copied: Sweep, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    file = sorted((copied.out / "cells").glob(f"*{ending}"))[0]
    file.write_bytes(file.read_bytes()[:40])
    given = copied.words("--rgb", str(copied.rgb()))
    assert main(given) == 2
    said = capsys.readouterr().err
    assert file.name in said
    assert "Delete the cell's .json" in said
    file.with_suffix(".json").unlink()
    assert main(given) == 0


def test_other_content_is_no_report(copied: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    file = sorted((copied.out / "cells").glob("*.json"))[0]
    for text in ("{}", "[]", "3"):
        file.write_text(text)
        assert main(copied.words("--rgb", str(copied.rgb()))) == 2
        assert file.name in capsys.readouterr().err


def test_scores_of_other_clips_show_before_any_work(copied: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    file = copied.rgb()
    file.write_text("\n".join(file.read_text().splitlines()[:-1]))
    assert main(copied.words("--rgb", str(file), "--seeds", "5")) == 2
    assert "no scores of 1 clips" in capsys.readouterr().err
    assert len(list((copied.out / "cells").glob("*.json"))) == 8


def test_an_interval_does_not_shrink_to_nothing(copied: Sweep) -> None:
    assert main(copied.words("--rgb", str(copied.rgb()), "--seeds", "0")) == 0
    fused = found(copied)["rows"][-1]["ours"]["all"]
    assert fused["per_instance"]["top1"] == 100
    assert fused["interval95"]["per_instance.top1"][0] == pytest.approx(100 * 8 / (8 + 1.959964**2), abs=0.02)  # Wilson
