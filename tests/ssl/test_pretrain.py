"""The pre-training model: gradients, Eq. 8 of its pieces, configurations, and a loop without any trainer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.tiny_configs import ENCODER, OBJECTIVE, random_view
from torch import Tensor

from twinsign.pose.layout import HANDS, TRUNK
from twinsign.ssl import losses
from twinsign.ssl.config import FUSED, ObjectiveConfig
from twinsign.ssl.contrast import Embeddings
from twinsign.ssl.pretrain import Pretrainer, PretrainOutput
from twinsign.views.clips import View

CANCELS = re.compile(
    # Before a batch norm a constant is subtracted again: every path ends in one, through a linear layer or at once.
    r"(joint_blocks|part_blocks)\.\d+\.linear\.bias$|project\.0\.bias$|temporal\.\d+\.join\.bias$|residual\.0\.bias$"
    # A key's bias adds the same to all of a query's attention scores; softmax takes it away.
    r"|blocks\.\d+\.qkv\.bias$"
)
"""Biases whose gradient is zero in exact arithmetic; of qkv only the key's third."""
ROUNDING = 1e-6


def model_of(**changes: Any) -> Pretrainer:
    """A tiny Pretrainer from a fixed seed."""
    torch.manual_seed(0)
    return Pretrainer(ENCODER, replace(OBJECTIVE, **changes))


def filled(**changes: Any) -> Pretrainer:
    """The same with full banks of earlier keys."""
    model = model_of(**changes)
    for seed in range(4):
        model.enqueue(model.embed_keys(random_view(8, 6, seed=100 + seed)))
    return model


def views(clips: int = 6) -> tuple[View, View]:
    return random_view(clips, 6, seed=1), random_view(clips, 6, seed=2)


def step(model: Pretrainer, *pair: View) -> PretrainOutput:
    out: PretrainOutput = model(*(pair or views()))
    out.loss.backward()
    return out


@pytest.mark.parametrize("heads", [("hand", "trunk"), ("hand", "trunk", FUSED)])
def test_every_trainable_parameter_gets_a_gradient_and_no_key_does(heads: tuple[str, ...]) -> None:
    model = filled(heads=heads)
    step(model)
    zero = []
    for name, value in model.query.named_parameters():
        assert value.requires_grad, name
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name
        if not bool((value.grad.abs() > ROUNDING).any()):
            zero.append(name)
    assert [name for name in zero if not CANCELS.search(name)] == []
    assert all(value.grad is None and not value.requires_grad for value in model.key.parameters())


def test_of_the_qkv_bias_only_the_keys_third_cancels() -> None:
    model = filled()
    step(model)
    for name, value in model.query.named_parameters():
        if name.endswith("qkv.bias"):
            assert value.grad is not None
            query, key, scored = (part.abs().max() for part in value.grad.chunk(3))
            assert key < ROUNDING < min(query, scored), name


def test_forward_leaves_banks_and_key_parameters_alone() -> None:
    model = filled()
    before = {name: value.clone() for name, value in model.state_dict().items() if "running" not in name}
    step(model)
    for name, value in before.items():
        if "num_batches" not in name:
            assert torch.equal(model.state_dict()[name], value), name


def pieces(model: Pretrainer, out: PretrainOutput) -> Tensor:
    """Eq. 8 put together from the losses, branch by branch."""
    c, z, k, has = model.objective, {}, {}, {}
    total = torch.zeros(())
    for name in ("joint", "motion"):
        query, key, banks = out.queries[name], out.keys[name], model.banks[name]
        z[name], k[name] = query.z["hand"] + query.z["trunk"], key.z["hand"] + key.z["trunk"]
        both = {part: query.has[part] & key.has[part] for part in ("hand", "trunk")}
        has[name] = (query.has["hand"] | query.has["trunk"]) & (key.has["hand"] | key.has["trunk"])
        own = torch.zeros(())
        for part in ("hand", "trunk"):
            bank = banks[part]
            own = own + losses.info_nce(
                query.z[part], key.z[part], bank.slots, valid=bank.valid, has=both[part], temperature=c.temperature
            )
        hand, trunk = banks["hand"], banks["trunk"]
        own = own + losses.consistency(
            key_hand=key.z["hand"],
            key_trunk=key.z["trunk"],
            query_hand=query.z["hand"],
            query_trunk=query.z["trunk"],
            bank_hand=hand.slots,
            bank_trunk=trunk.slots,
            valid=hand.valid & trunk.valid,
            has=both["hand"] & both["trunk"],
            temperature=c.consistency_temperature,
        )
        total = total + c.weights[name] * own
    anchors = {name: losses.anchors([bank.slots for bank in model.banks[name].values()]) for name in z}
    valid = torch.stack([bank.valid for bank in model.banks["joint"].values()]).any(dim=0)
    return total + losses.transfer_both(
        key_joint=k["joint"],
        query_joint=z["joint"],
        key_motion=k["motion"],
        query_motion=z["motion"],
        anchors_joint=anchors["joint"],
        anchors_motion=anchors["motion"],
        valid=valid,
        has=has["joint"] & has["motion"],
        k=c.neighbours,
        teacher_temperature=c.teacher_temperature,
        student_temperature=c.student_temperature,
    )


