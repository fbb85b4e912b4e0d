"""BatchNorm over the last axis: nn.BatchNorm1d's numbers and tensors; over all processes the same, given all rows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from twinsign import distributed
from twinsign.nn.norm import BatchNorm, statistics, sync_batchnorm

TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


def pair(momentum: float | None = 0.1) -> tuple[BatchNorm, nn.BatchNorm1d]:
    torch.manual_seed(0)
    ours, plain = BatchNorm(5, momentum=momentum), nn.BatchNorm1d(5, momentum=momentum)
    nn.init.uniform_(ours.weight)
    nn.init.normal_(ours.bias)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def test_it_takes_the_last_axis_as_channels() -> None:
    ours, plain = pair()
    x = torch.randn(4, 3, 2, 5)
    torch.testing.assert_close(ours(x), plain(x.flatten(0, 2)).view(x.shape), **TOLERANCE)
    torch.testing.assert_close(ours.state_dict(), plain.state_dict())


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_shared_norm_of_one_processes_rows_is_the_plain_one(
    momentum: float | None, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes with the same rows: sums double, counts too."""
    ours, plain = pair(momentum)
    sync_batchnorm(ours, True)
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "all_reduce_sum", lambda x: 2 * x)
    leaf = (3 + torch.randn(40, 5)).to(dtype).requires_grad_()
    grads = []
    for norm in (ours, plain):
        out = [norm(leaf) for _ in range(2)][-1]
        assert out.dtype == dtype
        leaf.grad = None
        (out.float() * torch.arange(40.0)[:, None]).sum().backward()
        assert leaf.grad is not None
        grads.append((out, leaf.grad, norm.weight.grad, norm.bias.grad))
    near = TOLERANCE if dtype == torch.float32 else {"rtol": 0.05, "atol": 0.5}
    near = {**near, "atol": max(near["atol"], 1e-3)}  # gradients are of the order of 100
    torch.testing.assert_close(grads[0], grads[1], **near)
    torch.testing.assert_close(ours.running_mean, plain.running_mean, **TOLERANCE)
    torch.testing.assert_close(ours.running_var, plain.running_var, rtol=0.02, atol=0)  # 80 / 79 instead of 40 / 39
    assert ours.num_batches_tracked == plain.num_batches_tracked == 2


def test_alone_or_frozen_it_is_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, plain = pair()
    sync_batchnorm(nn.Sequential(ours), True)
    x = torch.randn(6, 5)
    assert torch.equal(ours(x), plain(x))
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "all_reduce_sum", lambda _: pytest.fail("asked the others"))
    assert torch.equal(ours.eval()(x), plain.eval()(x))
    sync_batchnorm(nn.Sequential(ours), False)
    assert torch.equal(ours.train()(x), plain.train()(x))


def test_statistics_are_the_running_ones() -> None:
    ours, plain = pair()
    assert [id(one) for one in statistics(nn.Sequential(ours, nn.Linear(2, 2)))] == [
        id(ours.running_mean),
        id(ours.running_var),
    ]
    assert len(statistics(plain)) == 2
