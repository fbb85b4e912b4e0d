"""Converted checkpoints of the released code reproduce that network's numbers (tests/data/released_parity.*).

The numbers were made with weights drawn from a seed; TWINSIGN_GOLDEN names the common path of other such files.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_configs import pack_of, sample
from numpy.typing import NDArray
from torch import Tensor

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.inference.embeddings import read_embeddings
from twinsign.nn.graph import SUBSETS
from twinsign.pack.open import Pack
from twinsign.pose.read.canonical import write_npz
from twinsign.runs.convert import convert, read_checkpoint
from twinsign.runs.models import load_classifier, load_encoders
from twinsign.runs.run import load_run
from twinsign.ssl.pretrain import Pretrainer
from twinsign.views.clips import View, motion

GOLDEN = Path(os.environ.get("TWINSIGN_GOLDEN", Path(__file__).parents[1] / "data" / "released_parity"))
EXACT = 1e-4
BRANCHES = ("joint", "motion")


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(GOLDEN.with_suffix(".npz")) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def drawn(seed: int, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A tensor of the golden network, by its name."""
    z = np.random.default_rng(zlib.crc32(f"{seed}:{name}".encode())).standard_normal(shape).astype(np.float32)
    leaf = name.rpartition(".")[2]
    if leaf == "running_mean":
        return 0.1 * z
    if leaf == "running_var":
        return 1 + 0.1 * abs(z)
    if leaf == "gamma" or (leaf == "weight" and len(shape) == 1):
        return 1 + 0.1 * z
    return z / np.float32(np.sqrt(np.prod(shape[1:]))) if len(shape) > 1 else np.float32(0.02) * z


def state(kind: str, golden: dict[str, Tensor]) -> dict[str, Tensor]:
    recipe: dict[str, Any] = json.loads(GOLDEN.with_suffix(".json").read_text())
    tensors = {}
    for name, shape in recipe[kind]:
        leaf = name.rpartition(".")[2]
        if leaf in ("A", "A_pool"):
            part = "hand" if "st_gcn_hand" in name else "trunk"
            tensors[name] = golden[f"adjacency_{part}" + ("_pooled" if leaf == "A_pool" else "")]
        elif leaf == "num_batches_tracked":
            tensors[name] = torch.tensor(0)
        else:
            tensors[name] = torch.from_numpy(np.asarray(drawn(recipe["seed"], name, tuple(shape)), np.float32))
    return tensors