@pytest.mark.parametrize("weights", [{"joint": 0.5, "motion": 0.5}, {"joint": 0.9, "motion": 0.1}])
@pytest.mark.parametrize("slots", [24, 500], ids=["full bank", "bank half empty"])
def test_total_is_eq_8_of_its_pieces(weights: dict[str, float], slots: int) -> None:
    model = filled(weights=weights, bank_size=slots)
    one, other = views()
    seen = one.seen.clone()
    seen[0, :, TRUNK], seen[1, :, HANDS], seen[2] = False, False, False
    out = model(View(one.xy, seen), other)
    torch.testing.assert_close(out.loss, pieces(model, out))
    terms = out.terms
    weighted = sum(w * (terms[f"contrast_{b}"] + terms[f"consistency_{b}"]) for b, w in weights.items())
    torch.testing.assert_close(out.loss.detach(), weighted + terms["transfer"])
    assert all(not value.requires_grad and value > 0 for value in terms.values())


@pytest.mark.parametrize("branch", ["joint", "motion"])
def test_one_branch_alone_has_no_transfer(branch: str) -> None:
    model = filled(branches=(branch,))
    out = step(model)
    assert set(out.queries) == set(model.banks) == {branch}
    assert out.terms["transfer"] == 0
    torch.testing.assert_close(
        out.loss.detach(), 0.5 * (out.terms[f"contrast_{branch}"] + out.terms[f"consistency_{branch}"])
    )


def test_terms_can_be_left_out() -> None:
    whole = model_terms()
    for name, left in (("consistency", "consistency_joint"), ("transfer", "transfer")):
        terms = model_terms(**{name: False})
        assert terms[left] == 0
        for other in whole.keys() - {"transfer", "consistency_joint", "consistency_motion"}:
            torch.testing.assert_close(terms[other], whole[other])


def model_terms(**changes: Any) -> dict[str, Tensor]:
    terms: dict[str, Tensor] = filled(**changes)(*views()).terms
    return terms


def test_released_objective_with_a_fused_head_and_its_own_anchors() -> None:
    model = filled(
        heads=(FUSED, "hand", "trunk"), anchors=(FUSED,), consistency_query_temperature=0.05, consistency_top=6
    )
    out = step(model)
    banks = {name: model.banks[name][FUSED] for name in ("joint", "motion")}
    wanted = losses.transfer_both(
        key_joint=out.keys["joint"].z[FUSED],
        query_joint=out.queries["joint"].z[FUSED],
        key_motion=out.keys["motion"].z[FUSED],
        query_motion=out.queries["motion"].z[FUSED],
        anchors_joint=banks["joint"].slots,
        anchors_motion=banks["motion"].slots,
        valid=banks["joint"].valid,
        has=torch.ones(6, dtype=torch.bool),
        k=8,
        teacher_temperature=0.05,
        student_temperature=0.1,
    )
    torch.testing.assert_close(out.terms["transfer"], wanted.detach())


def test_fused_head_alone_needs_no_parts() -> None:
    model = filled(heads=(FUSED,), anchors=(FUSED,), consistency=False)
    out = step(model)
    assert set(out.queries["joint"].z) == {FUSED}
    assert out.loss > 0


def test_more_neighbours_than_slots_means_all() -> None:
    few, many = filled(neighbours=24), filled(neighbours=10_000)
    torch.testing.assert_close(few(*views()).loss, many(*views()).loss)


def test_empty_banks_give_no_loss_and_no_nan() -> None:
    model = model_of()
    out = step(model)
    assert out.loss.detach() == pytest.approx(0.0, abs=1e-6)
    assert all(value.grad is None or value.grad.isfinite().all() for value in model.query.parameters())


