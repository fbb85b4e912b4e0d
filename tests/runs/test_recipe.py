"""Recipes: shipped ones load, wrong keys are named, overrides keep the rest, and `paper` is the paper's."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser

from twinsign.cli.main import build_parser, main
from twinsign.cli.options import RecipeFile, add_recipe
from twinsign.errors import InputError
from twinsign.runs.recipe import Recipe, recipe_from, recipe_path

FOLDER = Path(str(resources.files("twinsign") / "runs" / "recipes"))
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.yaml"))
by_name = pytest.mark.parametrize("name", SHIPPED)


def shipped(name: str) -> Recipe:
    return recipe_from(yaml.safe_load(recipe_path(name).read_text()), name)


def test_the_promised_recipes_are_shipped() -> None:
    assert {"paper", "small"} <= set(SHIPPED)


@by_name
def test_a_shipped_recipe_loads_and_survives_its_own_yaml(name: str) -> None:
    recipe = shipped(name)
    again = recipe_from(yaml.safe_load(yaml.safe_dump(recipe.as_dict())))
    assert again == recipe
    assert repr(again) == repr(recipe), "lists must come back as tuples"
    assert recipe_path(name).read_text().startswith("# ")


@by_name
def test_the_command_line_reads_a_recipe_as_the_library_does(name: str) -> None:
    words = ["pretrain", "--config", name, "--data", "P", "--out", "R"]
    options = build_parser(words).parse_args(words)
    found = options.pretrain
    assert recipe_from({part: _plain(found[part]) for part in vars(Recipe())}) == shipped(name)


def _plain(value: Any) -> Any:
    return value.as_dict() if hasattr(value, "as_dict") else value


def test_paper_is_the_papers_column() -> None:
    r = shipped("paper")
    o = r.objective
    assert (o.momentum, o.bank_size, o.heads, o.anchors) == (0.99, 16384, ("hand", "trunk"), ("hand", "trunk"))
    assert (o.temperature, o.width, o.hidden) == (0.07, 128, 512)
    assert o.consistency
    assert (o.consistency_temperature, o.consistency_query_temperature, o.consistency_top) == (0.1, None, None)
    assert o.transfer
    assert (o.neighbours, o.teacher_temperature, o.student_temperature) == (8192, 0.05, 0.1)
    assert o.weights == {"joint": 0.5, "motion": 0.5}
    p = r.pretrain
    assert (p.frames, p.epochs, p.steps, p.batch_size) == (64, 150, None, 64)
    assert (p.optimiser.name, p.optimiser.lr, p.optimiser.momentum, p.optimiser.weight_decay) == (
        "sgd",
        0.01,
        0.9,
        1e-4,
    )
    assert (p.optimiser.schedule, p.optimiser.milestones, p.optimiser.gamma) == ("steps", (50, 100), 0.1)
    a = p.augment
    assert min(a.rotation, a.scale, a.mask, a.flip) > 0, "rotation, scale, joint mask, flip"
    f = r.finetune
    assert (f.epochs, f.batch_size, f.head.join) == (60, 64, "sum")
    assert f.frames in (32, 64)
    assert (f.optimiser.name, f.optimiser.lr, f.optimiser.momentum, f.optimiser.milestones) == ("sgd", 0.01, 0.9, ())
    linear = r.linear
    assert (linear.epochs, linear.optimiser.name, linear.optimiser.lr) == (70, "sgd", 0.01)
    assert (linear.optimiser.schedule, linear.optimiser.milestones, linear.optimiser.gamma) == ("steps", (50,), 0.1)
    e = r.encoder
    assert (e.joint_widths, e.part_widths, e.temporal_blocks) == ((128, 128, 256), (512, 512), 2)
    assert (e.heads, e.depth, e.dropout, e.feed_forward) == (8, 3, 0.1, {"hand": 1536, "trunk": 1024})
    assert r.read.idle == "trim"


def test_paper_is_what_the_defaults_are() -> None:
    assert shipped("paper") == Recipe()
    assert recipe_from({}) == Recipe()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"objektive": {}}, "objektive"),
        ({"objective": {"bonk": 3}}, "bonk"),
        ({"pretrain": {"optimiser": {"learning_rate": 1}}}, "learning_rate"),
        ({"objective": {"bank": "many"}}, "bank"),
        ({"pretrain": {"optimiser": {"name": "adam"}}}, "name"),
        ({"encoder": {"joint_widths": [8, "x"]}}, "joint_widths"),
        ({"trainer": 3}, "trainer"),
        ({"pretrain": None}, "pretrain"),
        ({"pretrain": {"optimiser": None}}, r"pretrain\.optimiser"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as error:
        recipe_from(values, "mine.yaml")
    assert str(error.value).startswith("mine.yaml")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"weights": {"joint": 1.0}}, "motion"),
        ({"heads": ["hand"], "anchors": ["hand"]}, "trunk"),
        ({"anchors": ["fused"]}, "fused"),
        ({"heads": ["hand", "face", "trunk"]}, "face"),
        ({"branches": ["joint", "bones"]}, "bones"),
        ({"branches": []}, "branches"),
    ],
)
def test_an_objective_that_cannot_be_computed_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        recipe_from({"objective": changes})


def test_a_nested_change_keeps_the_other_fields() -> None:
    found = recipe_from({"pretrain": {"optimiser": {"lr": 0.5}}, "objective": {"bank": 7}})
    default = Recipe()
    assert found.objective == replace(default.objective, bank_size=7)
    wanted = replace(default.pretrain, optimiser=replace(default.pretrain.optimiser, lr=0.5))
    assert found.pretrain == wanted
    assert found.linear == default.linear


def test_an_option_goes_before_the_file_and_keeps_its_other_fields() -> None:
    given = ["--config", "small", "--data", "P", "--out", "R", "--pretrain.optimiser.lr", "0.5", "--seed", "3"]
    words = ["pretrain", *given]
    found, file = build_parser(words).parse_args(words).pretrain, shipped("small")
    assert found.seed == 3
    assert found.pretrain.optimiser.lr == 0.5
    assert found.pretrain.optimiser.name == file.pretrain.optimiser.name == "adamw"
    assert found.pretrain.frames == file.pretrain.frames


@pytest.mark.parametrize("text", ["objektive: {bank: 3}\n", "pretrain:\n", "- 1\n", "a: [\n", ""])
def test_a_wrong_recipe_file_is_named_by_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    try:
        code = main(["pretrain", "--config", str(file), "--data", "P", "--out", str(tmp_path / "R")])
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2
    shown = capsys.readouterr().err
    assert "odd.yaml" in shown or "objektive" in shown


def test_recipe_names_and_files(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("objective: {bank_size: 7}\n")
    assert recipe_path(str(mine)) == mine
    with pytest.raises(InputError, match=r"nonsuch.*paper.*small"):
        recipe_path("nonsuch")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action=RecipeFile)
    parser.add_class_arguments(Recipe, nested_key=None)
    assert parser.parse_args(["--config", str(mine)]).objective.bank_size == 7


def test_names_of_earlier_versions_are_still_read(tmp_path: Path) -> None:
    old = {"sure": {"trusted": 0.8, "unknown": 0.2}, "objective": {"bank": 512, "head_banks": {"hand": 64}}}
    new = {
        "abstain": {"target_accuracy": 0.8, "unknown_share": 0.2},
        "objective": {"bank_size": 512, "head_bank_sizes": {"hand": 64}},
    }
    assert recipe_from(old) == recipe_from(new) != recipe_from({})
    with pytest.raises(InputError, match=r"key objective\.bank"):
        recipe_from({"objective": {"bank": 1, "bank_size": 2}})


def test_a_file_with_names_of_an_earlier_version_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "old.yaml"
    file.write_text("objective: {bank: 7}\nsure: {trusted: 0.7}\n")
    parser = ArgumentParser()
    add_recipe(parser)
    given = parser.parse_args(["--config", str(file)])
    assert (given.objective.bank_size, given.abstain.target_accuracy) == (7, 0.7)
    assert "old.yaml has names of an earlier version" in " ".join(capsys.readouterr().err.split())
