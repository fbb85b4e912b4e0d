"""Eq. 2-8 against the slow loops, in value and in gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from helpers import paper_oracles
from helpers.loss_inputs import BANKS, CALLS, Case, case, cases, unit
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsign.ssl import losses

SIZES = [(1, 1, 2), (1, 9, 2), (4, 1, 8), (3, 7, 4), (2, 5, 16), (5, 64, 128), (2, 300, 3)]
by_loss = pytest.mark.parametrize("name", CALLS)


def masked(batch: int, slots: int, dims: int, **changes: Any) -> Case:
    """A batch of the size with about a third of its slots, and one clip in four, left out."""
    valid, has = np.arange(slots) % 3 != 1, np.arange(batch) % 4 != 1
    return case(slots, batch, slots, dims, valid=valid, has=has, **changes)


@by_loss
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("k", [1, 5, 400])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-4)], ids=["float64", "float32"]
)
def test_agrees_with_the_loop(
    name: str, size: tuple[int, int, int], k: int, dtype: torch.dtype, tolerance: float
) -> None:
    batch = masked(*size, k=k)
    found = CALLS[name](losses, batch.tensors(dtype))
    assert (found.shape, found.dtype) == ((), dtype)
    assert found.item() == pytest.approx(CALLS[name](paper_oracles, batch), rel=tolerance, abs=tolerance)


@by_loss
@given(batch=cases())
@settings(max_examples=60, deadline=None)
def test_agrees_with_the_loop_on_anything(name: str, batch: Case) -> None:
    found = CALLS[name](losses, batch.tensors())
    assert found.item() == pytest.approx(CALLS[name](paper_oracles, batch), rel=1e-8, abs=1e-10)


@by_loss
def test_paper_temperatures(name: str) -> None:
    batch = case(3, 4, 40, 128, teacher=0.05, student=0.07, k=20)
    assert CALLS[name](losses, batch.tensors()).item() == pytest.approx(CALLS[name](paper_oracles, batch), rel=1e-9)


@by_loss
def test_query_gradient_is_the_slope_of_the_loop(name: str) -> None:
    batch = masked(3, 7, 4, k=3)
    leaves = batch.tensors(grad=True)
    CALLS[name](losses, leaves).backward()
    step = 1e-6
    for query in ("query_a", "query_b"):
        slope = np.zeros((3, 4))
        for place in np.ndindex(3, 4):
            ends = []
            for sign in (1, -1):
                moved = getattr(batch, query).copy()
                moved[place] += sign * step
                ends.append(CALLS[name](paper_oracles, batch._replace(**{query: moved})))
            slope[place] = (ends[0] - ends[1]) / (2 * step)
        gradient = getattr(leaves, query).grad
        found = np.zeros((3, 4)) if gradient is None else gradient.numpy()
        np.testing.assert_allclose(found, slope, rtol=1e-5, atol=1e-7)


@by_loss
def test_no_gradient_into_keys_and_banks(name: str) -> None:
    leaves = masked(3, 7, 4, k=3).tensors(grad=True)
    CALLS[name](losses, leaves).backward()
    queries = [leaf.grad for leaf in (leaves.query_a, leaves.query_b) if leaf.grad is not None]
    assert queries
    assert all(gradient.abs().max() > 1e-3 for gradient in queries)
    for fixed in ("key_a", "key_b", *BANKS):
        gradient = getattr(leaves, fixed).grad
        assert gradient is None or not gradient.any(), fixed


@by_loss
def test_arguments_stay_as_they_were(name: str) -> None:
    batch = masked(3, 7, 4)
    given_tensors, untouched = batch.tensors(), batch.tensors()
    CALLS[name](losses, given_tensors)
    for before, after in zip(untouched[:8], given_tensors[:8], strict=True):
        assert torch.equal(before, after)


@given(parts=st.integers(1, 3), slots=st.integers(1, 9), dims=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_anchors_agree_with_the_loop(parts: int, slots: int, dims: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    banks = [unit(rng, slots, dims) * (rng.random((slots, 1)) < 0.7) for _ in range(parts)]
    found = losses.anchors([torch.tensor(bank) for bank in banks])
    np.testing.assert_allclose(found.numpy(), paper_oracles.anchors(banks), atol=1e-15)


@given(batch=cases(), k=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_neighbourhood_agrees_with_the_loop(batch: Case, k: int) -> None:
    rng = np.random.default_rng(k)
    slots = len(batch.bank_a)
    index = np.stack([rng.permutation(slots)[: min(k, slots)] for _ in batch.query_a])
    tensors = batch.tensors()
    found = losses.neighbourhood(tensors.query_a, tensors.bank_a, batch.student, torch.tensor(index))
    wanted = paper_oracles.neighbourhood(batch.query_a, batch.bank_a, batch.student, index)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-9, atol=1e-11)


def whole(module: Any, joint: Case, motion: Case) -> Any:
    """Eq. 8 of two branches whose parts a and b are hand and trunk, with unequal weights."""
    names = {"joint": joint, "motion": motion}
    contrast = {
        name: module.info_nce(c.query_a, c.key_a, c.bank_a, valid=c.valid, has=c.has, temperature=0.07)
        + module.info_nce(c.query_b, c.key_b, c.bank_b, valid=c.valid, has=c.has, temperature=0.07)
        for name, c in names.items()
    }
    agree = {
        name: module.consistency(
            key_hand=c.key_a,
            key_trunk=c.key_b,
            query_hand=c.query_a,
            query_trunk=c.query_b,
            bank_hand=c.bank_a,
            bank_trunk=c.bank_b,
            valid=c.valid,
            has=c.has,
            temperature=0.1,
        )
        for name, c in names.items()
    }
    knowledge = module.transfer_both(
        key_joint=joint.key_a + joint.key_b,
        query_joint=joint.query_a + joint.query_b,
        key_motion=motion.key_a + motion.key_b,
        query_motion=motion.query_a + motion.query_b,
        anchors_joint=module.anchors([joint.bank_a, joint.bank_b]),
        anchors_motion=module.anchors([motion.bank_a, motion.bank_b]),
        valid=joint.valid,
        has=joint.has,
        k=6,
        teacher_temperature=0.05,
        student_temperature=0.1,
    )
    return module.total(contrast, agree, knowledge, {"joint": 0.3, "motion": 0.7})


def test_whole_objective_agrees_with_the_loop() -> None:
    masks = {"valid": np.arange(15) % 4 != 2, "has": np.array([True, False, True, True])}
    branches = case(1, 4, 15, 8, **masks), case(2, 4, 15, 8, **masks)
    found = whole(losses, *(branch.tensors() for branch in branches))
    assert found.item() == pytest.approx(whole(paper_oracles, *branches), rel=1e-9)