@pytest.mark.parametrize("joints", [slice(None), HANDS, TRUNK], ids=["nothing", "no hand", "no trunk"])
def test_clips_that_show_less_give_finite_losses(joints: slice) -> None:
    model = filled()
    one, other = views()
    seen = one.seen.clone()
    seen[:, :, joints] = False
    out = step(model, View(one.xy, seen), View(other.xy, seen & other.seen))
    assert out.loss.isfinite()
    assert all(value.grad is None or value.grad.isfinite().all() for value in model.query.parameters())
    model.enqueue(out.keys)
    shown = (~(~seen).all(dim=1)).all(dim=0)
    at = torch.arange(32, 38) % 24
    assert bool(model.banks["joint"]["hand"].valid[at].all()) == bool(shown[HANDS].any())
    assert bool(model.banks["joint"]["trunk"].valid[at].all()) == bool(shown[TRUNK].any())


def test_finite_in_bfloat16_autocast_and_close_to_float32() -> None:
    plain, cast = filled(), filled()
    wanted = step(plain).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = cast(*views())
    out.loss.backward()
    assert out.loss.dtype == torch.float32
    assert out.loss.item() == pytest.approx(wanted.item(), rel=0.1)
    assert all(value.grad is not None and value.grad.isfinite().all() for value in cast.query.parameters())


def test_a_loop_without_a_trainer_learns() -> None:
    model = model_of(temperature=0.2)
    optimiser = torch.optim.SGD(model.query.parameters(), lr=0.05, momentum=0.9)
    signs = random_view(12, 6, seed=3, seen_rate=1.0)
    generator = torch.Generator().manual_seed(0)
    values, right = [], []
    for number in range(23):
        index = torch.arange(4 * number, 4 * number + 8) % 12
        pair = [
            View(signs.xy[index] + 0.01 * torch.randn(8, 6, 49, 2, generator=generator), signs.seen[index])
            for _ in "qk"
        ]
        out = model(*pair)
        optimiser.zero_grad()
        out.loss.backward()
        optimiser.step()
        if number >= 3:  # 24 slots are full
            values.append(out.loss.item())
            right.append(model.contrast_accuracy(out).item())
        model.enqueue(out.keys)
        model.update_keys()
    assert len(values) == 20
    assert sum(values[-5:]) / 5 < values[0]
    assert all(0 <= value <= 1 for value in right)


def test_contrast_accuracy_counts_queries_nearer_to_their_own_key() -> None:
    model = model_of(branches=("joint",), heads=("hand",), anchors=("hand",), consistency=False, width=2, bank_size=2)
    key = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    query = torch.tensor([[0.8, 0.6], [0.8, 0.6], [0.6, 0.8], [0.0, 0.0]])
    has = torch.tensor([True, True, True, False])
    model.enqueue({"joint": Embeddings({"hand": torch.tensor([[0.6, 0.8]])}, {"hand": torch.tensor([True])})})
    out = PretrainOutput(
        torch.zeros(()),
        {},
        {"joint": Embeddings({"hand": key}, {"hand": has})},
        {"joint": Embeddings({"hand": query}, {"hand": has})},
    )
    # Own key against the bank's row: 0.8 < 0.96, 0.6 < 0.96, 0.6 < 1.
    assert model.contrast_accuracy(out) == 0
    model.enqueue({"joint": Embeddings({"hand": torch.tensor([[-1.0, 0.0]])}, {"hand": torch.tensor([True])})})
    model.banks["joint"]["hand"].valid[0] = False
    assert model.contrast_accuracy(out) == 1


def test_query_weights_are_the_query_branches_own() -> None:
    model = model_of()
    names = set(model.query_weights().state_dict())
    assert {name.split(".")[0] for name in names} == {"encoders", "heads"}
    mine = model.query_weights().state_dict()["encoders.joint.pool.hand.score.weight"]
    assert mine.data_ptr() == model.query["joint"].encoder.pool["hand"].score.weight.data_ptr()


def test_defaults_are_the_papers() -> None:
    c = ObjectiveConfig()
    assert (c.bank_size, c.momentum, c.temperature, c.width, c.hidden) == (16384, 0.99, 0.07, 128, 512)
    assert (c.consistency_temperature, c.neighbours, c.teacher_temperature, c.student_temperature) == (
        0.1,
        8192,
        0.05,
        0.1,
    )
    assert c.heads == c.anchors == ("hand", "trunk")
    assert c.weights == {"joint": 0.5, "motion": 0.5}
