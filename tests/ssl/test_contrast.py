"""Momentum copies and banks: the update's formula, the queues against deques, slots of absent parts."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest
import torch
from helpers.tiny_configs import ENCODER, OBJECTIVE, random_view

from twinsign.nn.networks import build_encoder
from twinsign.pose.layout import HANDS, TRUNK
from twinsign.ssl.config import FUSED
from twinsign.ssl.contrast import Branch, Embeddings, MemoryBank, MomentumPair
from twinsign.ssl.pretrain import Pretrainer
from twinsign.views.clips import View, modality, motion

WIDTH = 3
HEADS = ("hand", "trunk")


def pair(size: int, branches: tuple[str, ...] = ("joint", "motion")) -> MomentumPair:
    """Banks of `size` slots behind tiny branches."""
    torch.manual_seed(0)
    made = {name: Branch(build_encoder(ENCODER), HEADS, hidden=4, width=WIDTH) for name in branches}
    return MomentumPair(made, size, WIDTH, momentum=0.9)


def keys_of(numbers: list[int], shown: dict[str, list[bool]] | None = None) -> dict[str, Embeddings]:
    """Keys that tell clip (first axis), branch (second) and head (third) apart."""
    out = {}
    for b, branch in enumerate(("joint", "motion")):
        z, has = {}, {}
        for h, head in enumerate(HEADS):
            has[head] = torch.tensor(shown[head]) if shown else torch.ones(len(numbers), dtype=torch.bool)
            rows = torch.tensor([[float(number), float(b), float(h)] for number in numbers])
            z[head] = torch.where(has[head][:, None], rows, 0.0)
        out[branch] = Embeddings(z, has)
    return out


@pytest.mark.parametrize(
    ("size", "batches"),
    [(8, [4] * 5), (10, [4] * 6), (7, [3, 1, 5, 2, 7, 3]), (5, [8, 8, 8]), (5, [5, 12, 1, 2]), (1, [1, 3])],
    ids=["divides", "does not divide", "ragged", "batch larger than bank", "mixed", "one slot"],
)  # fmt: skip
def test_a_bank_holds_what_a_deque_holds(size: int, batches: list[int]) -> None:
    model, wanted, clip = pair(size), deque[int](maxlen=size), 1
    for count in batches:
        numbers = list(range(clip, clip + count))
        model.enqueue(keys_of(numbers))
        wanted.extend(numbers)
        clip += count
        for branch in ("joint", "motion"):
            for head in HEADS:
                bank = model.banks[branch][head]
                held = bank.slots[bank.valid][:, 0].long().tolist()
                assert sorted(held) == list(wanted)
                assert int(bank.valid.sum()) == min(size, clip - 1)
        cursor = int(model.cursor)
        if len(wanted) == size:
            assert int(model.banks["joint"]["hand"].slots[cursor, 0]) == wanted[0], "the oldest goes next"


def test_a_slot_is_the_same_clip_in_all_banks() -> None:
    model = pair(7)
    for first in (1, 5, 9):
        model.enqueue(keys_of(list(range(first, first + 4))))
    slots = {(b, h): model.banks[b][h].slots for b in ("joint", "motion") for h in HEADS}
    for (branch, head), held in slots.items():
        assert torch.equal(held[:, 0], slots["joint", "hand"][:, 0])
        assert (held[:, 1] == ("joint", "motion").index(branch)).all()
        assert (held[:, 2] == HEADS.index(head)).all()


def test_slots_of_absent_parts_are_invalid_and_hold_nothing_old() -> None:
    model = pair(4)
    model.enqueue(keys_of([1, 2, 3, 4]))
    model.enqueue(keys_of([5, 6], {"hand": [True, False], "trunk": [False, True]}))
    hand, trunk = model.banks["motion"]["hand"], model.banks["motion"]["trunk"]
    assert hand.valid.tolist() == [True, False, True, True]
    assert trunk.valid.tolist() == [False, True, True, True]
    assert not hand.slots[1].any()
    assert not trunk.slots[0].any()
    model.enqueue(keys_of([7, 8, 9, 10]))
    assert hand.valid.all()
    assert trunk.valid.all()


def test_momentum_update_is_the_formula() -> None:
    model = pair(4)
    with torch.no_grad():
        for value in model.query.parameters():
            value.add_(torch.randn_like(value))
    old = {name: value.clone() for name, value in model.key.named_parameters()}
    queries = {name: value.clone() for name, value in model.query.named_parameters()}
    model.update_keys()
    for name, value in model.key.named_parameters():
        torch.testing.assert_close(value, 0.9 * old[name] + 0.1 * queries[name])
    for name, value in model.query.named_parameters():
        assert torch.equal(value, queries[name])


def test_keys_start_equal_learn_nothing_and_survive_in_the_state() -> None:
    model = pair(4)
    for one, other in zip(model.query.parameters(), model.key.parameters(), strict=True):
        assert torch.equal(one, other)
        assert one is not other
        assert not other.requires_grad
    model.enqueue(keys_of([1, 2, 3]))
    again = pair(4)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.banks["joint"]["hand"].slots, model.banks["joint"]["hand"].slots)
    assert torch.equal(again.banks["joint"]["hand"].valid, model.banks["joint"]["hand"].valid)
    assert int(again.cursor) == 3


def test_the_motion_branch_sees_motion() -> None:
    view = random_view(2, 5)
    assert modality("joint", view) is view
    for found, wanted in zip(modality("motion", view), motion(*view), strict=True):
        assert torch.equal(found, wanted)
    model = pair(4).eval()
    found = model.embed_queries(view)["motion"].z["hand"]
    wanted = model.query["motion"](motion(*view)).z["hand"]
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("part", ["hand", "trunk"])
def test_absent_parts_have_a_zero_embedding(part: str) -> None:
    view = random_view(3, 5)
    seen = view.seen.clone()
    seen[1, :, HANDS if part == "hand" else TRUNK] = False
    branch = Branch(build_encoder(ENCODER), (*HEADS, FUSED), hidden=4, width=WIDTH)
    found = branch(View(view.xy, seen))
    assert found.has[part].tolist() == [True, False, True]
    assert found.has[FUSED].all()
    for head, z in found.z.items():
        torch.testing.assert_close(z.norm(dim=1), found.has[head].float())


def test_the_fused_head_sees_the_sum_of_both_features() -> None:
    view = random_view(3, 5)
    branch = Branch(build_encoder(ENCODER), (FUSED,), hidden=4, width=WIDTH).eval()
    torch.testing.assert_close(branch(view).z[FUSED], branch.heads[FUSED](branch.encoder(*view).whole()))
    nothing = branch(View(view.xy, torch.zeros_like(view.seen)))
    assert not nothing.has[FUSED].any()
    assert not nothing.z[FUSED].any()


def test_a_bank_keeps_float32_whatever_the_keys() -> None:
    bank = MemoryBank(3, 2)
    bank.write(torch.tensor([1]), torch.ones(1, 2, dtype=torch.bfloat16), torch.tensor([True]))
    assert bank.slots.dtype == torch.float32
    assert bank.valid.tolist() == [False, True, False]


def test_every_branch_and_head_of_the_config_has_a_bank() -> None:
    model = Pretrainer(ENCODER, replace(OBJECTIVE, heads=("hand", "trunk", FUSED)))
    assert {(b, h) for b in model.banks for h in model.banks[b]} == {
        (b, h) for b in ("joint", "motion") for h in ("hand", "trunk", FUSED)
    }
    assert all(bank.slots.shape == (24, 8) for banks in model.banks.values() for bank in banks.values())
