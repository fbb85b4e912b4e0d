"""What is asked of packs and finished runs, by the command line: clips drawn, maps, retrieval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.trained_runs import Trained
from PIL import Image

from twinsign.cli.main import main
from twinsign.evaluation.score_files import read_scores
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection
from twinsign.pose.layout import TRUNK
from twinsign.report.skeletons import load_panels
from twinsign.report.tsne import run_maps
from twinsign.runs.run import load_run
from twinsign.views.augment import random_view
from twinsign.views.batches import ClipReader, seeded_generator


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


def test_view_draws_a_clip_or_views_of_it(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    pack, options = Pack(trained.pack), ["--config", str(trained.recipe), "--seed", "3"]
    name = pack.column("id")[5]
    assert main(["view", str(trained.pack), "--id", name, "--out", "a.svg"]) == 0
    assert main(["view", str(trained.pack), "--index", "5", "--out", "b.svg"]) == 0
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()
    assert name in Path("a.svg").read_text()
    assert main(["view", str(trained.pack), "--id", name, "--views", "2", *options]) == 0
    with Image.open(f"{name}.gif") as image:
        assert image.n_frames == 8
    assert main(["view", str(trained.pack), "--index", "0", "--views", "1", *options, "--out", "c.png"]) == 0
    with Image.open("c.png") as image:
        assert image.format == "PNG"
    capsys.readouterr()
    for wrong, message in (
        (["--id", name[:-3].lower()], f"Near: {name}"),
        (["--id", name.replace("signer", "singer")], name),
        (["--id", "?"], "The first: "),
        (["--id", name, "--index", "0"], "found an id and an index"),
        ([], "neither id nor index"),
        (["--index", "40"], "found index 40; wanted 0 to 39"),
        (["--index", "0", "--out", "a.jpg"], "found ending .jpg; wanted one of .gif, .png, .svg"),
        (["--index", "0", "--views", "-1"], "-1 views"),
    ):
        assert main(["view", str(trained.pack), *wrong]) == 2
        assert message in capsys.readouterr().err


def test_the_views_are_those_of_pretraining(trained: Trained) -> None:
    recipe, pack = load_run(trained.pretrained).recipe, Pack(trained.pack)
    drawn = load_panels(pack, 4, recipe, views=2, seed=7)
    clips, generator = ClipReader(pack, np.array([4]), recipe.read)[0], seeded_generator(7, 4)
    for panel in drawn:
        wanted = random_view(clips, recipe.pretrain.augment, recipe.pretrain.frames, generator)
        assert panel.seen == pytest.approx(wanted.seen[0].numpy())
        assert panel.points[:, TRUNK] == pytest.approx(wanted.xy[0, :, TRUNK].numpy(), abs=1e-6)


def test_map_of_one_split_onto_another(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "m.html"
    given = ["map", "--model", str(trained.finetuned), "--data", str(trained.pack), "--out", str(out)]
    assert main([*given, "--split", "val", "--onto", "train"]) == 0
    assert "val placed on train" in out.read_text()
    assert main([*given, "--split", "train", "--onto", "train"]) == 2
    assert main([*given, "--glosses", "nonsuch"]) == 2


def test_a_map_has_a_panel_a_branch(trained: Trained) -> None:
    figure = run_maps(trained.pretrained, ClipSelection([trained.pack]), ["val", "test"], 2)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["joint (16 clips)", "motion (16 clips)", "joint + motion (16 clips)"]
    assert len(figure.legends[0].texts) == 3


def test_robustness_as_a_page_and_as_json(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["robustness", "--model", str(trained.linear), "--data", str(trained.pack), "--kinds", "mirror", "rate"]
    assert main([*given, "--out", str(tmp_path / "R.json")]) == 0
    assert list(load(tmp_path / "R.json")["curves"]) == ["mirror", "rate"]
    assert main([*given, "--split", "val", "--out", str(tmp_path / "R.html")]) == 0
    page = (tmp_path / "R.html").read_text()
    assert "not a test result" in page
    assert "share by which the frame rate is lower" in page
    capsys.readouterr()
    assert main([*given, "--out", str(tmp_path / "R.txt")]) == 2
    assert "ending .txt" in capsys.readouterr().err
