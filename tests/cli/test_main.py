"""The main job by the command line alone: contract of JSON and folders, exit codes, messages."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_configs import RECIPE
from helpers.trained_runs import Trained, copy_essentials

from twinsign.cli import registry
from twinsign.cli.commands import train
from twinsign.cli.main import main
from twinsign.cli.options import Words
from twinsign.evaluation.caveats import describe_source
from twinsign.nn.features import fixed_views
from twinsign.pack.open import Pack
from twinsign.pose.read import read
from twinsign.pose.read.canonical import write_npz
from twinsign.pose.recording import Recording
from twinsign.runs.calibration import NEVER
from twinsign.runs.models import evaluation_loader, load_encoders
from twinsign.runs.recipe import Recipe
from twinsign.runs.run import load_run, read_metrics

TOPS = ("top1", "top2", "top5")


def check_contract(report: dict[str, Any], clips: int, classes: int) -> None:
    assert (report["clips"], report["classes"]) == (clips, classes)
    for kind in ("per_instance", "per_class"):
        values = [report[kind][top] for top in TOPS]
        assert values == sorted(values)
        assert all(0 <= value <= 100 for value in values)
        for top, value in zip(TOPS, values, strict=True):
            low, high = report["interval95"][f"{kind}.{top}"]
            assert 0 <= low <= value <= high <= 100


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.mark.parametrize("name", ["finetuned", "linear"])
def test_trainings_report_on_test(trained: Trained, name: str) -> None:
    report = load(trained.folder / f"{name}.json")
    check_contract(report, clips=8, classes=4)
    assert report["split"] == ["test"]
    assert report["selected_on"] == []
    assert len(report["split_hash"]) == 16
    assert (report["seed"], report["recipe"]) == (0, str(trained.recipe))


def test_the_run_folders_hold_what_is_promised(trained: Trained) -> None:
    always = {"weights.safetensors", "config.yaml", "metrics.jsonl", "report.html"}
    for run, more in (
        (trained.pretrained, {"checkpoints/last.ckpt"}),
        (trained.finetuned, {"labels.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt"}),
        (trained.linear, {"labels.json"}),
    ):
        assert always | more <= set(contents(run)), run
    assert load(trained.finetuned / "labels.json") == sorted(load(trained.finetuned / "labels.json"))
    for run, columns in (
        (
            trained.pretrained,
            {"step", "epoch", "loss", "infonce_top1", "knn_top1", "effective_rank", "uniformity", "lr"},
        ),
        (trained.finetuned, {"step", "epoch", "loss", "val_top1", "val_loss", "train_top1", "lr"}),
        (trained.linear, {"step", "epoch", "train_loss", "val_top1"}),
    ):
        rows = read_metrics(run)
        assert [row["epoch"] for row in rows] == [0, 1], run
        assert all(columns <= set(row) for row in rows), run
    page = (trained.finetuned / "report.html").read_text()
    assert "<img" in page or "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_evaluate_needs_weights_config_and_labels_alone(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, found = copy_essentials(trained.finetuned, tmp_path / "model"), tmp_path / "found.json"
    scores = tmp_path / "scores.npz"
    common = ["evaluate", "--model", str(model), "--data", str(trained.pack), "--pictures", str(tmp_path / "pictures")]
    assert main([*common, "--split", "test", "--json", str(found), "--scores", str(scores)]) == 0
    said, page = "".join(capsys.readouterr().out.split()), (model / "report.html").read_text()
    poses = describe_source(load(found)["source"])
    assert poses in page, "whose poses the figures are of"
    assert f"({poses})".replace(" ", "") in said
    shown = page.count("data:image/svg+xml")
    assert shown == len(list((tmp_path / "pictures").glob("report-*.svg")))
    assert shown == len(list((tmp_path / "pictures").glob("report-*.png"))) > 3
    here, there = load(found), load(trained.folder / "finetuned.json")
    assert {k: v for k, v in here.items() if k != "run"} == {k: v for k, v in there.items() if k != "run"}
    with np.load(scores) as arrays:
        right = (arrays["scores"].argmax(axis=1) == arrays["labels"]).mean()
        assert 100 * right == pytest.approx(here["per_instance"]["top1"])
        assert len(arrays["ids"]) == 8


@pytest.mark.parametrize(
    ("split", "clips", "selected_on"),
    [("val", 8, ["val"]), ("val,test", 16, ["val"]), ("train", 24, ["train"]), ("all", 40, ["train", "val"])],
)
def test_a_selected_split_is_named(
    split: str,
    clips: int,
    selected_on: list[str],
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("twinsign.report.run_page.write_classifier_page", lambda *_: None)  # takes longer than the rest
    found = tmp_path / "found.json"
    options = [
        "--data",
        str(trained.pack),
        "--split",
        split,
        "--json",
        str(found),
        "--report",
        str(tmp_path / "p.html"),
    ]
    assert main(["evaluate", "--model", str(trained.linear), *options]) == 0
    check_contract(load(found), clips, classes=4)
    assert load(found)["selected_on"] == selected_on
    assert "no test result" in capsys.readouterr().err.replace("\n", " ")


def test_val_selects_nothing_where_the_last_epoch_is_kept(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, found = tmp_path / "last", tmp_path / "found.json"
    assert trained.classify("linear", model, "--linear.select", "last") == 0
    given = ["evaluate", "--model", str(model), "--data", str(trained.pack), "--split", "val,test"]
    assert main([*given, "--json", str(found)]) == 0
    assert (load(found)["selected_on"], load(found)["calibrated_on"]) == ([], ["val"])
    assert "fitted on val" in capsys.readouterr().err.replace("\n", " ")
    assert "fitted on val" in (model / "report.html").read_text()


def test_calibrate(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = shutil.copytree(trained.linear, tmp_path / "R")
    given = ["calibrate", "--model", str(model), "--data", str(trained.pack)]
    assert main(given) == 0
    assert load_run(model).about["calibration"] == load_run(trained.linear).about["calibration"], "the same val, recipe"
    assert main([*given, "--trusted", "0.8", "--split", "all"]) == 0
    said = capsys.readouterr()
    assert "17 clips: temperature" in said.out
    assert "80 %" in said.out
    assert "23 clips that the model learnt from are left out" in said.err
    for option in ("--unknown_share", "--target_accuracy"):
        assert main([*given, option, "1.5"]) == 2
        assert f"{option.removeprefix('--')} 1.5" in capsys.readouterr().err
    assert main([*given, "--unknown_share", "0.2"]) == 2
    assert "10 or more, or more clips of other signs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fitted", "said"),
    [
        (None, "not fitted without val clips"),
        ({"threshold": 0.7, "trusted": 0.9}, "90 %"),
        ({"threshold": NEVER}, "it is never sure; `twinsign calibrate` tries other terms"),
    ],
)
def test_a_training_says_its_threshold(
    capsys: pytest.CaptureFixture[str], fitted: dict[str, float] | None, said: str
) -> None:
    about = {"clips": 3, "classes": 2, "calibration": fitted}
    run = SimpleNamespace(about=about, path=Path("R"))
    train._print_training(run)
    assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("model", ["pretrained", "finetuned", "none"])
def test_knn(trained: Trained, tmp_path: Path, model: str) -> None:
    found, config = tmp_path / "found.json", ["--config", str(trained.recipe)]
    run = "none" if model == "none" else str(trained.folder / model)
    given = ["knn", "--model", run, "--data", str(trained.pack)]
    assert main([*given, *config, "--split", "val,test", "--json", str(found)]) == 0
    report = load(found)
    check_contract(report, clips=16, classes=4)
    assert (report["protocol"], report["gallery"], report["gallery_clips"]) == ("knn", "train", 23)
    assert report["split"] == ["val", "test"]


def test_knn_by_branch_and_part(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, found = load_run(trained.pretrained), tmp_path / "found.json"
    encoders, pack = load_encoders(run), Pack(trained.pack)
    given = ["knn", "--model", str(trained.pretrained), "--data", str(trained.pack), "--k", "1", "--json", str(found)]
    assert main([*given, "--branches", "joint", "--parts", "hand"]) == 0
    vectors, glosses = [], []
    for split in ("train", "test"):
        rows = pack.select([split])
        rows = rows[pack.usable[rows]]
        batch = evaluation_loader(pack, rows, run.recipe)
        view = next(iter(batch))
        with torch.no_grad():
            hand = encoders["joint"](*fixed_views(run.recipe.windows, run.recipe.pretrain.frames)(view)[0]).f["hand"]
        vectors.append((hand / hand.norm(dim=1, keepdim=True)).numpy())
        glosses.append(pack.table["gloss"].take(rows).to_pylist())
    nearest = [int(np.argmax([query @ one for one in vectors[0]])) for query in vectors[1]]
    right = [glosses[0][near] == truth for near, truth in zip(nearest, glosses[1], strict=True)]
    report = load(found)
    assert (report["branches"], report["parts"]) == (["joint"], ["hand"])
    assert report["per_instance"]["top1"] == pytest.approx(100 * np.mean(right), abs=0.01)
    assert main([*given, "--branches", "depth"]) == 2
    assert "branch 'depth'" in capsys.readouterr().err


def test_predict_a_file(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, clip = copy_essentials(trained.finetuned, tmp_path / "model"), tmp_path / "clip.npz"
    pack = Pack(trained.pack)
    write_npz(pack.recording(int(pack.select(["test"])[0])), clip)
    assert main(["predict", str(clip), "--model", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == str(clip)
    assert {guess["gloss"] for guess in found["guesses"]} == set(load(trained.finetuned / "labels.json"))
    confidences = [guess["confidence"] for guess in found["guesses"]]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) == pytest.approx(1, abs=1e-5)
    assert isinstance(found["sure"], bool)


def test_predict_says_what_it_could_not_read(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = Pack(trained.pack)
    good, bad, handless = (tmp_path / name for name in ("good.npz", "bad.npz", "handless.npz"))
    write_npz(pack.recording(0), good)
    bad.write_bytes(b"PK\x03\x04 no more")
    clip = read(good)
    score = clip.score.copy()
    score[:, :42] = 0
    write_npz(Recording("x", clip.xy, score), handless)
    model = ["--model", str(trained.linear)]
    assert main(["predict", str(good), str(bad), *model]) == 3
    shown = capsys.readouterr()
    assert "bad.npz" in shown.err.replace("\n", "")
    assert "good.npz" in shown.out.replace("\n", "")
    assert main(["predict", str(bad), str(handless), str(tmp_path / "absent.npz"), *model]) == 2
    shown = capsys.readouterr()
    for name in ("bad.npz", "handless.npz", "absent.npz"):
        assert name in shown.err.replace("\n", "")
    assert "no hand" in shown.err.replace("\n", " ")


def test_predict_takes_folders(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack, model = Pack(trained.pack), ["--model", str(trained.linear), "--json"]
    for name in ("b/2.npz", "a.npz", ".hidden.npz"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        write_npz(pack.recording(0), tmp_path / "in" / name)
    assert main(["predict", str(tmp_path / "in"), *model]) == 0
    names = [json.loads(line)["file"] for line in capsys.readouterr().out.splitlines()]
    assert names == [str(tmp_path / "in" / name) for name in ("a.npz", "b/2.npz")]
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "empty" / "notes.txt").write_text("no pose")
    assert main(["predict", str(tmp_path / "empty"), *model]) == 2
    said = capsys.readouterr().err
    assert "found no pose file and no video" in said
    assert "size" not in said


def test_predict_passes_on_what_the_reader_settled(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording, folder = Pack(trained.pack).recording(0), tmp_path / "clip"
    folder.mkdir()
    for frame in (0, 1, 3, 4):
        parts = [recording.xy[frame, 21:42], recording.xy[frame, :21]]
        body = np.zeros((33, 4), np.float32)
        row = np.concatenate([body.ravel(), *(np.pad(part, ((0, 0), (0, 1))).ravel() for part in parts)])
        np.save(folder / f"{frame}.npy", row)
    model = ["--model", str(trained.linear)]
    assert main(["predict", str(folder), *model, "--json"]) == 0
    shown = capsys.readouterr()
    notes = json.loads(shown.out)["notes"]
    assert "1 of 5 frames missing (2): nothing seen there" in notes
    assert "1 of 5 frames missing" in " ".join(shown.err.split())
    assert main(["predict", str(folder), *model]) == 0
    shown = capsys.readouterr()
    assert "1 of 5 frames missing" in " ".join(shown.err.split())
    assert "missing" not in shown.out


def test_a_finished_run_is_left_as_it_is(trained: Trained) -> None:
    for run, again in (
        (trained.pretrained, lambda: trained.pretrain(trained.pretrained)),
        (trained.finetuned, lambda: trained.classify("finetune", trained.finetuned)),
        (trained.linear, lambda: trained.classify("linear", trained.linear)),
    ):
        before = contents(run)
        assert again() == 0
        assert contents(run) == before


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], *said: str) -> None:
    """The command writes nothing, exits with 2 and says each of these."""
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    for words in said:
        assert words in shown.err, shown.err


def test_bad_data_is_refused(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, model = ["--data", str(trained.pack)], ["evaluate", "--model", str(trained.linear)]
    refused(capsys, [*model, *data, "--split", "tset"], "split 'tset'", "test, train, val", str(trained.pack))
    refused(capsys, [*model, *data, "--where", "wlasl999=1"], "column 'wlasl999'", "gloss", str(trained.pack))
    refused(capsys, [*model, *data, "--where", "signer=nobody"], "no clip", "signer=nobody")
    absent = tmp_path / "absent"
    refused(capsys, [*model, "--data", str(absent)], str(absent), "no such file")
    refused(capsys, ["knn", "--model", str(trained.pretrained), "--split", "train", *data], "gallery")
    pretrain = ["pretrain", "--config", str(trained.recipe), "--out", str(tmp_path / "out")]
    refused(capsys, [*pretrain, "--data", str(absent)], str(absent), "no such file")
    refused(capsys, [*pretrain, *data, "--where", "split=test"], "no clip")
    assert not (tmp_path / "out" / "weights.safetensors").exists()


def test_a_label_missing_from_the_list_names_the_clip(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = copy_essentials(trained.linear, tmp_path / "model")
    labels = load(model / "labels.json")
    (model / "labels.json").write_text(json.dumps(["OTHER", *labels[1:]]))
    pack = Pack(trained.pack)
    clip = next(pack.table["id"][int(row)].as_py() for row in pack.select(["test"], [f"gloss={labels[0]}"]))
    refused(
        capsys, ["evaluate", "--model", str(model), "--data", str(trained.pack)], repr(labels[0]), clip, "label list"
    )


def test_unfit_runs_are_refused(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(trained.pack)]
    evaluate = ["evaluate", *data, "--model"]
    refused(capsys, [*evaluate, str(trained.pretrained)], "without a classifier", "finetune or linear")
    refused(capsys, [*evaluate, str(tmp_path / "nowhere")], "no config.yaml", "nowhere")
    unfinished = copy_essentials(trained.finetuned, tmp_path / "unfinished")
    (unfinished / "weights.safetensors").unlink()
    refused(capsys, [*evaluate, str(unfinished)], "no weights", "finished run")
    refused(capsys, ["knn", *data, "--model", str(unfinished)], "no weights")
    assert trained.classify("linear", tmp_path / "new", init=unfinished) == 2
    assert "no weights" in capsys.readouterr().err
    assert trained.classify("finetune", tmp_path / "new2", "--encoder.heads", "4") == 2
    assert "heads=2" in capsys.readouterr().err


def test_another_run_in_the_folder_is_refused(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(trained.finetuned), contents(trained.pretrained)
    for options, word in (
        (["--seed", "1"], "seed"),
        (["--finetune.epochs", "3"], "differs in finetune.epochs;"),
        (["--label_fraction", "0.5"], "label_fraction"),
    ):
        assert trained.classify("finetune", trained.finetuned, *options) == 2
        shown = capsys.readouterr().err
        assert word in shown
        assert "Choose another --out" in shown
    assert trained.pretrain(trained.pretrained, "--objective.momentum", "0.5") == 2
    assert trained.classify("linear", trained.pretrained) == 2
    assert (contents(trained.finetuned), contents(trained.pretrained)) == before


def test_a_weights_file_of_another_config_is_refused(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mixed = copy_essentials(trained.linear, tmp_path / "mixed")
    text = (mixed / "config.yaml").read_text()
    (mixed / "config.yaml").write_text(
        text.replace("part_widths:\n    - 16\n    - 16", "part_widths:\n    - 16\n    - 24")
    )
    assert text != (mixed / "config.yaml").read_text()
    for command in ("evaluate", "knn"):
        given = [command, "--model", str(mixed), "--data", str(trained.pack)]
        refused(capsys, given, "no encoders.joint", "more", "of one run")
    shutil.copy(trained.pretrained / "weights.safetensors", mixed / "weights.safetensors")
    refused(capsys, ["evaluate", "--model", str(mixed), "--data", str(trained.pack)], "weights.safetensors")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pretrain", "--config", "nonsuch", "--data", "P", "--out", "R"], "small"),
        (["pretrain", "--data", "P"], "out"),
        (["pretrain", "--data", "P", "--out", "R", "--pretrain.epoks", "3"], "epoks"),
        (["pretrain", "--data", "P", "--out", "R", "--pretrain.epochs", "many"], "epochs"),
        (["nonsuch"], "nonsuch"),
        (["evaluate", "--data", "P"], "model"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_the_option(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2
    assert said in capsys.readouterr().err


def test_an_unknown_key_in_a_recipe_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(RECIPE.replace("monitor_every", "epoks"))
    refused(capsys, ["pretrain", "--config", str(file), "--data", "P", "--out", str(tmp_path / "R")], "pretrain.epoks")


def test_convert_leaves_other_runs_alone(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = copy_essentials(trained.linear, tmp_path / "model")
    before = contents(model)
    refused(capsys, ["convert", str(tmp_path / "a.pth.tar"), "--out", str(model)], "not made of")
    assert contents(model) == before


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("twinsign ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_an_error_in_words(trained: Trained, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert trained.pretrain(tmp_path / "R") == 2


@pytest.mark.parametrize(
    ("options", "epochs", "steps"),
    [
        ([], 150, 170),
        (["--pretrain.epochs", "3"], 3, None),
        (["--pretrain.epochs=3"], 3, None),
        (["--pretrain.epochs", "3", "--pretrain.steps", "5"], 3, 5),
        (["--pretrain.steps", "5"], 150, 5),
    ],
)
def test_epochs_that_are_typed_go_before_a_recipes_steps(
    options: list[str], epochs: int, steps: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes: list[Recipe] = []

    def pretrain(recipe: Recipe, data: Words, config: str) -> int:
        recipes.append(recipe)
        return 0

    monkeypatch.setattr(train, "pretrain_encoders", pretrain)
    assert main(["pretrain", "--config", "demo", "--data", "p", *options]) == 0
    assert (recipes[0].pretrain.epochs, recipes[0].pretrain.steps) == (epochs, steps)


def test_without_a_command_all_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(f"    {name} " in said for name in registry.COMMANDS)
    with pytest.raises(SystemExit):
        main(["recognize"])
    assert "predict" in capsys.readouterr().err
