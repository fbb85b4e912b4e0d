"""`fuse` and `compare` by the command line, on score files that `evaluate` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.trained_runs import Trained

from twinsign.cli.main import main
from twinsign.evaluation.evaluate import evaluate
from twinsign.evaluation.metrics import accuracy_report
from twinsign.evaluation.score_files import align_scores, read_scores, write_scores
from twinsign.files import write_json
from twinsign.pack.selection import ClipSelection

SIGNS = 8


@pytest.fixture(scope="module")
def scores(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Score files and reports "MODEL-SPLIT" of both classifiers on val and test."""
    folder = tmp_path_factory.mktemp("scores")
    for model in ("finetuned", "linear"):
        for split in ("val", "test"):
            report, scored = evaluate(trained.folder / model, ClipSelection([trained.pack]), [split])[:2]
            write_scores(folder / f"{model}-{split}.npz", scored, report)
            write_json(folder / f"{model}-{split}.json", report)
    return {file.stem: str(file) for file in folder.glob("*.npz")}


def test_evaluate_writes_score_files(trained: Trained, scores: dict[str, str], tmp_path: Path) -> None:
    given = ["evaluate", "--model", str(trained.linear), "--data", str(trained.pack), "--split", "test"]
    assert main([*given, "--scores", str(tmp_path / "S.npz"), "--report", str(tmp_path / "R.html")]) == 0
    found, wanted = read_scores(tmp_path / "S.npz"), read_scores(scores["linear-test"])
    assert (found.ids, found.glosses, found.splits) == (wanted.ids, wanted.glosses, wanted.splits)
    assert found.scores == pytest.approx(wanted.scores, abs=1e-5)
    assert "Answering when sure" in (tmp_path / "R.html").read_text()


def load(path: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_text())
    return found


def test_fusing_one_file_is_its_own_report(scores: dict[str, str], tmp_path: Path) -> None:
    out, report = str(tmp_path / "S.npz"), str(tmp_path / "R.json")
    assert main(["fuse", scores["linear-test"], "--json", report, "--out", out]) == 0
    alone, fused = load(scores["linear-test"].replace("npz", "json")), load(report)
    for name in ("per_instance", "per_class", "interval95", "clips", "classes", "split_hash", "split"):
        assert fused[name] == alone[name], name
    assert main(["compare", scores["linear-test"], out, "--json", report]) == 0
    assert load(report)["mcnemar"] == {"only_a": 0, "only_b": 0, "p": 1.0}


def test_fusing_with_another_models_table(scores: dict[str, str], tmp_path: Path) -> None:
    ours = read_scores(scores["finetuned-test"])
    rgb, order = np.random.default_rng(0).normal(size=ours.scores.shape), np.random.default_rng(1).permutation(SIGNS)
    rows = [f"{ours.ids[i]}," + ",".join(str(value) for value in rgb[i, ::-1]) for i in order]
    table = tmp_path / "rgb.csv"
    table.write_text("\n".join([",".join(["id", *reversed(ours.glosses)]), *rows]))
    report = tmp_path / "R.json"
    given = ["fuse", scores["finetuned-test"], str(table), "--weights", "2", "1", "--temperatures", "1", "0.5"]
    assert main([*given, "--json", str(report)]) == 0

    def shares(logits: np.ndarray) -> np.ndarray:
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    wanted = (2 * shares(ours.scores.astype(float)) + shares(rgb / 0.5)).argmax(axis=1) == ours.truth
    found = load(report)
    assert found["per_instance"]["top1"] == 100 * wanted.mean()
    assert [one["weight"] for one in found["members"]] == [2, 1]
    both = align_scores([ours, read_scores(table)])
    assert found["members"][1]["per_class"] == accuracy_report(both[1])["per_class"]


def test_weights_are_tuned_on_val_alone(
    scores: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test, report = [scores["finetuned-test"], scores["linear-test"]], tmp_path / "R.json"
    val = [scores["finetuned-val"], scores["linear-val"]]
    assert main(["fuse", *test, "--tune", *val, "--json", str(report)]) == 0
    found = load(report)
    assert (found["tuned_on"], found["selected_on"]) == (val, [])
    assert sum(one["weight"] for one in found["members"]) == pytest.approx(1, abs=1e-5)
    for wrong, message in (
        (["--tune", *test], "scores of split test"),
        (["--tune", val[0]], "1 files to tune on; wanted 2"),
        (["--tune", *val, "--weights", "1", "1"], "one of the two"),
        (["--weights", "1", "x"], "found weights 1 x; wanted numbers"),
    ):
        assert main(["fuse", *test, *wrong]) == 2
        assert message in capsys.readouterr().err


def test_files_of_other_clips_are_refused_or_cut(
    scores: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fuse", scores["finetuned-test"], scores["linear-val"]]) == 2
    assert "8 missing" in capsys.readouterr().err
    ours = read_scores(scores["finetuned-test"])
    few, report = tmp_path / "few.npz", tmp_path / "R.json"
    np.savez(few, ids=ours.ids[:5], logits=ours.scores[:5], glosses=ours.glosses)
    given = [scores["finetuned-test"], str(few), "--common", "--json", str(report)]
    assert main(["fuse", *given]) == 0
    assert (load(report)["clips"], [one["left_out"] for one in load(report)["members"]]) == (5, [SIGNS - 5, 0])
    assert main(["compare", *given]) == 0
    assert load(report)["left_out"] == {scores["finetuned-test"]: SIGNS - 5, str(few): 0}
    assert load(report)["difference"]["per_instance"]["top1"] == 0


def test_compare_takes_two_files_or_two_sets_of_seeds(
    scores: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other, report = scores["finetuned-test"], scores["linear-test"], tmp_path / "R.json"
    assert main(["compare", one, other, one]) == 2
    assert "3 score files; wanted two files, A and B" in capsys.readouterr().err
    assert main(["compare", one, "--against", other, other, "--json", str(report)]) == 0
    found = load(report)
    assert found["files"] == {"a": [one], "b": [other, other]}
    assert (found["a"]["seeds"], found["b"]["seeds"]) == (1, 2)
    assert "sign_flip" in found
