"""What the experiments leave: which clips they used, which branches, what was chosen on val."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from helpers.tiny_configs import pack_of, sample
from helpers.trained_runs import Trained, copy_essentials
from safetensors.torch import load_file
from torch.nn import functional as F
from yaml import safe_load as load_yaml

from twinsign.errors import InputError
from twinsign.evaluation.calibrate import calibrate, recalibrate
from twinsign.evaluation.evaluate import evaluate
from twinsign.evaluation.retrieve import knn
from twinsign.evaluation.scoring import score
from twinsign.hub.facts import selection_of
from twinsign.nn.classifier import Classifier
from twinsign.nn.config import HeadConfig
from twinsign.nn.features import features_as_tested, fixed_views
from twinsign.nn.imprint import imprint
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection, labelled_rows, select_training
from twinsign.runs.models import load_classifier, load_encoders
from twinsign.runs.recipe import AbstainConfig, Recipe
from twinsign.runs.run import WEIGHTS, load_run, read_metrics
from twinsign.ssl.pretrain import Pretrainer
from twinsign.train import protocols
from twinsign.train.prepare import matches_finished_run
from twinsign.train.warm_start import load_initial
from twinsign.views.batches import ClipReader


@pytest.fixture
def recipe(trained: Trained) -> Recipe:
    """The tiny recipe."""
    return load_run(trained.pretrained).recipe


def linear(recipe: Recipe, init: str | Path, pack: Path, out: Path, **options: object) -> dict[str, torch.Tensor]:
    protocols.linear(recipe, init, ClipSelection([pack]), out, page=False, **options)  # type: ignore[arg-type]
    return load_file(out / "weights.safetensors")


def test_the_linear_run_holds_the_pretrained_encoder_untouched(trained: Trained) -> None:
    source = load_file(trained.pretrained / "weights.safetensors")
    found = load_file(trained.linear / "weights.safetensors")
    encoder = {name for name in source if name.startswith("encoders.")}
    assert encoder == {name for name in found if name.startswith("encoders.")}
    assert any("running_var" in name for name in encoder)
    assert all(torch.equal(source[name], found[name]) for name in encoder)


def test_finetuning_moves_the_encoder(trained: Trained) -> None:
    source = load_file(trained.pretrained / "weights.safetensors")
    found = load_file(trained.finetuned / "weights.safetensors")
    moved = [name for name in source if name in found and not torch.equal(source[name], found[name])]
    assert {name.split(".")[1] for name in moved} == {"joint", "motion"}


def test_finetuning_may_begin_at_the_class_means(
    trained: Trained, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = replace(recipe.finetune.optimiser, lr=0.0)
    chosen = replace(recipe.finetune, epochs=1, optimiser=still, head=HeadConfig(start="means"))
    recipe, clips = replace(recipe, finetune=chosen), ClipSelection([trained.pack])
    run = protocols.finetune(recipe, trained.pretrained, clips, tmp_path / "out", page=False)
    pack, train, _, glosses = select_training(clips, 0)
    wanted = Classifier(recipe.encoder, chosen.head, len(glosses))
    wanted.encoders.load_state_dict(load_encoders(load_run(trained.pretrained)).state_dict())
    reader = ClipReader(pack, train.rows, recipe.read, train.labels.tolist())
    imprint(
        wanted,
        *features_as_tested(wanted.encoders, reader, fixed_views(recipe.windows, chosen.frames), chosen.head.parts),
    )
    found = load_classifier(run)
    for one, other in zip(found.fc.parameters(), wanted.fc.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert found.fc["joint"].weight.abs().sum() > 0
    (run.path / WEIGHTS).unlink()
    monkeypatch.setattr("twinsign.train.prepare.imprint", lambda *_: pytest.fail("a resumed training keeps its layers"))
    protocols.finetune(recipe, trained.pretrained, clips, tmp_path / "out", page=False)


def test_calibration_lowers_cross_entropy_on_val(trained: Trained) -> None:
    for path in (trained.finetuned, trained.linear):
        run, pack = load_run(path), Pack(trained.pack)
        scored = score(run, load_classifier(run), pack, labelled_rows(pack, pack.select(["val"]), run.labels))
        logits, labels = torch.from_numpy(scored.scores), torch.from_numpy(scored.labels)
        found = run.about["calibration"]
        assert F.cross_entropy(logits / found["temperature"], labels) <= F.cross_entropy(logits, labels) + 1e-6
        assert run.about["selected_on"] == ["train", "val"]


def test_the_kept_weights_are_those_of_the_best_epoch_on_val(trained: Trained) -> None:
    rows = read_metrics(trained.finetuned)
    report = evaluate(trained.finetuned, ClipSelection([trained.pack]), ["val"]).report
    assert report["per_instance"]["top1"] == pytest.approx(max(row["val_top1"] for row in rows), abs=0.01)


@pytest.mark.parametrize("branch", ["joint", "motion"])
def test_one_branch_of_two_can_be_probed(trained: Trained, recipe: Recipe, tmp_path: Path, branch: str) -> None:
    one = replace(recipe, linear=replace(recipe.linear, head=HeadConfig(branches=(branch,))))
    found = linear(one, trained.pretrained, trained.pack, tmp_path / "out")
    assert {name.split(".")[1] for name in found} == {branch}
    report = evaluate(tmp_path / "out", ClipSelection([trained.pack]), ["test"]).report
    assert report["clips"] == 8


def test_a_branch_that_was_not_pretrained_is_refused(trained: Trained, recipe: Recipe, tmp_path: Path) -> None:
    alone = replace(recipe, objective=replace(recipe.objective, branches=("joint",)))
    protocols.pretrain(alone, [trained.pack], tmp_path / "joint")
    for run in (protocols.linear, protocols.finetune):
        with pytest.raises(InputError, match="no motion branch"):
            run(alone, tmp_path / "joint", ClipSelection([trained.pack]), tmp_path / run.__name__)


def test_linear_is_repeatable_and_follows_the_seed(trained: Trained, recipe: Recipe, tmp_path: Path) -> None:
    one, same = (linear(recipe, "none", trained.pack, tmp_path / name) for name in "ab")
    other = linear(recipe, "none", trained.pack, tmp_path / "c", seed=1)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["fc.joint.weight"], other["fc.joint.weight"])


def test_a_share_of_the_labels_is_recorded(trained: Trained, recipe: Recipe, tmp_path: Path) -> None:
    clips = ClipSelection([trained.pack], label_fraction=0.34)
    run = protocols.linear(recipe, trained.pretrained, clips, tmp_path / "out", page=False)
    assert run.about["clips"] == 8, "2 of each gloss's 6"
    assert run.about["label_fraction"] == 0.34
    assert run.about["rows_hash"] != load_run(trained.linear).about["rows_hash"]


def test_labels_a_class_are_recorded_and_no_share_is(trained: Trained, recipe: Recipe, tmp_path: Path) -> None:
    few = ClipSelection([trained.pack], labels_per_class=2)
    run = protocols.linear(recipe, trained.pretrained, few, tmp_path / "R", page=False)
    assert (run.about["clips"], run.about["labels_per_class"]) == (8, 2)
    assert "labels_per_class" not in load_run(trained.linear).about  # runs of earlier versions go on as they were


def test_a_report_says_how_sure_answers_fare_and_who_signed(trained: Trained, tmp_path: Path) -> None:
    report = evaluate(trained.linear, ClipSelection([trained.pack]), ["test"]).report
    assert report["selective"][-1] == report["selective"][-1] | {
        "coverage": 100.0,
        "accuracy": report["per_instance"]["top1"],
    }
    assert report["ece_calibrated"] is not None
    assert report["signers"]["independent"] is True
    assert report["signers"]["evaluated"] == 2
    on_train = evaluate(trained.linear, ClipSelection([trained.pack]), ["train"]).report
    assert on_train["signers"]["shared"] == on_train["signers"]["evaluated"] == 6
    elsewhere = shutil.copytree(trained.linear, tmp_path / "R")
    config = elsewhere / "config.yaml"
    text = config.read_text()
    rows_hash = load_run(elsewhere).about["rows_hash"]
    config.write_text(text.replace(str(trained.pack), str(tmp_path / "gone")))
    assert evaluate(elsewhere, ClipSelection([trained.pack]), ["test"]).report["signers"] == report["signers"]
    config.write_text(text.replace(rows_hash, "other"))
    assert evaluate(elsewhere, ClipSelection([trained.pack]), ["test"]).report["signers"] is None


def test_neighbours_have_no_temperature_of_a_classifier(trained: Trained, recipe: Recipe) -> None:
    report, _ = knn(trained.finetuned, recipe, ClipSelection([trained.pack]), ["test"])
    assert (report["ece_calibrated"], report["answered"]["threshold"]) == (None, None)
    assert report["signers"]["independent"] is True


def test_calibrated_anew_on_other_recordings(trained: Trained, tmp_path: Path) -> None:
    """Weights, labels and resuming stay; the threshold is for the clips named, which are no test any more."""
    model = shutil.copytree(trained.finetuned, tmp_path / "R")
    before = evaluate(model, ClipSelection([trained.pack]), ["test"]).report
    weights, digest = (model / "weights.safetensors").read_bytes(), load_run(model).digest()
    run = recalibrate(model, ClipSelection([trained.pack]), ["test"], AbstainConfig(0.05, confidence=0))
    after = evaluate(model, ClipSelection([trained.pack]), ["test"]).report
    pack = Pack(trained.pack)
    scored = score(run, load_classifier(run), pack, labelled_rows(pack, pack.select(["test"]), run.labels))
    wanted = calibrate(scored, AbstainConfig(0.05, confidence=0))
    assert load_run(model).about["calibration"] == asdict(wanted)
    assert after["answered"]["threshold"] == wanted.threshold != before["answered"]["threshold"]
    assert after["per_instance"] == before["per_instance"]
    assert (before["calibrated_on"], after["calibrated_on"], after["selected_on"]) == ([], ["test"], [])
    assert evaluate(model, ClipSelection([trained.pack]), ["val"]).report["calibrated_on"] == [], (
        "val has no part in it now"
    )
    assert after["run_digest"] != before["run_digest"] == digest
    assert (model / "weights.safetensors").read_bytes() == weights
    assert "fitted on test" not in selection_of(load_run(trained.finetuned))
    assert "8 clips of test" in selection_of(load_run(model))
    again = recalibrate(model, ClipSelection([trained.pack]), ["val"], AbstainConfig())
    assert load_run(model).vectors_digest() == again.vectors_digest() == digest, "the same vectors"
    assert matches_finished_run(replace(load_run(trained.finetuned), path=model)), (
        "to resume, it is still the same training"
    )
    sure = replace(again.recipe, abstain=AbstainConfig(0.8))
    assert matches_finished_run(replace(load_run(trained.finetuned), path=model, recipe=sure)), (
        "whatever it is to be sure of"
    )


def test_what_it_learnt_from_calibrates_nothing(trained: Trained, tmp_path: Path) -> None:
    model = shutil.copytree(trained.finetuned, tmp_path / "R")
    config, pack = (model / "config.yaml").read_text(), Pack(trained.pack)
    train = pack.select(["train"])
    (handless,) = train[~pack.usable[train]].tolist()
    shown = next(gloss for gloss in load_run(model).labels if gloss != pack.column("gloss")[handless])
    with pytest.raises(InputError, match="all of which the model learnt from"):
        recalibrate(model, ClipSelection([trained.pack], [f"gloss={shown}"]), ["train"], AbstainConfig())
    with pytest.raises(InputError, match="4 glosses"):
        recalibrate(model, ClipSelection([trained.pack]), ["test"], AbstainConfig(unknown_share=0.5))
    assert (model / "config.yaml").read_text() == config, "a refusal changes nothing"
    mixed = recalibrate(model, ClipSelection([trained.pack]), None, AbstainConfig()).about["calibrated"]
    assert (mixed["clips"], mixed["left_out"]) == (len(pack) - len(train) + 1, len(train) - 1), (
        "the handless one is new"
    )
    found = evaluate(model, ClipSelection([trained.pack]), ["val", "test"]).report
    assert found["calibrated_on"] == ["test", "val"]
    (model / "config.yaml").write_text(config.replace(load_run(model).about["rows_hash"], "other"))
    unsure = recalibrate(model, ClipSelection([trained.pack]), ["train"], AbstainConfig()).about["calibrated"]
    assert unsure["left_out"] is None, "which clips are new to it is not known"
    software = load_yaml(config)["software"]
    assert load_yaml((model / "config.yaml").read_text())["software"] == software


def test_val_labels_that_training_lacks_are_named(recipe: Recipe, tmp_path: Path) -> None:
    clips = [sample(f"t{i}", "AB"[i % 2]) for i in range(4)]
    pack_of(tmp_path / "P", *clips, sample("odd one", "C", "val"))
    with pytest.raises(InputError, match=r"gloss 'C'.*label list") as error:
        linear(recipe, "none", tmp_path / "P", tmp_path / "out")
    assert "odd one" in str(error.value)


def test_val_clips_of_signs_that_no_clip_teaches_are_left_out(
    recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clips = [sample(f"t{i}", "AB"[i % 2]) for i in range(4)]
    pack_of(tmp_path / "P", *clips, sample("v", "A", "val"), sample("odd one", "C", "val"))
    linear(recipe, "none", tmp_path / "P", tmp_path / "out")
    assert "1 val clips are left out" in caplog.text
    assert json.loads((tmp_path / "out" / "val.json").read_text())["clips"] == 1


def test_without_val_the_last_epoch_is_kept_and_nothing_is_calibrated(recipe: Recipe, tmp_path: Path) -> None:
    pack_of(tmp_path / "P", *(sample(f"t{i}", "AB"[i % 2]) for i in range(4)), sample("x", "A", "test"))
    linear(recipe, "none", tmp_path / "P", tmp_path / "linear")
    protocols.finetune(recipe, "none", ClipSelection([tmp_path / "P"]), tmp_path / "finetune", page=False)
    for name in ("linear", "finetune"):
        run = load_run(tmp_path / name)
        assert run.about["selected_on"] == ["train"]
        assert "calibration" not in run.about
        assert not (tmp_path / name / "checkpoints" / "best.ckpt").exists()


def test_handless_clips_are_left_out_of_training_and_counted_in_tests(recipe: Recipe, tmp_path: Path) -> None:
    clips = [sample(f"t{i}", "AB"[i % 2]) for i in range(4)]
    held = [sample("v", "A", "val"), sample("w", "B", "val"), sample("x", "A", "test")]
    handless = [sample("n", "A", hand=False), sample("y", "B", "test", hand=False)]
    pack_of(tmp_path / "P", *clips, *held, *handless)
    linear(recipe, "none", tmp_path / "P", tmp_path / "out")
    assert load_run(tmp_path / "out").about["clips"] == 4
    report, scored = evaluate(tmp_path / "out", ClipSelection([tmp_path / "P"]), ["test"])[:2]
    assert (report["clips"], report["handless_clips"]) == (2, ["y"])
    assert scored.scores.shape == (2, 2)


def test_steps_decide_the_epochs(trained: Trained, recipe: Recipe, tmp_path: Path) -> None:
    few = replace(recipe, pretrain=replace(recipe.pretrain, steps=6, monitor_every=0))
    protocols.pretrain(few, [trained.pack], tmp_path / "out")
    assert [row["step"] for row in read_metrics(tmp_path / "out")] == [2, 4, 6]


def test_a_pretraining_begins_where_another_ended(trained: Trained, recipe: Recipe, tmp_path: Path) -> None:
    out, state = tmp_path / "more", {}

    def seen(model: Pretrainer, init: str | Path) -> None:
        load_initial(model, init)
        state.update({name: value.clone() for name, value in model.state_dict().items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocols, "load_initial", seen)
        run = protocols.pretrain(recipe, [trained.pack], out, init=trained.pretrained, page=False)
    source = load_file(trained.pretrained / WEIGHTS)
    model = Pretrainer(recipe.encoder, recipe.objective)
    model.load_state_dict(state)
    began = model.query_weights().state_dict()
    assert all(torch.equal(began[name], value) for name, value in source.items())
    assert int(state["cursor"]) > 0, "the banks are those of the other's end"
    assert all(bank.valid.any() for bank in model.banks_of("joint").values())
    assert (run.about["init"], run.about["started_from"]["digest"]) == (
        str(trained.pretrained),
        load_run(trained.pretrained).digest(),
    )
    ended = load_file(out / WEIGHTS)
    assert not all(torch.equal(ended[name], value) for name, value in source.items())
    with pytest.raises(InputError, match="differs in init"):
        protocols.pretrain(recipe, [trained.pack], out, page=False)


def test_without_a_checkpoint_the_banks_begin_empty(
    trained: Trained, recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = copy_essentials(trained.pretrained, tmp_path / "bare")
    model = Pretrainer(recipe.encoder, recipe.objective)
    load_initial(model, bare)
    assert "the banks begin empty" in caplog.text
    source, state = load_file(bare / WEIGHTS), model.query_weights().state_dict()
    assert all(torch.equal(state[name], value) for name, value in source.items())
    assert all(map(torch.equal, model.key.state_dict().values(), model.query.state_dict().values()))
    load_initial(model, "none")
    with pytest.raises(InputError, match="found a classifier"):
        load_initial(model, trained.linear)
    (bare / WEIGHTS).unlink()
    with pytest.raises(InputError, match="an unfinished RUN"):
        load_initial(model, bare)
    wide = replace(recipe.objective, bank_size=32)
    with pytest.raises(InputError, match="of shape"):
        load_initial(Pretrainer(recipe.encoder, wide), trained.pretrained)
    (bare / WEIGHTS).write_bytes(b"")
    (bare / "checkpoints").mkdir()
    (bare / "checkpoints" / "last.ckpt").write_bytes(b"no pickle")
    with pytest.raises(InputError, match="a damaged checkpoint"):
        load_initial(model, bare)


def test_a_finished_pretraining_says_how_to_go_on(trained: Trained, recipe: Recipe) -> None:
    longer = replace(recipe, pretrain=replace(recipe.pretrain, epochs=9))
    with pytest.raises(InputError, match=r"--init .*pretrained to train it for longer"):
        protocols.pretrain(longer, [trained.pack], trained.pretrained, config=str(trained.recipe), page=False)


def test_the_same_command_writes_what_a_killed_one_did_not_at_its_end(trained: Trained, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained.linear, tmp_path / "run"))
    before = json.loads((run / "val.json").read_text())
    for gone in (["report.html"], ["val.json", "report.html"]):  # the page is written last
        for name in gone:
            (run / name).unlink()
        assert trained.classify("linear", run) == 0
        assert (run / "report.html").is_file()
        found = json.loads((run / "val.json").read_text())
        assert {**found, "run": ""} == {**before, "run": ""}
    run = Path(shutil.copytree(trained.pretrained, tmp_path / "pre"))
    (run / "report.html").unlink()
    assert trained.pretrain(run) == 0
    assert (run / "report.html").is_file()
