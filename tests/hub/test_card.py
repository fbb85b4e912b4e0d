from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.hub.bundle import is_inert, is_shared, shared_files
from twinsign.hub.card import CardMetadata, model_card
from twinsign.hub.facts import code, load_reports, notes_of, rejection_of, selection_of, title_of
from twinsign.runs.run import Run, keep_report, load_run, save_config
from twinsign.train.average import average


@pytest.fixture
def run(trained, tmp_path: Path) -> Path:
    """A fine-tuned RUN with the report that `finetune --json` left in it, and that on val."""
    copy = Path(shutil.copytree(trained.finetuned, tmp_path / "signs"))
    keep_report(copy, json.loads((trained.folder / "finetuned.json").read_text()))  # others may have evaluated it since
    return copy


def test_a_card_holds_what_the_run_and_its_reports_say(run: Path, trained, capfd) -> None:
    options = ["--language", "ase", "--license", "cc-by-nc-4.0", "--repo", "ann/signs"]
    assert main(["card", str(run), *options]) == 0
    assert "how much results vary with the seed" in " ".join(capfd.readouterr().err.split())
    card = ModelCard.load(run / "README.md")
    report = json.loads((trained.folder / "finetuned.json").read_text())
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (card.data.library_name, card.data.license, card.data.language) == ("twinsign", "cc-by-nc-4.0", ["ase"])
    assert card.data.datasets is None  # generated signs are of none that the Hub could know
    results = {one.metric_name: one for one in card.data.eval_results}
    assert len(card.data.eval_results) == 4  # of test alone: val chose the model
    top1 = results["top-1 per instance (%)"]
    assert top1.metric_value == report["per_instance"]["top1"]
    assert top1.metric_args == {"clips": report["clips"], "interval95": report["interval95"]["per_instance.top1"]}
    assert top1.dataset_args["split_hash"] == report["split_hash"]
    assert top1.dataset_split == "test"
    text = card.text
    for gloss in load_run(run).labels:
        assert f"`{gloss}`" in text
    assert f"test of {trained.pack.name}" in text
    assert f"{report['clips']} | {report['classes']} | {report['per_instance']['top1']:.1f} [" in text
    assert "(chose the model)" in text
    assert f"seed {config['about']['seed']}" in text
    assert f"`{config['about']['rows_hash']}`" in text
    assert f"`{config['about']['started_from']['digest']}`" in text
    assert config["about"]["started_from"]["digest"] == load_run(trained.pretrained).digest()
    assert f"torch {config['software']['torch']}" in text
    assert "twinsign pull ann/signs --out signs" in text
    assert str(trained.folder) not in text  # folders of the machine are nobody's business
    assert "the sign language;" not in text
    assert "dataset `synthetic " in text
    for line in rejection_of(report):
        assert f"| {line[0]:.1f} | {line[1]:.1f} | {line[2]:.1f} |" in text


def test_a_card_of_someones_own_is_not_overwritten_unasked(run: Path, capfd) -> None:
    (run / "README.md").write_text("mine")
    assert main(["card", str(run)]) == 2
    assert (run / "README.md").read_text() == "mine"
    assert "found a README.md already" in capfd.readouterr().err
    assert main(["card", str(run), "--overwrite"]) == 0
    card = ModelCard.load(run / "README.md")
    assert (card.data.license, card.data.license_name) == ("other", "that-of-the-training-data")
    assert "the terms of the training data, and so the licence of these weights" in card.text
    assert "Sign languages: not recorded" in card.text


def test_a_pretrained_run_and_its_knn_report(trained, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.pretrained, tmp_path / "pre"))
    nothing = model_card(load_run(run), [], CardMetadata())
    assert "No evaluation report was available" in nothing
    assert "a result on clips that took no part in model selection" in nothing
    assert "model-index" not in nothing
    report = tmp_path / "knn.json"
    asked = ["--data", str(trained.pack), "--split", "test", "--json", str(report), "--config", str(trained.recipe)]
    assert main(["knn", "--model", str(run), *asked]) == 0
    assert main(["card", str(run), "--report", str(report)]) == 0
    card = ModelCard.load(run / "README.md")
    assert "NN among train" in card.data.eval_results[0].dataset_name
    assert "self-supervised-learning" in card.data.tags
    assert "## Confidence" not in card.text
    assert "twinsign finetune --init pre" in card.text


def test_a_model_of_several_trainings_says_so(run: Path, trained, tmp_path: Path) -> None:
    both, mean = tmp_path / "both", tmp_path / "mean"
    assert main(["ensemble", str(run), str(trained.linear), "--out", str(both)]) == 0
    text = model_card(load_run(both), [], CardMetadata())
    assert "2 classifiers, whose logits are added" in text
    assert f"hash `{load_run(trained.linear).digest()}`" in text
    assert text.count(f"started from the encoders of a run with hash `{load_run(trained.pretrained).digest()}`") == 2
    assert main(["average", str(run), str(run), "--out", str(mean)]) == 0
    with pytest.raises(InputError, match="an ensemble of several networks"):
        average([both, both], tmp_path / "other")
    assert main(["card", "asl300"]) == 2, "nothing is written into a shipped model"
    assert "the mean of the weights of 2 trainings" in model_card(load_run(mean), [], CardMetadata())


