"""Dropout from random bytes: rates, scale, gradients, and the same numbers after the same seed."""

from __future__ import annotations

import pytest
import torch

from twinsign.nn.dropout import Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("probability", "rounded"), [(0.1, 26 / 256), (0.5, 0.5), (1 / 256, 1 / 256)])
def test_rate_and_scale(probability: float, rounded: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    out = Dropout(probability)(torch.ones(1001, 999, dtype=dtype))
    assert out.dtype == dtype
    deviation = (rounded * (1 - rounded) / out.numel()) ** 0.5
    assert abs(float((out == 0).double().mean()) - rounded) < 4 * deviation
    assert abs(float((out == 0)[:, ::8].double().mean()) - rounded) < 4 * 8**0.5 * deviation  # each byte of a word
    kept = out[out != 0].double()
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - rounded)), rtol=2**-8, atol=0)


def test_places_are_independent() -> None:
    torch.manual_seed(1)
    dropped = (Dropout(0.5)(torch.ones(2**18)) == 0).double() - 0.5
    for apart in (*range(1, 17), 64, 624 * 8):
        assert abs(float((dropped[apart:] * dropped[:-apart]).mean())) < 4 * 0.25 / 2**9, apart


def test_gradient_passes_where_something_stayed() -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 5, requires_grad=True)
    out = Dropout(0.3)(x)
    (grad,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(grad, torch.where(out == 0, 0.0, 256 / (256 - 77)))


def test_the_seed_decides() -> None:
    x = torch.ones(100)
    torch.manual_seed(3)
    once = Dropout(0.5)(x)
    assert not torch.equal(Dropout(0.5)(x), once)
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.5)(x), once)


def test_nothing_or_everything() -> None:
    x = torch.randn(3, 4)
    assert Dropout(0.1).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert not Dropout(1.0)(x).any()
