"""What the masks leave out, a slot or a clip, changes neither a loss nor a gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from helpers import paper_oracles
from helpers.loss_inputs import BANKS, CALLS, VECTORS, Case, case

from twinsign.ssl import losses

by_loss = pytest.mark.parametrize("name", CALLS)
VALID = np.array([True, False, True, True, False, True, False, True, True])
HAS = np.array([True, False, True, True])
GARBAGE = [0.0, 7.0, -1e4]
BANK_GARBAGE = [*GARBAGE, 1e30, math.inf, math.nan]


def filled(batch: Case, names: tuple[str, ...], rows: Any, value: float) -> Case:
    """The batch with the named arrays' rows overwritten."""
    changed = {}
    for name in names:
        changed[name] = getattr(batch, name).copy()
        changed[name][rows] = value
    return batch._replace(**changed)


def loss_and_gradients(name: str, batch: Case, dtype: torch.dtype = torch.float32) -> tuple[float, list[torch.Tensor]]:
    """The loss and its gradients by query_a and query_b, 0 for a query that the loss does not read."""
    leaves = batch.tensors(dtype, grad=True)
    loss = CALLS[name](losses, leaves)
    loss.backward()
    queries = (leaves.query_a, leaves.query_b)
    return loss.item(), [torch.zeros_like(query) if query.grad is None else query.grad for query in queries]


@by_loss
@pytest.mark.parametrize("value", BANK_GARBAGE)
@pytest.mark.parametrize("k", [3, 6, 9])
def test_invalid_slots_change_nothing(name: str, value: float, k: int) -> None:
    batch = case(11, 4, 9, 8, valid=VALID, k=k)
    kept = case(11, 4, 9, 8, k=k)
    kept = kept._replace(bank_a=kept.bank_a[VALID], bank_b=kept.bank_b[VALID], valid=np.ones(VALID.sum(), dtype=bool))
    wanted, wanted_gradients = loss_and_gradients(name, kept)
    found, gradients = loss_and_gradients(name, filled(batch, BANKS, ~VALID, value))
    assert found == pytest.approx(wanted, rel=1e-5)
    for gradient, wanted_gradient in zip(gradients, wanted_gradients, strict=True):
        torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-4, atol=1e-6)


@by_loss
@pytest.mark.parametrize("value", GARBAGE)
def test_clips_without_the_part_are_skipped(name: str, value: float) -> None:
    batch = case(12, 4, 9, 8, valid=VALID)
    kept = batch._replace(**{vector: getattr(batch, vector)[HAS] for vector in VECTORS}, has=HAS[HAS])
    wanted, wanted_gradients = loss_and_gradients(name, kept)
    found, gradients = loss_and_gradients(name, filled(batch._replace(has=HAS), VECTORS, ~HAS, value))
    assert found == pytest.approx(wanted, rel=1e-5)
    for gradient, wanted_gradient in zip(gradients, wanted_gradients, strict=True):
        assert not gradient[~HAS].any()
        torch.testing.assert_close(gradient[HAS], wanted_gradient, rtol=1e-4, atol=1e-6)


@by_loss
def test_every_clip_weighs_the_same(name: str) -> None:
    batch = case(13, 3, 9, 8, valid=VALID)
    alone = [
        CALLS[name](losses, batch._replace(has=np.arange(3) == clip).tensors()).item() for clip in range(len(batch.has))
    ]
    assert CALLS[name](losses, batch.tensors()).item() == pytest.approx(sum(alone) / 3, rel=1e-9)


@by_loss
@pytest.mark.parametrize("clips", [1, 4])
@pytest.mark.parametrize("value", GARBAGE)
def test_a_batch_with_nothing_valid_is_exactly_zero(name: str, clips: int, value: float) -> None:
    nobody = filled(case(14, clips, 9, 8, has=np.zeros(clips, dtype=bool)), VECTORS, slice(None), value)
    found, gradients = loss_and_gradients(name, nobody)
    assert found == 0.0
    assert not any(gradient.any() for gradient in gradients)


@by_loss
@pytest.mark.parametrize("clips", [1, 4])
@pytest.mark.parametrize("value", BANK_GARBAGE)
def test_banks_with_nothing_valid_are_exactly_zero(name: str, clips: int, value: float) -> None:
    empty = filled(case(15, clips, 9, 8, valid=np.zeros(9, dtype=bool)), BANKS, slice(None), value)
    assert CALLS[name](paper_oracles, empty) == 0.0
    found, gradients = loss_and_gradients(name, empty)
    assert found == 0.0
    assert not any(gradient.any() for gradient in gradients)


@by_loss
def test_neither_clips_nor_slots_valid(name: str) -> None:
    neither = case(16, 2, 9, 8, has=np.zeros(2, dtype=bool), valid=np.zeros(9, dtype=bool))
    found, gradients = loss_and_gradients(name, neither)
    assert found == 0.0
    assert not any(gradient.any() for gradient in gradients)


@by_loss
def test_a_batch_of_one(name: str) -> None:
    batch = case(17, 1, 9, 8, valid=VALID)
    found, gradients = loss_and_gradients(name, batch, torch.float64)
    assert found == pytest.approx(CALLS[name](paper_oracles, batch), rel=1e-9)
    assert all(gradient.shape == (1, 8) for gradient in gradients)
