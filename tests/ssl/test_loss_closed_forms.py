"""Losses whose value follows with pen and paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers.loss_inputs import CALLS, case, unit
from torch import Tensor

from twinsign.ssl import losses

by_loss = pytest.mark.parametrize("name", CALLS)
PAPER_BANK = 16384
CLIPS = torch.ones(1, dtype=torch.bool)


def row(*numbers: float) -> Tensor:
    """A batch of one vector, or a bank of one slot: (1 D)."""
    return torch.tensor([numbers])


def every(bank: Tensor) -> Tensor:
    """All slots of the bank valid."""
    return torch.ones(len(bank), dtype=torch.bool)


def kl(p: list[float], q: list[float]) -> float:
    """KL(P || Q)."""
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)): the larger of two softmax weights whose scores differ by x."""
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("slots", [1, 2, 100, PAPER_BANK])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_info_nce_of_equal_similarities_counts_the_candidates(slots: int, temperature: float) -> None:
    query = torch.tensor(unit(np.random.default_rng(slots), 3, 16), dtype=torch.float32)
    key = query[[1, 1, 1]]
    bank = query[[1]].expand(slots, -1)
    loss = losses.info_nce(
        query, key, bank, valid=every(bank), has=torch.ones(3, dtype=torch.bool), temperature=temperature
    )
    assert loss.item() == pytest.approx(math.log(slots + 1), rel=1e-5)


