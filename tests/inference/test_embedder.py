"""A pre-training whose embeddings are whitened: one vector by every door, and none of it in what goes on from there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.trained_runs import Trained, copy_essentials
from safetensors.torch import load_file, save_file

import twinsign as ts
from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.evaluation.score_files import read_scores
from twinsign.hub.bundle import load_checked_run
from twinsign.inference.embedder import FeatureChoice
from twinsign.inference.embeddings import read_embeddings, write_embeddings
from twinsign.inference.export_module import Portable
from twinsign.inference.recogniser import explain
from twinsign.nn.features import embed, joint_embedding
from twinsign.nn.whitening import fit_whitening
from twinsign.pack.open import Pack
from twinsign.runs.models import evaluation_loader, load_classifier, load_encoders, load_whitening, viewer_of
from twinsign.runs.run import load_run
from twinsign.web.network import PageNetwork, describe_network


@pytest.fixture(scope="module")
def whitened(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The RUN of a pre-training that ends with a whitening."""
    out = tmp_path_factory.mktemp("whitened") / "run"
    assert trained.pretrain(out, "--pretrain.whitening", "0.5", "--pretrain.epochs", "1") == 0
    return out


def features_of(run: Path, pack: Pack, rows: np.ndarray) -> torch.Tensor:
    """Joint embeddings (N D) as they are before they are whitened."""
    loaded = load_run(run)
    loader = evaluation_loader(pack, rows, loaded.recipe)
    return joint_embedding(embed(load_encoders(loaded), loader, viewer_of(loaded))[0])


def test_it_is_fitted_on_the_clips_that_were_learnt_from(trained: Trained, whitened: Path) -> None:
    pack = Pack(trained.pack)
    wanted = fit_whitening(features_of(whitened, pack, np.flatnonzero((pack.splits == "train") & pack.usable)), 0.5)
    found = load_whitening(load_run(whitened))
    for name, value in wanted.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_every_door_gives_the_same_vector(trained: Trained, whitened: Path, tmp_path: Path) -> None:
    pack, run = Pack(trained.pack), load_run(whitened)
    rows = np.arange(6)
    wanted = load_whitening(run)(features_of(whitened, pack, rows)).numpy()
    assert np.abs(wanted - features_of(whitened, pack, rows).numpy()).max() > 0.01
    recordings = [pack.recording(row) for row in rows.tolist()]
    embedder = ts.Embedder.load(whitened)
    write_embeddings(tmp_path / "e.parquet", run, pack, rows)
    portable = Portable(run).eval()
    doors = {
        "recordings": embedder.embed(recordings),
        "pack": embedder.embed_pack(pack, rows),
        "table": read_embeddings(tmp_path / "e.parquet").features["embedding"],
        "export": portable.of_recordings(recordings)[portable.outputs.index("embedding")].numpy(),
    }
    for vectors in doors.values():
        np.testing.assert_allclose(vectors, wanted, atol=1e-5)


def test_a_choice_of_branches_or_parts_is_as_it_is(trained: Trained, whitened: Path, tmp_path: Path) -> None:
    """The paper's tables compare parts and branches by their own features; a whitening is of all of them."""
    pack, rows = Pack(trained.pack), np.arange(4)
    write_embeddings(tmp_path / "e.parquet", load_run(whitened), pack, rows, FeatureChoice(branches=("joint",)))
    found = read_embeddings(tmp_path / "e.parquet").features
    unit = torch.nn.functional.normalize(torch.from_numpy(found["joint_hand"] + found["joint_trunk"]), dim=1)
    np.testing.assert_allclose(found["embedding"], unit.numpy(), atol=1e-5)


