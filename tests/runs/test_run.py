"""The RUN folder: what is saved comes back, and what is damaged or foreign is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_configs import ENCODER, OBJECTIVE, random_view
from safetensors.torch import load_file, save_file

from twinsign.errors import InputError
from twinsign.nn.classifier import Classifier
from twinsign.nn.config import HeadConfig
from twinsign.runs.models import load_classifier, load_encoders, load_weights, random_encoders
from twinsign.runs.recipe import ClassifyConfig, Recipe
from twinsign.runs.run import Run, load_run, read_metrics, save_run
from twinsign.ssl.pretrain import Pretrainer

RECIPE = Recipe(encoder=ENCODER, objective=OBJECTIVE)
LABELS = ["APPLE", "Brücke", "水"]


def pretrained(folder: Path) -> tuple[Run, Pretrainer]:
    torch.manual_seed(0)
    model = Pretrainer(ENCODER, OBJECTIVE)
    model(random_view(4, 6), random_view(4, 6, seed=1))
    run = Run(folder, "pretrained", RECIPE, about={"seed": 3, "data": ["a", "b"], "clips": 7})
    save_run(run, model.query_weights())
    return run, model.eval()


def test_all_files_have_one_mode(tmp_path: Path) -> None:
    run, _ = pretrained(tmp_path / "run")
    assert len({(run.path / name).stat().st_mode for name in ("weights.safetensors", "config.yaml")}) == 1


def classifier(folder: Path, recipe: Recipe = RECIPE) -> tuple[Run, Classifier]:
    torch.manual_seed(1)
    model = Classifier(recipe.encoder, recipe.finetune.head, len(LABELS))
    model(random_view(4, 6))
    run = Run(folder, "classifier", recipe, LABELS, {"protocol": "finetune", "seed": 0, "label_fraction": 0.3})
    save_run(run, model)
    return run, model.eval()


def same_state(one: torch.nn.Module, other: torch.nn.Module) -> None:
    mine, theirs = one.state_dict(), other.state_dict()
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert torch.equal(value, theirs[name]), name


def test_a_pretrained_run_comes_back(tmp_path: Path) -> None:
    run, model = pretrained(tmp_path / "R")
    again = load_run(tmp_path / "R")
    assert again == run
    encoders = load_encoders(again)
    assert not encoders.training
    same_state(encoders, torch.nn.ModuleDict({name: branch.encoder for name, branch in model.query.items()}))


def test_a_classifier_run_comes_back(tmp_path: Path) -> None:
    run, model = classifier(tmp_path / "R")
    again = load_run(tmp_path / "R")
    assert again == run
    found = load_classifier(again)
    assert not found.training
    same_state(found, model)
    same_state(load_encoders(again), model.encoders)
    view = random_view(2, 5)
    assert torch.equal(found(view), model(view))


def test_encoders_of_a_one_branch_classifier(tmp_path: Path) -> None:
    head = ClassifyConfig(head=HeadConfig(branches=("motion",)))
    run, model = classifier(tmp_path / "R", Recipe(encoder=ENCODER, objective=OBJECTIVE, finetune=head))
    assert list(load_encoders(run)) == ["motion"]
    same_state(load_encoders(run), model.encoders)


def test_saving_again_replaces_and_leaves_no_scraps(tmp_path: Path) -> None:
    run, _ = classifier(tmp_path / "R")
    _, other = pretrained(tmp_path / "S")
    save_run(Run(run.path, "pretrained", RECIPE), other.query_weights())
    assert load_run(run.path).kind == "pretrained"
    assert not [path for path in run.path.iterdir() if path.name.endswith(".tmp")]


def rewrite(run: Run, change: Any) -> None:
    file = run.path / "weights.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def test_missing_unknown_and_ill_shaped_tensors_are_named(tmp_path: Path) -> None:
    run, _ = classifier(tmp_path / "R")

    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["fc.joint.bias"]
        tensors["fc.extra"] = torch.zeros(1)
        tensors["fc.motion.weight"] = torch.zeros(5, 16)

    rewrite(run, change)
    with pytest.raises(InputError) as error:
        load_classifier(run)
    for said in ("no fc.joint.bias", "unknown fc.extra", "fc.motion.weight of shape (5, 16) instead of (3, 16)"):
        assert said in str(error.value)
    assert "weights.safetensors" in str(error.value)
    rewrite(run, lambda tensors: tensors.clear())
    with pytest.raises(InputError, match=r"and \d+ more"):
        load_classifier(run)


def test_a_refused_file_changes_nothing_of_the_module(tmp_path: Path) -> None:
    run, model = classifier(tmp_path / "R")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tensors = {name: torch.zeros_like(value) for name, value in run.weights().items()}
    del tensors["fc.joint.bias"]
    with pytest.raises(InputError):
        load_weights(model, tensors, run)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("change", ["none", "one branch", "another"])
def test_encoders_that_the_config_names_must_be_there(tmp_path: Path, change: str) -> None:
    run, _ = pretrained(tmp_path / "R")

    def drop(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            if change == "none" or (change == "one branch" and ".motion." in name):
                del tensors[name]
        if change == "another":
            tensors["encoders.bones.weight"] = torch.zeros(1)
        tensors["x"] = torch.zeros(1)

    rewrite(run, drop)
    with pytest.raises(InputError, match=r"encoders|joint|motion|bones"):
        load_encoders(run)


def test_weights_of_another_config(tmp_path: Path) -> None:
    run, _ = pretrained(tmp_path / "R")
    text = (run.path / "config.yaml").read_text()
    assert "joint_widths:\n    - 8" in text
    (run.path / "config.yaml").write_text(text.replace("joint_widths:\n    - 8", "joint_widths:\n    - 12"))
    with pytest.raises(InputError, match=r"joint_blocks.*more; wanted.*config\.yaml must be of one run"):
        load_encoders(load_run(run.path))


@pytest.mark.parametrize("kept", [0, 5, 100, 0.5, -1])
def test_truncated_weights(tmp_path: Path, kept: float) -> None:
    run, _ = pretrained(tmp_path / "R")
    file = run.path / "weights.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(InputError, match="damaged") as error:
        load_encoders(run)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "a: [", "- 1\n", "\x00", "kind: other\n", "recipe: {}\n", "kind: pretrained\nrecipe: 3\n",
        "kind: pretrained\nrecipe: {objective: {bonk: 1}}\n", "kind: pretrained\nrecipe: {}\nabout: word\n",
        "kind: pretrained\n",
    ],
)  # fmt: skip
def test_damaged_configs(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        load_run(tmp_path)
    assert str(tmp_path / "config.yaml") in str(error.value)


def test_a_config_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match=r"config\.yaml"):
        load_run(tmp_path)


def test_folders_without_a_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"no config\.yaml"):
            load_run(folder)


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '["a", 3]', '["a", "a"]'])
def test_damaged_labels(tmp_path: Path, text: str) -> None:
    run, _ = classifier(tmp_path / "R")
    (run.path / "labels.json").write_text(text)
    with pytest.raises(InputError, match=r"labels\.json"):
        load_run(run.path)


def test_labels_and_weights_missing(tmp_path: Path) -> None:
    run, _ = classifier(tmp_path / "R")
    (run.path / "labels.json").unlink()
    with pytest.raises(InputError, match=r"no labels\.json"):
        load_run(run.path)
    (run.path / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="no weights"):
        load_classifier(run)


def test_another_number_of_labels_than_outputs(tmp_path: Path) -> None:
    run, _ = classifier(tmp_path / "R")
    (run.path / "labels.json").write_text(json.dumps(LABELS[:2]))
    with pytest.raises(InputError, match=r"fc.joint.weight.*\(3, 16\) instead of \(2, 16\)"):
        load_classifier(load_run(run.path))


def test_random_encoders_follow_the_seed_and_leave_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    one, same, other = (random_encoders(RECIPE, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    same_state(one, same)
    name = "joint.pool.hand.score.weight"
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])


def test_metrics_of_a_folder(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n\n{"step": 2}\n')
    assert read_metrics(tmp_path) == [{"step": 1}, {"step": 2}]