@pytest.mark.parametrize(("positive", "negative"), [(1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (-1.0, -1.0)])
def test_info_nce_of_saturated_similarities(positive: float, negative: float) -> None:
    slots, temperature = 1000, 0.07
    query = row(1.0, 0.0).requires_grad_()
    bank = row(negative, 0.0).expand(slots, -1)
    loss = losses.info_nce(query, row(positive, 0.0), bank, valid=every(bank), has=CLIPS, temperature=temperature)
    loss.backward()  # type: ignore[no-untyped-call]
    wanted = math.log1p(slots * math.exp((negative - positive) / temperature))
    assert loss.item() == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    assert query.grad is not None
    assert query.grad.isfinite().all()


@by_loss
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_saturated_similarities_stay_finite(name: str, sign: float) -> None:
    signs = np.where(np.arange(12)[:, None] % 3 == 0, 1.0, -1.0)
    point = np.eye(1, 8)
    batch = case(
        0,
        1,
        12,
        8,
        query_a=point,
        query_b=-point,
        key_a=sign * point,
        key_b=point,
        bank_a=signs * point,
        bank_b=-signs * point,
        teacher=0.05,
        student=0.07,
        k=6,
    ).tensors(torch.float32, grad=True)
    loss = CALLS[name](losses, batch)
    loss.backward()
    assert loss.isfinite()
    assert all(query.grad is None or query.grad.isfinite().all() for query in (batch.query_a, batch.query_b))


@pytest.mark.parametrize("top", [None, 2])
def test_consistency_is_the_divergence_of_student_from_teacher(top: int | None) -> None:
    bank_hand = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    bank_trunk = torch.tensor([[0.6, 0.8], [-0.6, 0.8]])
    loss = losses.consistency(
        key_hand=row(1.0, 0.0),
        key_trunk=row(0.0, 1.0),
        query_hand=row(0.0, 1.0),
        query_trunk=row(1.0, 0.0),
        bank_hand=bank_hand,
        bank_trunk=bank_trunk,
        valid=every(bank_hand),
        has=CLIPS,
        temperature=1.0,
        temperature_query=2.0,
        top=top,
    )
    hand, trunk = sigmoid(2.0 / 1.0), sigmoid(1.2 / 2.0)
    assert loss.item() == pytest.approx(kl([hand, 1 - hand], [trunk, 1 - trunk]), rel=1e-5)


def test_consistency_teaches_trunk_to_hand_too() -> None:
    bank_hand = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    bank_trunk = torch.tensor([[0.6, 0.8], [-0.6, 0.8]])
    loss = losses.consistency(
        key_hand=row(0.0, 1.0),
        key_trunk=row(1.0, 0.0),
        query_hand=row(1.0, 0.0),
        query_trunk=row(0.0, 1.0),
        bank_hand=bank_hand,
        bank_trunk=bank_trunk,
        valid=every(bank_hand),
        has=CLIPS,
        temperature=0.5,
    )
    hand, trunk = sigmoid(2.0 / 0.5), sigmoid(1.2 / 0.5)
    assert loss.item() == pytest.approx(kl([trunk, 1 - trunk], [hand, 1 - hand]), rel=1e-5)


@pytest.mark.parametrize("name", ["consistency", "transfer", "transfer_both"])
def test_equal_distributions_diverge_by_nothing(name: str) -> None:
    same = case(5, 4, 20, 8, teacher=0.1, student=0.1, k=7)
    same = same._replace(query_a=same.key_b, query_b=same.key_b, key_a=same.key_b, bank_a=same.bank_b)
    batch = same.tensors(grad=True)
    loss = CALLS[name](losses, batch)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    for query in (batch.query_a, batch.query_b):
        assert query.grad is None or query.grad.abs().max() < 1e-12


@pytest.mark.parametrize("name", ["consistency", "consistency_top", "transfer", "transfer_both"])
def test_uniform_banks_teach_nothing(name: str) -> None:
    batch = case(6, 4, 20, 8, k=7)
    batch = batch._replace(bank_a=batch.bank_a[[0] * 20], bank_b=batch.bank_b[[1] * 20])
    assert CALLS[name](losses, batch.tensors()).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", ["consistency", "consistency_top", "transfer", "transfer_both"])
def test_one_anchor_teaches_nothing(name: str) -> None:
    for batch in (case(7, 4, 1, 8, k=3), case(7, 4, 9, 8, valid=np.arange(9) == 5)):
        assert CALLS[name](losses, batch.tensors()).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", ["consistency_top", "transfer", "transfer_both"])
def test_the_nearest_anchor_alone_teaches_nothing(name: str) -> None:
    assert CALLS[name](losses, case(8, 4, 9, 8, k=1).tensors()).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("name", ["consistency_top", "transfer", "transfer_both"])
def test_as_many_neighbours_as_anchors_is_all_of_them(name: str) -> None:
    valid = np.arange(9) % 3 != 0
    batch = case(9, 4, 9, 8, valid=valid)
    packed = batch._replace(bank_a=batch.bank_a[valid], bank_b=batch.bank_b[valid], valid=valid[valid])
    wanted = CALLS[name](losses, packed._replace(k=6).tensors())
    assert wanted > 1e-3
    for k in (6, 9, 1000):
        torch.testing.assert_close(CALLS[name](losses, batch._replace(k=k).tensors()), wanted)
    assert not torch.isclose(CALLS[name](losses, batch._replace(k=5).tensors()), wanted)


def test_transfer_compares_the_teachers_nearest_anchors_only() -> None:
    anchors_a = torch.tensor([[2.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-2.0, 0.0]])
    anchors_b = torch.tensor([[0.0, 1.0], [0.0, 0.5], [0.0, 2.0], [0.0, -2.0]])
    loss = losses.transfer(
        key_a=row(1.0, 0.0),
        query_b=row(0.0, 1.0),
        anchors_a=anchors_a,
        anchors_b=anchors_b,
        valid=every(anchors_a),
        has=CLIPS,
        k=2,
        teacher_temperature=0.5,
        student_temperature=0.25,
    )
    teacher, student = sigmoid(1.0 / 0.5), sigmoid(0.5 / 0.25)
    assert teacher == pytest.approx(student)
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    skipped = torch.tensor([False, True, True, True])
    loss = losses.transfer(
        key_a=row(1.0, 0.0),
        query_b=row(0.0, 1.0),
        anchors_a=anchors_a,
        anchors_b=anchors_b,
        valid=skipped,
        has=CLIPS,
        k=2,
        teacher_temperature=0.5,
        student_temperature=0.25,
    )
    teacher, student = sigmoid(2.0 / 0.5), sigmoid(-1.5 / 0.25)
    assert loss.item() == pytest.approx(kl([teacher, 1 - teacher], [student, 1 - student]), rel=1e-5)


def test_transfer_both_treats_the_branches_alike() -> None:
    batch = case(10, 4, 9, 8).tensors()
    swapped = batch._replace(
        query_a=batch.query_b,
        query_b=batch.query_a,
        key_a=batch.key_b,
        key_b=batch.key_a,
        bank_a=batch.bank_b,
        bank_b=batch.bank_a,
    )
    one_way, other_way = CALLS["transfer"](losses, batch), CALLS["transfer"](losses, swapped)
    assert abs(one_way - other_way) > 1e-3
    torch.testing.assert_close(CALLS["transfer_both"](losses, batch), one_way + other_way)
    torch.testing.assert_close(CALLS["transfer_both"](losses, swapped), one_way + other_way)


def test_neighbourhood_is_a_distribution_over_the_chosen() -> None:
    batch = case(11, 3, 9, 8).tensors()
    index = torch.tensor([[0, 3, 8], [1, 2, 3], [8, 7, 5]])
    found = losses.neighbourhood(batch.query_a, batch.bank_a, 0.1, index)
    torch.testing.assert_close(found.exp().sum(dim=1), torch.ones(3, dtype=torch.float64))
    turned = losses.neighbourhood(batch.query_a, batch.bank_a, 0.1, index.flip(1))
    torch.testing.assert_close(turned, found.flip(1))
    even = losses.neighbourhood(batch.query_a, batch.bank_a[[4] * 9], 0.1, index)
    torch.testing.assert_close(even, torch.full((3, 3), -math.log(3), dtype=torch.float64))


def test_anchors_add_the_parts() -> None:
    hand, trunk = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, -1.0], [0.6, 0.8]])
    assert losses.anchors([hand, trunk]).tolist() == [[1.0, -1.0], pytest.approx([0.6, 0.8])]


def test_total_weighs_the_branches_and_not_the_transfer() -> None:
    numbers = {"joint": torch.tensor(2.0), "motion": torch.tensor(3.0)}
    agree = {"joint": torch.tensor(5.0), "motion": torch.tensor(7.0)}
    found = losses.total(numbers, agree, torch.tensor(11.0), {"joint": 0.5, "motion": 0.25})
    assert found.item() == 0.5 * 7 + 0.25 * 10 + 11