def test_knn_compares_whitened_vectors(trained: Trained, whitened: Path, tmp_path: Path) -> None:
    pack, run = Pack(trained.pack), load_run(whitened)
    gallery, asked = (np.flatnonzero(pack.splits == split) for split in ("train", "test"))
    stored, queries = (load_whitening(run)(features_of(whitened, pack, rows)) for rows in (gallery, asked))
    gloss = np.asarray(pack.column("gloss"))
    nearest = (queries @ stored.T).argmax(dim=1).numpy()
    right = 100 * float((gloss[gallery][nearest] == gloss[asked]).mean())
    given = ["--model", str(whitened), "--data", str(trained.pack), "--split", "test"]
    given += ["--json", str(tmp_path / "r.json")]
    assert main(["knn", "--config", str(trained.recipe), "--k", "1", *given]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["per_instance"]["top1"] == pytest.approx(right, abs=0.06)


def test_one_whitening_goes_into_no_further_training(trained: Trained, whitened: Path, tmp_path: Path) -> None:
    """Fine-tuning, and pre-training that goes on from a copy without checkpoints."""
    assert trained.classify("finetune", tmp_path / "f", "--finetune.epochs", "1", init=whitened) == 0
    assert not any(name.startswith("whitening") for name in load_run(tmp_path / "f").weights())
    copy = copy_essentials(whitened, tmp_path / "copy")
    longer = ["--init", str(copy), "--pretrain.epochs", "1", "--pretrain.whitening", "null"]
    assert trained.pretrain(tmp_path / "longer", *longer) == 0
    assert not any(name.startswith("whitening") for name in load_run(tmp_path / "longer").weights())


def test_another_whitening_is_another_model(trained: Trained, whitened: Path, tmp_path: Path) -> None:
    """Vectors of one do not go into a dictionary of the other."""
    signs = ["--data", str(trained.pack), "--dictionary", str(tmp_path / "d")]
    assert main(["enrol", "--model", str(whitened), *signs]) == 0
    plain = copy_essentials(whitened, tmp_path / "plain")
    tensors = {k: v for k, v in load_file(plain / "weights.safetensors").items() if not k.startswith("whitening")}
    save_file(tensors, plain / "weights.safetensors")
    assert main(["enrol", "--model", str(plain), *signs]) != 0


def test_a_classifier_embeds_by_the_branches_that_its_head_names(trained: Trained, tmp_path: Path) -> None:
    """One vector by every door, half as wide; answers are those of all branches."""
    given = ["--finetune.epochs", "1", "--finetune.head.embed", "[motion]"]
    assert trained.classify("finetune", tmp_path / "f", *given) == 0
    pack, run, rows = Pack(trained.pack), load_run(tmp_path / "f"), np.arange(5)
    recordings = [pack.recording(row) for row in rows.tolist()]
    features, _ = embed(load_encoders(run), evaluation_loader(pack, rows, run.recipe), viewer_of(run))
    wanted = torch.nn.functional.normalize(features["motion"], dim=1).numpy()
    recogniser, portable = ts.Recogniser.load(tmp_path / "f"), PageNetwork(run).eval()
    write_embeddings(tmp_path / "e.parquet", run, pack, rows)
    doors = {
        "recordings": ts.Embedder.load(tmp_path / "f").embed(recordings),
        "beside the recogniser": recogniser.embed(recordings),
        "explained": torch.stack([one.embedding for one in explain(recogniser, recordings)]).numpy(),
        "table": read_embeddings(tmp_path / "e.parquet").features["embedding"],
        "page": portable.of_recordings(recordings)[portable.outputs.index("embedding")].numpy(),
    }
    for vectors in doors.values():
        np.testing.assert_allclose(vectors, wanted, atol=1e-5)
    assert describe_network(run, portable)["network"]["width"] == wanted.shape[1]
    logits = load_classifier(run).logits(features)
    shares = (sum(logits.values()) / recogniser.calibration.temperature).softmax(dim=1)
    found = [max(one.guesses, key=lambda guess: guess.confidence) for one in recogniser.predict_many(recordings)]
    assert [guess.confidence for guess in found] == pytest.approx(shares.max(dim=1).values.tolist(), abs=1e-4)


def test_a_head_embeds_no_branch_that_it_lacks(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--finetune.head.branches", "[joint]", "--finetune.head.embed", "[motion]"]
    assert trained.classify("finetune", tmp_path / "f", *given) != 0
    assert "embed motion" in capsys.readouterr().err


def test_embedding_a_pack_leaves_the_encoders_as_they_are(trained: Trained) -> None:
    """Neither dropout nor norms of a batch in what is embedded next."""
    pack, embedder = Pack(trained.pack), ts.Embedder.load(trained.finetuned)
    recordings = [pack.recording(row) for row in range(3)]
    before = embedder.embed(recordings)
    embedder.embed_pack(pack, np.arange(4))
    assert not any(module.training for module in embedder.encoders.modules())
    np.testing.assert_array_equal(embedder.embed(recordings), before)


def test_a_whitening_that_does_not_fit_is_refused(whitened: Path, tmp_path: Path) -> None:
    """By every door, and before a RUN that somebody shared is kept."""
    run = copy_essentials(whitened, tmp_path / "run")
    tensors = load_file(run / "weights.safetensors")
    save_file({**tensors, "whitening.matrix": tensors["whitening.matrix"][:-1].clone()}, run / "weights.safetensors")
    for load in (ts.Embedder.load, load_checked_run):
        with pytest.raises(InputError, match=r"matrix of shape \(31, 32\) instead of \(32, 32\)"):
            load(run)


def test_a_folder_called_none_does_not_whiten_the_random_control(
    trained: Trained, whitened: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["knn", "--config", str(trained.recipe), "--model", "none", "--data", str(trained.pack), "--split", "test"]
    monkeypatch.chdir(tmp_path)
    assert main([*given, "--json", "before.json", "--scores", "before.npz"]) == 0
    shutil.copytree(whitened, tmp_path / "none")
    assert main([*given, "--json", "after.json", "--scores", "after.npz"]) == 0
    before, after = (read_scores(tmp_path / f"{name}.npz").scores for name in ("before", "after"))
    np.testing.assert_array_equal(before, after)
