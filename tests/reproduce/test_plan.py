"""Experiments as files: the shipped ones agree with each other and with the recipes, wrong ones are named."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from helpers import tiny_configs

from twinsign.errors import InputError
from twinsign.pack.open import Pack
from twinsign.reproduce.plan import (
    Column,
    Experiment,
    Row,
    column_name,
    columns_for,
    load_experiment,
    merge_values,
    row_recipe,
)
from twinsign.runs.recipe import load_recipe

NAMES = [*(f"table{number}" for number in range(1, 12)), "fig3", "fig4", "fig5", "fig6"]
SUBSETS = ("MSASL100", "MSASL200", "MSASL1000")


def experiment(name: str) -> Experiment:
    return load_experiment(name)[1]


def row(experiment: Experiment, name: str) -> Row:
    return next(one for one in experiment.rows if one.name == name)


def test_every_experiment_of_the_paper_is_shipped() -> None:
    folder = Path(str(resources.files("twinsign") / "reproduce" / "experiments"))
    assert {path.stem for path in folder.glob("*.yaml")} == set(NAMES)


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_rows_are_changes_of_every_recipe(recipe: str) -> None:
    base = load_recipe(recipe)
    for name in ("table7", "table9", "fig4"):
        for one in experiment(name).rows:
            made = row_recipe(one, base)
            assert (made.trainer, made.encoder, made.pretrain) == (base.trainer, base.encoder, base.pretrain)
            assert made.objective.anchors == base.objective.anchors


def test_the_full_method_has_the_same_numbers_in_every_table() -> None:
    whole = row(experiment("table1"), "Ours").paper
    ours = {name: [values[0], values[2]] for name, values in whole.items()}
    names = {
        "table6": "100 %",
        "table7": "joint + motion",
        "table9": "contrast + consistency + transfer",
        "table10": "hand + trunk",
        "table11": "0.5 / 0.5",
    }
    for table, name in names.items():
        assert row(experiment(table), name).paper == ours
    labels = row(experiment("table5"), "semi-supervised, all labels").paper
    assert {name: labels[name] for name in SUBSETS} == ours


def test_single_modalities_of_table_vii_are_those_with_transfer_of_table_viii() -> None:
    seven, eight = experiment("table7"), experiment("table8")
    small = load_recipe("small")
    for branch, other in (("joint", "motion"), ("motion", "joint")):
        numbers = row(eight, f"{branch}, with transfer").paper
        assert row(seven, f"{branch}, pre-trained with {other} (numbers)").paper == numbers
        alone = row_recipe(row(seven, f"{branch}, pre-trained alone (prose)"), small)
        assert alone == row_recipe(row(eight, f"{branch}, without transfer"), small)
        assert alone.objective.branches == alone.finetune.head.branches == alone.linear.head.branches == (branch,)


def test_tables_change_what_they_say() -> None:
    small = load_recipe("small")
    nine = {one.name: row_recipe(one, small).objective for one in experiment("table9").rows}
    assert (nine["contrast"].consistency, nine["contrast"].transfer) == (False, False)
    assert (nine["contrast + consistency"].consistency, nine["contrast + consistency"].transfer) == (True, False)
    assert (nine["contrast + transfer"].consistency, nine["contrast + transfer"].transfer) == (False, True)
    assert nine["contrast + consistency + transfer"] == small.objective
    for one in experiment("table11").rows:
        weights = row_recipe(one, small).objective.weights
        assert f"{weights['joint']} / {weights['motion']}" == one.name
        assert sum(weights.values()) == pytest.approx(1)
    shares = [row_recipe(one, small).pretrain.fraction for one in experiment("table6").rows]
    assert shares == [1.0, 0.25, 0.5, 0.75, 1.0]
    assert experiment("table6").rows[0].init == "none"
    parts = [row_recipe(one, small).finetune.head.parts for one in experiment("table10").rows]
    assert parts == [("hand",), ("trunk",), ("hand", "trunk")]


def test_neighbours_are_a_share_of_the_smallest_bank_that_anchors() -> None:
    rows = experiment("fig4").rows
    paper = load_recipe("paper")
    assert [row_recipe(one, paper).objective.neighbours for one in rows] == [8, 32, 128, 512, 2048, 8192]
    small = load_recipe("small")
    assert [row_recipe(one, small).objective.neighbours for one in rows] == [1, 4, 16, 64, 256, 1024]


def test_columns_are_the_papers_only_on_its_own_corpus(tmp_path: Path) -> None:
    pack = tiny_configs.pack_of(tmp_path / "P", tiny_configs.sample("a", "x"), tiny_configs.sample("b", "y"))
    two = experiment("table2")
    assert columns_for(two, pack, []) == {"all": Column()}
    assert columns_for(two, pack, ["wlasl100=1", "all", "signer=7,split=val"]) == {
        "WLASL100": Column(["wlasl100=1"]),
        "all": Column(),
        "signer=7,split=val": Column(["signer=7", "split=val"]),
    }
    pack.datasets = ["wlasl"]
    assert columns_for(two, pack, []) == two.columns
    with pytest.raises(InputError, match="COLUMN=VALUE"):
        columns_for(two, pack, ["wlasl100"])
    assert column_name("wlasl300=1") == "WLASL300"
    assert isinstance(pack, Pack)


def test_changes_are_merged_and_lists_replaced() -> None:
    values = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert merge_values(values, {"a": {"c": [3]}, "e": 5}) == {"a": {"b": 1, "c": [3]}, "d": 4, "e": 5}
    assert values == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: T\nrows: []", "each name once"),
        ("title: T\nrows: [{name: a}, {name: a}]", "each name once"),
        ("title: T\nreference: b\nrows: [{name: a}]", "one of the rows a"),
        ("title: T\nrows: [{name: a, against: b}]", "one of the rows a"),
        ("title: T\nrows: [{name: a, paper: {X: [1]}}]", "2, one per measure"),
        ("title: T\nmeasures: [top9]\nrows: [{name: a}]", "per_instance.top1"),
        ("title: T\nrow: []", "key row"),
        ("title: T\nrows: [{name: a, colour: red}]", "colour"),
        ("title: T\nrows: [{name: a}]\nprotocol: guess", "guess"),
        ("- 1", "a mapping"),
        ("title: T\nrows: [{name: a, cited: true}]", "no trained row"),
        ("title: T\nrows: [{name: a, with_rgb: true}, {name: b}]", "before one with RGB"),
        ("title: T\nrows: [{name: a}, {name: b, cited: true}]\nreference: b", "one of the rows a"),
        ("title: T\nrows: [{name: a, label_fraction: 2}]", "a number in"),
        ("title: T\nrows: [{name: a, head: {branches: [depth]}}]", "joint, motion"),
        ("title: T\nrows: [{name: a}]\nprotocol: none", "none with a map"),
        ("title: T\nrows: [{name: a}]\npicture: {kind: curve}", "x of rows"),
        ("title: T\nrows: [{name: a, x: 0}]\npicture: {kind: curve, log: true}", "above 0 if log"),
        ("title: T\nrows: [{name: a, x: 1}, {name: b, x: 1}]\npicture: {kind: curve}", "once per line"),
        ("title: T\nrows: [{name: a}]\npicture: {kind: parts}", "two or more"),
        ("title: T\nrows: [{name: a}, {name: b}]\npicture: {kind: signers}", "joint and motion"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        load_experiment(str(file))


def test_wrong_rows_and_names_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"table1, table2.*table11, fig3"):
        load_experiment("table12")
    small = load_recipe("small")
    with pytest.raises(InputError, match=r"row 'a'.*objectives"):
        row_recipe(Row("a", {"objectives": {}}), small)
    with pytest.raises(InputError, match="branches, parts"):
        Row("a", head={"hands": ["left"]})
    alone = {"objective": {"branches": ["joint"]}}
    with pytest.raises(InputError, match=r"row 'a'.*head: \{branches"):
        row_recipe(Row("a", alone), small)
    with pytest.raises(InputError, match="of the pre-trained joint"):
        row_recipe(Row("a", alone, head={"branches": ["motion"]}), small)