@pytest.fixture(scope="module")
def pretrained(golden: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A RUN converted from a checkpoint as pre-training saves it: prefixed, keys and queues beside the queries."""
    folder = tmp_path_factory.mktemp("released")
    tensors = {f"module.{name}": value for name, value in state("pretrain", golden).items()}
    tensors |= {"module.queue": torch.zeros(128, 8), "module.queue_ptr_hand": torch.zeros(1, dtype=torch.long)}
    tensors["module.encoder_k.proj.weight_hand.weight"] = torch.zeros(1, 512)
    torch.save({"epoch": 150, "state_dict": tensors}, folder / "checkpoint.pth.tar")
    assert main(["convert", str(folder / "checkpoint.pth.tar"), "--out", str(folder / "run")]) == 0
    (folder / "checkpoint.pth.tar").unlink()
    return folder / "run"


@pytest.fixture(scope="module")
def classifier_state(golden: dict[str, Tensor]) -> dict[str, Tensor]:
    return state("classifier", golden)


@pytest.fixture(scope="module")
def classifier(classifier_state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released_classifier")
    torch.save({"state_dict": classifier_state}, folder / "checkpoint.pth.tar")
    convert(folder / "checkpoint.pth.tar", folder / "run")
    (folder / "checkpoint.pth.tar").unlink()
    return folder / "run"


def inputs(golden: dict[str, Tensor], branch: str, clips: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hands (B 2 T 21 2), their seen frames (B 2 T), trunk (B T 7 2), its seen frames (B T)."""

    def moved(x: Tensor) -> Tensor:
        return motion(x, torch.ones(x.shape[:3], dtype=torch.bool)).xy if branch == "motion" else x

    right, left, trunk = (moved(golden[name][clips]) for name in ("right_hand", "left_hand", "trunk"))
    seen = golden["seen_right_then_left"][clips].unflatten(1, (2, -1))
    return torch.stack([right, left], dim=1), seen, trunk, torch.ones(trunk.shape[:2], dtype=torch.bool)


@torch.no_grad()
def embeddings(run: Path, golden: dict[str, Tensor], clips: slice = slice(None)) -> Iterator[tuple[str, Tensor]]:
    """Every head's output before normalisation, by the golden files' names."""
    loaded = load_run(run)
    weights = Pretrainer(loaded.recipe.encoder, loaded.recipe.objective).query_weights()
    weights.load_state_dict(loaded.weights())
    weights.eval()
    for branch in BRANCHES:
        features = weights["encoders"][branch].encode(*inputs(golden, branch, clips))
        for head, projector in weights["heads"][branch].items():
            feature = features.whole() if head == "fused" else features.f[head]
            yield f"{branch}_{head}", projector.layers(feature)


def apart(found: Tensor, wanted: Tensor) -> float:
    return float((found.float() - wanted).abs().max())


def test_parity_embeddings(pretrained: Path, golden: dict[str, Tensor]) -> None:
    found = dict(embeddings(pretrained, golden))
    assert set(found) == {f"{branch}_{head}" for branch in BRANCHES for head in ("fused", "hand", "trunk")}
    for name, value in found.items():
        assert apart(value, golden[name]) < EXACT, name


def test_parity_of_a_batch_of_one(pretrained: Path, golden: dict[str, Tensor]) -> None:
    for name, value in embeddings(pretrained, golden, slice(1, 2)):
        assert apart(value, golden[name][1:2]) < EXACT, name


def test_parity_in_bfloat16(pretrained: Path, golden: dict[str, Tensor]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = dict(embeddings(pretrained, golden))
    for name, value in found.items():
        error = (value.float() - golden[name]).norm() / golden[name].norm()
        assert 0 < float(error) < 2e-2, name


@torch.no_grad()
def test_parity_graph_networks(pretrained: Path, golden: dict[str, Tensor]) -> None:
    encoders = load_encoders(load_run(pretrained))
    for branch in BRANCHES:
        hands, _, trunk, _ = inputs(golden, branch)
        for part, value in encoders[branch].frame_features(hands, trunk).items():
            assert apart(value.mean(dim=1), golden[f"{branch}_gcn_{part}_mean"]) < EXACT, (branch, part)


def test_parity_adjacency(pretrained: Path, golden: dict[str, Tensor]) -> None:
    encoders = load_encoders(load_run(pretrained))
    for part in ("hand", "trunk"):
        net = encoders["joint"].net[part]
        for blocks, suffix in ((net.joint_blocks, ""), (net.part_blocks, "_pooled")):
            wanted = golden[f"adjacency_{part}{suffix}"]
            for block in blocks:
                mixing = block.conv.mixing.unflatten(0, (-1, SUBSETS)).permute(1, 2, 0)
                assert torch.equal(mixing, wanted)


@torch.no_grad()
def test_parity_classifier(classifier: Path, golden: dict[str, Tensor]) -> None:
    model = load_classifier(load_run(classifier))
    features = {}
    for branch in BRANCHES:
        features[branch] = model.encoders[branch].encode(*inputs(golden, branch)).whole()
    logits = model.logits(features)
    for branch, value in logits.items():
        assert apart(value, golden[f"classifier_{branch}_logits"]) < EXACT, branch
    assert apart(model.joined(logits), golden["classifier_all_logits"]) < EXACT


@torch.no_grad()
def test_parity_through_whole_views(classifier: Path, golden: dict[str, Tensor]) -> None:
    """The public path, masks and all: where every joint is seen, both ways into the network agree."""
    model = load_classifier(load_run(classifier))
    xy = torch.cat([golden["right_hand"], golden["left_hand"], golden["trunk"]], dim=2)
    whole = model(View(xy, torch.ones(xy.shape[:3], dtype=torch.bool)))
    hands, seen, trunk, trunk_seen = inputs(golden, "joint")
    joint = model.encoders["joint"].encode(hands, torch.ones_like(seen), trunk, trunk_seen).whole()
    hands, seen, trunk, trunk_seen = inputs(golden, "motion")
    moved = model.encoders["motion"].encode(hands, torch.ones_like(seen), trunk, trunk_seen).whole()
    assert apart(whole, model.joined(model.logits({"joint": joint, "motion": moved}))) < EXACT


@pytest.mark.parametrize("name", ["joint_fused", "motion_hand", "motion_trunk"])
def test_parity_fails_on_a_corrupted_golden(pretrained: Path, golden: dict[str, Tensor], name: str) -> None:
    corrupted = golden[name].clone()
    corrupted[2, 100] += 10 * EXACT
    assert apart(dict(embeddings(pretrained, golden))[name], corrupted) > EXACT


def saved(tensors: dict[str, Tensor], folder: Path) -> Path:
    torch.save({"state_dict": tensors}, folder / "checkpoint.pth.tar")
    return folder / "checkpoint.pth.tar"


def test_missing_and_unknown_tensors_are_named(classifier_state: dict[str, Tensor], tmp_path: Path) -> None:
    tensors = dict(classifier_state)
    del tensors["encoder_q.GCN_Tran_Body.norm.gamma"]
    tensors["encoder_q.surprise"] = torch.zeros(1)
    with pytest.raises(InputError, match=r"no encoder_q\.GCN_Tran_Body\.norm\.gamma; unknown encoder_q\.surprise"):
        convert(saved(tensors, tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_tensor_of_another_shape_is_named(classifier_state: dict[str, Tensor], tmp_path: Path) -> None:
    tensors = dict(classifier_state)
    tensors["encoder_q.proj.weight_body.weight"] = torch.zeros(1, 7)
    with pytest.raises(InputError, match=r"pool\.trunk\.score\.weight of shape \(1, 7\)"):
        convert(saved(tensors, tmp_path), tmp_path / "run")


def test_dead_layers_are_named_and_dropped(classifier_state: dict[str, Tensor], tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"gloss {number}\n" for number in range(100)))
    done = convert(saved(classifier_state, tmp_path), tmp_path / "run", labels)
    assert {name.split(".")[3] for name in done.dead} == {"conv2", "non_local", "fcn"}
    assert not any(
        word in name for name in load_run(tmp_path / "run").weights() for word in ("non_local", "fcn", "conv2")
    )
    assert load_run(tmp_path / "run").labels[99] == "gloss 99"
    labels.write_text("only one\n")
    with pytest.raises(InputError, match="1 different glosses"):
        convert(tmp_path / "checkpoint.pth.tar", tmp_path / "other", labels)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def test_a_malicious_checkpoint_executes_nothing(tmp_path: Path) -> None:
    torch.save({"state_dict": Malicious(tmp_path / "executed")}, tmp_path / "bad.pth.tar")
    with pytest.raises(InputError, match=r"bad\.pth\.tar"):
        read_checkpoint(tmp_path / "bad.pth.tar")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x80\x04nonsense"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pth.tar").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.pth\.tar"):
        read_checkpoint(tmp_path / "bad.pth.tar")


def test_something_else_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": "text"}}, tmp_path / "other.pth.tar")
    with pytest.raises(InputError, match="no table of tensors"):
        read_checkpoint(tmp_path / "other.pth.tar")
    with pytest.raises(InputError, match="no such file"):
        read_checkpoint(tmp_path / "absent.pth.tar")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few clips whose glosses are among the converted classifier's."""
    path = tmp_path_factory.mktemp("walk") / "P"
    clips = [("a", "07"), ("b", "42"), ("c", "07"), ("d", "42"), ("e", "07"), ("f", "42")]
    splits = ("train", "train", "train", "train", "val", "test")
    pack_of(path, *(sample(name, gloss, split) for (name, gloss), split in zip(clips, splits, strict=True)))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrained", "classifier"])
def test_every_command_takes_a_converted_run(
    stage: str, pack: Path, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = str(request.getfixturevalue(stage)), ["--data", str(pack)]
    brief = ["--config", "released", "--init", run, *data, "--trainer.progress", "false"]
    small = [f"--{{}}.{option}" for option in ("epochs=1", "batch_size=4", "frames=8")]
    if stage == "pretrained":
        for command in ("finetune", "linear"):
            options = [option.format(command) for option in small]
            assert main([command, *brief, *options, "--out", str(tmp_path / command)]) == 0, command
            assert load_run(tmp_path / command).labels == ["07", "42"]
        assert main(["knn", "--model", run, *data, "--split", "test", "--json", str(tmp_path / "k.json")]) == 0
        assert json.loads((tmp_path / "k.json").read_text())["recipe"] == "released"
        assert main(["retrieve", "--model", run, *data, "--json", str(tmp_path / "r.json")]) == 0
    else:
        write_npz(Pack(pack).recording(0), tmp_path / "clip.npz")
        assert main(["predict", str(tmp_path / "clip.npz"), "--model", run, "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)["guesses"]) == 5
        options = ["--json", str(tmp_path / "e.json"), "--report", str(tmp_path / "page.html")]
        assert main(["evaluate", "--model", run, *data, *options]) == 0
        assert json.loads((tmp_path / "e.json").read_text())["clips"] == 1
    assert main(["embed", "--model", run, *data, "--out", str(tmp_path / "f.parquet")]) == 0
    assert read_embeddings(tmp_path / "f.parquet").features["embedding"].shape == (6, 1024)
    if stage == "classifier":
        pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
        assert main(["export", "--model", run, "--out", str(tmp_path / "model.onnx")]) == 0
