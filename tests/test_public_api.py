"""The public API: every name of `twinsign`, `twinsign.nn` and `twinsign.ssl`, and that the first import stays small."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.trained_runs import Trained

import twinsign as ts
from twinsign.inference.embeddings import read_embeddings, write_embeddings
from twinsign.nn import networks
from twinsign.runs.run import Run, load_run, save_run

PACKAGE = Path(ts.__file__).parent
PRINTED = (
    *("read", "Recording", "load", "Recogniser", "Dictionary", "Sign", "Pack", "TwoViewLoader", "nn", "ssl"),
    *("nn.Encoder", "nn.EncoderConfig", "nn.Features", "nn.View", "nn.Classifier", "nn.register_backbone"),
    *("ssl.Pretrainer", "ssl.ObjectiveConfig", "ssl.losses", "ssl.losses.info_nce"),
    *("pretrain", "finetune", "linear", "evaluate", "InputError"),
)


def test_import_loads_neither_torch_nor_numpy() -> None:
    new = "json.dumps(sorted(set(sys.modules) - before))"
    code = f"import json, sys; before = set(sys.modules); import twinsign; print({new})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"torch", "numpy", "scipy", "pyarrow", "sklearn", "matplotlib", "jsonargparse", "rich"}


@pytest.mark.parametrize("name", PRINTED)
def test_documented_names_are_there(name: str) -> None:
    value = ts
    for part in name.split("."):
        value = getattr(value, part)
    assert inspect.getdoc(value)


@pytest.mark.parametrize("module", [ts, ts.nn, ts.ssl], ids=["twinsign", "nn", "ssl"])
def test_every_lazy_name_loads_and_is_typed(module: object) -> None:
    source = Path(inspect.getfile(module)).read_text(encoding="utf-8")  # type: ignore[arg-type]
    listed = [name for name in dir(module) if f'"{name}": "' in source]
    assert listed
    for name in listed:
        assert getattr(module, name) is getattr(module, name)
        assert f"import {name}" in source or f" as {name}" in source, "for type checkers"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'twinsign' has no attribute 'Recognizer'"):
        ts.Recognizer  # noqa: B018
    with pytest.raises(ImportError):
        from twinsign.nn import Nothing  # noqa: F401


def test_one_split_one_condition_one_clip(trained: Trained) -> None:
    pack = ts.Pack(trained.pack)
    rows = pack.select("test", "gloss=" + pack.rows["gloss"][int(pack.select("test")[0])].as_py())
    assert 0 < len(rows) < len(pack.select(["test"]))
    with pytest.raises(ts.InputError, match="condition 'gloss'; wanted COLUMN=VALUE"):
        pack.select("test", "gloss")
    clip = pack.recording(int(rows[0]))
    encoders = ts.load(trained.pretrained)
    assert (encoders.embed(clip) == encoders.embed([clip])).all()
    with pytest.raises(ts.InputError, match="a RUN without a classifier"):
        encoders.predict(clip)
    model = ts.load(trained.finetuned)
    assert isinstance(model, ts.Recogniser)
    assert model.labels == sorted({*pack.rows["gloss"].to_pylist()})
    assert model.embed(clip).shape == model.embed([clip]).shape


def test_a_backbone_wider_than_its_config_is_embedded(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "NETWORKS", dict(networks.NETWORKS))

    def wide(config: ts.nn.EncoderConfig) -> ts.nn.Encoder:
        return ts.nn.Encoder(replace(config, part_widths=(16, 24)))

    ts.nn.register_backbone("wide", wide)
    run = load_run(trained.pretrained)
    recipe = replace(run.recipe, encoder=replace(run.recipe.encoder, network="wide"))
    run = Run(tmp_path / "run", "pretrained", recipe, about=run.about)
    save_run(run, ts.ssl.Pretrainer(recipe.encoder, recipe.objective).query_weights())
    pack = ts.Pack(trained.pack)
    write_embeddings(tmp_path / "f.parquet", run, pack, pack.select("test"))
    features = read_embeddings(tmp_path / "f.parquet").features
    assert {name: array.shape[1] for name, array in features.items()} == {
        **dict.fromkeys(("joint_hand", "joint_trunk", "motion_hand", "motion_trunk"), 24),
        "embedding": 48,
    }