def test_reports_of_other_models_and_other_files_are_refused(run: Path, trained, tmp_path: Path) -> None:
    made = load_run(run)
    assert [report["split"] for report in load_reports(made, [])] == [["test"], ["val"]]
    twice = load_reports(made, [trained.folder / "finetuned.json"])
    assert len(twice) == 2
    with pytest.raises(InputError, match="a report of another model"):
        load_reports(made, [trained.folder / "linear.json"])
    old = json.loads((trained.folder / "finetuned.json").read_text())
    del old["run_digest"]
    file = tmp_path / "old.json"
    file.write_text(json.dumps(old))
    with pytest.raises(InputError, match=r"no run_digest.*evaluate again"):
        load_reports(made, [file])
    for text, message in (("{", "no JSON"), ("[]", "no per_instance"), ('{"per_instance": 1}', "no per_class")):
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            load_reports(made, [file])
    (run / "weights.safetensors").write_bytes((trained.linear / "weights.safetensors").read_bytes())
    assert load_reports(load_run(run), []) == []  # what the folder holds is of the model that was there


def test_a_run_that_records_little_is_said_to(run: Path) -> None:
    bare = Run(run, "classifier", load_run(run).recipe, load_run(run).labels, {"protocol": "finetune"})
    save_config(bare)
    text = model_card(bare, [], CardMetadata())
    assert "How the epoch was chosen is not recorded" in text
    assert "Recipe: `not recorded`; seed not recorded" in text
    assert "Packs: not recorded" in text
    assert "which estimator made the poses" in text
    started = replace(bare, about={"protocol": "finetune", "init": "/home/ann/runs/pre"})
    text = model_card(started, [], CardMetadata())
    assert "what the encoders that it started from were trained on" in text
    assert "encoders of another run, `pre`" in text
    assert "/home" not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"signers": None}, "not known whether people"),
        ({"signers": {"evaluated": 3, "shared": 0, "independent": True}}, "3, none of whom signed a training clip (s"),
        (
            {"signers": {"evaluated": 3, "shared": 2, "clips_of_shared": 9, "independent": False}},
            "2 of 3 signed training clips too; 9 of these clips are theirs",
        ),
        ({"signers": {"evaluated": 3, "shared": 0, "independent": None}}, "some clips name nobody"),
        ({"coverage": {"clips": 4, "listed": 9}}, "4 of the 9 clips"),
        ({"coverage": {"clips": 4, "listed": None}}, "not known how many clips of the split"),
        ({"overlap": ["a|b", "c"]}, "bit by bit training clips: 2 (`a¦b`, `c`)"),
        ({"overlap": []}, "none of these clips is bit by bit"),
        ({"selected_on": ["val"]}, "not a test result"),
        ({"handless_clips": ["x"]}, "1 of the clips show no hand"),
        ({"shift": {"estimators": {}, "missing": ["nose"]}}, "unlike those"),
    ],
)
def test_what_must_be_known_of_a_report(changes: dict, said: str) -> None:
    plain = {"split_hash": "0", "selected_on": [], "signers": None, "coverage": None, "overlap": None}
    assert said in " ".join(notes_of({**plain, **changes}))


def test_text_from_outside_breaks_no_table() -> None:
    assert code("a|b`c\nd") == "`a¦b'c d`"
    report = {"split": ["test"], "data": ["/home/ann/x|y.pack"], "where": ["a=1", "b=2"]}
    assert title_of(report) == "test of x|y (a=1 and b=2)"
    assert title_of({"split": None}) == "all splits of unnamed packs"


def test_what_only_a_person_knows_is_checked(run: Path) -> None:
    with pytest.raises(InputError, match="language 'English'; wanted ISO 639"):
        CardMetadata(languages=["English"])
    with pytest.raises(InputError, match="licence 'my own'"):
        CardMetadata(license="my own")
    never = replace(load_run(run), about={**load_run(run).about, "calibration": {"temperature": 1.0, "threshold": 2.0}})
    assert "it is never sure" in selection_of(never)


def test_only_files_of_a_run_are_shared(run: Path, trained) -> None:
    names = shared_files(run)
    assert not [name for name in names if name.startswith(("checkpoints", "tensorboard", "."))]
    for name in ("checkpoints/last.ckpt", ".lock", "evaluations/a/../x-0123456789abcdef.json", "a/README.md", "x.py"):
        assert not is_shared(name)
    assert is_shared("evaluations/val+test-0123456789abcdef.json")
    assert is_shared("segmenter.safetensors")
    page = run / "report.html"
    assert is_inert(page)
    text = page.read_text()
    page.write_text("<script>alert(1)</script>" + text)
    assert not is_inert(page)
    page.write_text(text.replace("img-src data:", "script-src *"))
    assert not is_inert(page)


@pytest.mark.parametrize(
    "added",
    [
        '<meta http-equiv="refresh" content="0; url=https://a.example/">',
        "<META\nHTTP-EQUIV = refresh content=0>",
        "<form action=https://a.example/><input name=token></form>",
        '<base href="https://a.example/">',
        '<a href="https://a.example/">more</a>',
        "<img src=https://a.example/x.png>",
        '<img src ="//a.example/x.png">',
        '<img src="data:text/html,x">',
        "<p onclick=go()>",
        "<p/onclick=go()>",
        "<iframe srcdoc=x></iframe>",
        "<object data=x></object>",
        "<svg><use href=x /></svg>",
        "<!-- --><SCRIPT>go()</SCRIPT>",
        "<link rel=stylesheet>",
        "<button formaction=x>",
        "<video poster=x></video>",
    ],
)
def test_a_page_that_would_go_anywhere_is_not_inert(run: Path, added: str) -> None:
    page = run / "report.html"
    text = page.read_text()
    for place in ("<title>", "</body>"):
        page.write_text(text.replace(place, added + place))
        assert not is_inert(page)
    page.write_text(text.replace("</body>", "<p>plain &lt;form&gt;</p></body>"))
    assert is_inert(page)
