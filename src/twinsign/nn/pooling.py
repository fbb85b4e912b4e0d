"""The largest value over each of several groups of joints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor


def group_max_pool(x: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """Joints x (N V C) to the channel-wise largest of each group (N groups C); no joint is in two groups."""
    # torch leaves `apply` without annotations.
    out: Tensor = _LargestOf.apply(x, groups)  # type: ignore[no-untyped-call]
    return out


class _LargestOf(torch.autograd.Function):
    """Joints first in memory, and a gradient that goes to the first of equals: a third of indexing and amax's time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
        joints = x.transpose(0, 1).contiguous()  # V N C
        largest = torch.stack([reduce(torch.maximum, [joints[joint] for joint in group]) for group in groups])
        ctx.save_for_backward(joints, largest)
        ctx.groups = groups
        return largest.transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        joints, largest = ctx.saved_tensors
        grad, out = grads[0].transpose(0, 1).contiguous(), torch.zeros_like(joints)
        for number, group in enumerate(ctx.groups):
            left = grad[number]
            for joint in group:
                # As 0 and 1 of the same type, unlike as bool, comparing and multiplying are vectorised.
                out[joint] = left * torch.eq(joints[joint], largest[number], out=torch.empty_like(left))
                left = left - out[joint]
        return out.transpose(0, 1).contiguous(), None
