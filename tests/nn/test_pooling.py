"""The largest over groups of joints against amax, and where its gradient goes."""

from __future__ import annotations

import pytest
import torch

from twinsign.nn.pooling import group_max_pool
from twinsign.pose.layout import HAND_GRAPH, TRUNK_GRAPH, Graph


@pytest.mark.parametrize("graph", [HAND_GRAPH, TRUNK_GRAPH], ids=["hand", "trunk"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_amax(graph: Graph, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    # No two alike within a group, so that there is one gradient.
    x = torch.stack([torch.randperm(graph.joints * 3) for _ in range(10)]).view(5, 2 * 3, graph.joints)
    mine, theirs = (x.transpose(1, 2).to(dtype).contiguous().requires_grad_() for _ in range(2))
    found = group_max_pool(mine, graph.groups)
    wanted = torch.stack([theirs[:, list(group)].amax(dim=1) for group in graph.groups], dim=1)
    assert torch.equal(found, wanted)
    assert found.is_contiguous()
    slope = torch.randn_like(found)
    found.backward(slope)
    wanted.backward(slope)
    torch.testing.assert_close(mine.grad, theirs.grad)


def test_of_equals_the_first_gets_the_gradient_and_joints_in_no_group_none() -> None:
    x = torch.tensor([[[1.0], [2.0], [2.0], [2.0]]], requires_grad=True)
    group_max_pool(x, [[0, 2, 3]]).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0, 0, 1, 0]
