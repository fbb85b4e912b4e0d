"""Features of many clips, neighbours by a slow vote, and the health of an embedding in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.tiny_configs import ENCODER, clips_of_view, random_view
from torch import nn

from twinsign.distributed import LAUNCHERS, fastest_device
from twinsign.evaluation.retrieve import knn_scores
from twinsign.nn.encoder import Encoder
from twinsign.nn.features import embed, fixed_views, joint_embedding
from twinsign.train.monitor import alignment, effective_rank, uniformity
from twinsign.views.clips import motion, resample, window
from twinsign.views.config import WindowConfig


def encoders() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({name: Encoder(ENCODER) for name in ("joint", "motion")})


def test_embedding_is_in_order_in_evaluation_mode_and_changes_nothing() -> None:
    model, labels = encoders(), torch.arange(6)
    batches = [clips_of_view(random_view(3, 7, seed=seed), labels[3 * seed : 3 * seed + 3]) for seed in (0, 1)]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    viewer = fixed_views(WindowConfig(), 5)
    found, known = embed(model, batches, viewer)
    assert known.tolist() == labels.tolist()
    assert model.training, "the mode is put back"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.eval()
    (view,) = viewer(batches[1])
    torch.testing.assert_close(found["joint"][3:], model["joint"](*view).whole())
    assert not found["motion"].requires_grad
    again, _ = embed(model, batches, viewer, ("hand",))
    torch.testing.assert_close(again["joint"][3:], model["joint"](*view).f["hand"])


def test_several_windows_are_averaged() -> None:
    model, batch = encoders().eval(), clips_of_view(random_view(3, 9, seed=2), torch.arange(3))
    found, _ = embed(model, [batch], fixed_views(WindowConfig(0.6, 3), 5))
    views = [
        resample(batch, *window(batch, torch.full((3,), 0.6), torch.full((3,), place)), 5) for place in (0.0, 0.5, 1.0)
    ]
    wanted = torch.stack([model["joint"](*view).whole() for view in views]).mean(dim=0)
    torch.testing.assert_close(found["joint"], wanted)
    still = torch.stack([model["motion"](*motion(*view)).whole() for view in views]).mean(dim=0)
    torch.testing.assert_close(found["motion"], still)


def test_joint_embedding_weighs_branches_alike() -> None:
    features = {"joint": 100 * torch.randn(4, 3), "motion": 0.01 * torch.randn(4, 3)}
    found = joint_embedding(features)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(found[:, :3].norm(dim=1), torch.full((4,), math.sqrt(0.5)))
    assert not joint_embedding({"joint": torch.zeros(1, 3)}).isnan().any()


@pytest.mark.parametrize("k", [1, 3, 100])
def test_knn_is_the_slow_vote(k: int) -> None:
    torch.manual_seed(k)
    query, gallery = joint_embedding({"x": torch.randn(5, 4)}), joint_embedding({"x": torch.randn(9, 4)})
    labels, classes = torch.tensor([0, 1, 2, 0, 1, 2, 3, 3, 0]), 5
    scores = knn_scores(query, gallery, labels, classes, k)
    assert scores.shape == (5, classes)
    assert scores.isfinite().all()
    for q in range(5):
        similar = [float(query[q] @ gallery[i]) for i in range(9)]
        near = sorted(range(9), key=lambda i: -similar[i])[:k]
        votes = {c: sum(math.exp(similar[i] / 0.07) for i in near if labels[i] == c) for c in range(classes)}
        best = {c: max((similar[i] for i in range(9) if labels[i] == c), default=-1.0) for c in range(classes)}
        wanted = sorted(range(classes), key=lambda c: (votes[c] == 0, -votes[c] if votes[c] else -best[c]))
        assert scores[q].argsort(descending=True).tolist() == wanted


def test_health_in_closed_form() -> None:
    corners = torch.cat([torch.eye(4), -torch.eye(4)])
    assert effective_rank(corners) == pytest.approx(4)
    assert effective_rank(torch.cat([torch.eye(4)[:1], -torch.eye(4)[:1]])) == pytest.approx(1)
    assert effective_rank(torch.ones(5, 3)) == pytest.approx(1, abs=1e-6)
    assert alignment(corners, corners) == 0
    assert alignment(corners, -corners) == pytest.approx(4)
    assert uniformity(torch.ones(5, 3)) == pytest.approx(0)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert uniformity(opposite) == pytest.approx(-8)


@pytest.mark.parametrize(
    ("environment", "cards", "wanted"),
    [
        ({}, 0, "cpu"),
        ({}, 2, "cuda"),
        ({"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}, 2, "cuda:1"),
        ({"RANK": "3", "LOCAL_RANK": "3", "WORLD_SIZE": "4"}, 1, "cuda:0"),
        ({"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "8"}, 4, "cuda:1"),
    ],
)
def test_each_process_has_its_own_gpu(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], cards: int, wanted: str
) -> None:
    for names in LAUNCHERS:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    assert str(fastest_device()) == wanted
