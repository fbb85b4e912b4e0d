"""Backbones by name, of one's own too, and what they must say of themselves."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.tiny_configs import ENCODER, OBJECTIVE, random_view
from torch import Tensor, nn

from twinsign.errors import InputError
from twinsign.nn import networks
from twinsign.nn.classifier import Classifier
from twinsign.nn.config import EncoderConfig, HeadConfig
from twinsign.nn.encoder import Features
from twinsign.nn.networks import build_encoder, feature_width, register_backbone
from twinsign.ssl.pretrain import Pretrainer


class Mean(nn.Module):
    """A backbone of one's own: the mean position of all joints."""

    def __init__(self, config: EncoderConfig | None = None) -> None:
        super().__init__()
        self.width = 6
        self.linear = nn.Linear(2, 6)

    def forward(self, xy: Tensor, seen: Tensor) -> Features:
        mean, has = self.linear(torch.where(seen[..., None], xy, 0.0).mean(dim=(1, 2))), seen.flatten(1).any(dim=1)
        return Features({"hand": mean, "trunk": mean}, {"hand": has, "trunk": has})


@pytest.fixture(autouse=True)
def own_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(networks, "NETWORKS", dict(networks.NETWORKS))


def test_a_registered_backbone_is_built_from_a_config() -> None:
    register_backbone("mean", Mean)
    register_backbone("mean", Mean)
    assert isinstance(build_encoder(replace(ENCODER, network="mean")), Mean)
    with pytest.raises(InputError, match="second backbone called 'mean'"):
        register_backbone("mean", lambda config: Mean())
    with pytest.raises(InputError, match="second backbone called 'st_gcn'"):
        register_backbone("st_gcn", Mean)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(InputError, match=r"'resnet'.*gcn_transformer, conv_gru, st_gcn.*register_backbone"):
        build_encoder(replace(ENCODER, network="resnet"))


def test_plugins_are_imported_for_unknown_names_alone(tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "from twinsign.nn import register_backbone\n"
        "register_backbone('mine', lambda config: nn.Identity())\n"
    )
    code = (
        "import os, sys; from twinsign.nn import EncoderConfig, build_encoder\n"
        "build_encoder(EncoderConfig(network='conv_gru')); assert 'my_nets' not in sys.modules\n"
        "print(build_encoder(EncoderConfig(network='mine')))"
    )
    path = f"{tmp_path}:{Path(networks.__file__).parents[2]}"
    environment = {"PYTHONPATH": path, "TWINSIGN_PLUGINS": "my_nets", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "Identity()\n"), done.stderr


def test_pretraining_and_classifying_take_backbones() -> None:
    encoders = {"joint": Mean(), "motion": Mean()}
    model = Pretrainer(encoders, OBJECTIVE)
    optimiser = torch.optim.SGD(model.query.parameters(), lr=0.5)
    for _ in range(2):
        out = model(random_view(4, 6, 0), random_view(4, 6, 1))
        out.loss.backward()
        optimiser.step()
        model.update(out)
    assert out.loss > 0
    assert encoders["joint"].linear.weight.grad is not None
    assert model.query_encoders()["joint"] is encoders["joint"]
    classifier = Classifier(encoders, HeadConfig(), classes=3)
    assert classifier(random_view(4, 6)).shape == (4, 3)


def test_a_branch_without_a_backbone_and_a_backbone_without_a_width_are_named() -> None:
    with pytest.raises(InputError, match="encoders for joint; wanted for joint, motion"):
        Pretrainer({"joint": Mean()}, OBJECTIVE)
    with pytest.raises(InputError, match="one for motion"):
        Classifier({"joint": Mean()}, HeadConfig(), classes=3)
    with pytest.raises(InputError, match=r"no attribute Linear\.width"):
        feature_width(nn.Linear(2, 2))


class Wrong(Mean):
    """A backbone that returns what it is told."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, xy: Tensor, seen: Tensor) -> Features:
        return self.output  # type: ignore[return-value]


SIX, HAS = torch.zeros(4, 6), torch.ones(4, dtype=torch.bool)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (SIX, "found a Tensor from Wrong"),
        (({"hand": SIX}, {"hand": HAS}), "found a tuple from Wrong"),
        (Features({"hand": SIX}, {"hand": HAS}), "found no trunk in the Features from Wrong"),
        (Features({"hand": SIX[:, 1:], "trunk": SIX}, {"hand": HAS, "trunk": HAS}), "found hand of 5 channels"),
    ],
)
def test_what_a_backbone_returns_is_checked(output: object, message: str) -> None:
    view = random_view(4, 6)
    with pytest.raises(InputError, match=message):
        Pretrainer({name: Wrong(output) for name in ("joint", "motion")}, OBJECTIVE)(view, view)
    with pytest.raises(InputError, match=message):
        Classifier({name: Wrong(output) for name in ("joint", "motion")}, HeadConfig(), classes=3)(view)


def test_a_plugin_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(networks.PLUGINS, "no_such_module")
    with pytest.raises(InputError, match=r"no module 'no_such_module'.*PYTHONPATH"):
        build_encoder(replace(ENCODER, network="mine"))
