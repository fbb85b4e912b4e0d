"""Graph and temporal convolutions against their textbook forms: channels first, nn.Conv2d and nn.Conv1d."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from twinsign.nn.gcn import GraphBlock, GraphConv, PartNet, TemporalBlock, convolve_time
from twinsign.nn.graph import SUBSETS, adjacency
from twinsign.pose.layout import HAND_GRAPH, HAND_GROUP_GRAPH, TRUNK_GRAPH, TRUNK_GROUP_GRAPH, Graph

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def naive_graph_conv(x: Tensor, conv: nn.Conv2d, subsets: Tensor) -> Tensor:
    """1x1 convolution of x (N C T V) to 4 x width channels, each quarter mixed by its adjacency, summed."""
    out: Tensor | None = None
    for quarter, subset in zip(conv(x).chunk(SUBSETS, dim=1), subsets, strict=True):
        mixed = torch.einsum("nctv,vw->nctw", quarter, subset)
        out = mixed if out is None else out + mixed
    assert out is not None
    return out


@pytest.mark.parametrize("graph", [HAND_GRAPH, TRUNK_GRAPH, HAND_GROUP_GRAPH], ids=["hand", "trunk", "fingers"])
@pytest.mark.parametrize(("width_in", "width"), [(2, 8), (8, 3)])
def test_graph_convolution_forward_and_gradients(graph: Graph, width_in: int, width: int) -> None:
    torch.manual_seed(width)
    ours, naive = GraphConv(graph, width_in, width), nn.Conv2d(width_in, SUBSETS * width, 1)
    with torch.no_grad():
        ours.linear.weight.copy_(torch.cat(naive.weight.flatten(1).chunk(SUBSETS), dim=1))
        ours.bias.copy_(naive.bias.view(SUBSETS, width))
    x = torch.randn(3, 5, graph.joints, width_in)  # N T V C
    mine, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    found = ours(mine.flatten(0, 1)).unflatten(0, (3, 5))
    wanted = naive_graph_conv(theirs.permute(0, 3, 1, 2), naive, adjacency(graph)).permute(0, 2, 3, 1)
    torch.testing.assert_close(found, wanted, **TOLERANCE)
    slope = torch.randn_like(found)
    found.backward(slope)
    wanted.backward(slope)
    torch.testing.assert_close(mine.grad, theirs.grad, **TOLERANCE)
    weight_grad = torch.cat(naive.weight.grad.flatten(1).chunk(SUBSETS), dim=1)
    torch.testing.assert_close(ours.linear.weight.grad, weight_grad, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(ours.bias.grad, naive.bias.grad.view(SUBSETS, width), rtol=1e-5, atol=1e-4)


def test_another_adjacency_can_be_set() -> None:
    torch.manual_seed(0)
    conv, subsets = GraphConv(TRUNK_GRAPH, 2, 4), torch.rand(SUBSETS, 7, 7)
    conv.set_adjacency(subsets)
    nn.init.normal_(conv.bias)
    x = torch.randn(2, 7, 2)
    wanted = torch.zeros(2, 7, 4)
    for s in range(SUBSETS):
        per_joint = x @ conv.linear.weight[:, 2 * s : 2 * s + 2].T + conv.bias[s]
        wanted += torch.einsum("niw,ij->njw", per_joint, subsets[s])
    torch.testing.assert_close(conv(x), wanted, **TOLERANCE)


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("frames", [1, 2, 9])
def test_convolution_over_time_is_conv1d(taps: int, frames: int) -> None:
    torch.manual_seed(taps)
    conv = nn.Conv1d(6, 4, taps)
    x = torch.randn(2, frames, 6, requires_grad=True)
    found = convolve_time(x, conv)
    wanted = nn.functional.conv1d(x.transpose(1, 2), conv.weight, conv.bias, padding=taps // 2).transpose(1, 2)
    torch.testing.assert_close(found, wanted, **TOLERANCE)
    slope = torch.randn_like(found)
    mine = torch.autograd.grad(found, [x, *conv.parameters()], slope)
    theirs = torch.autograd.grad(wanted, [x, *conv.parameters()], slope)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)


def test_temporal_block_in_torch_words() -> None:
    torch.manual_seed(0)
    block = TemporalBlock(6)
    x = torch.randn(3, 7, 6)

    def conv(y: Tensor, layer: nn.Conv1d) -> Tensor:
        pad = layer.kernel_size[0] // 2
        return nn.functional.conv1d(y, layer.weight, layer.bias, padding=pad).relu()

    channels = x.transpose(1, 2)
    both = torch.cat([conv(channels, block.five), conv(conv(channels, block.three), block.three_more)], dim=1)
    joined = nn.functional.conv1d(both, block.join.weight[..., None], block.join.bias)
    wanted = nn.functional.batch_norm(joined, None, None, block.norm.weight, block.norm.bias, training=True).relu()
    torch.testing.assert_close(block(x), wanted.transpose(1, 2), **TOLERANCE)


@pytest.mark.parametrize(("residual", "width"), [(False, 8), (True, 8), (True, 5)])
def test_graph_block_step_by_step(residual: bool, width: int) -> None:
    torch.manual_seed(1)
    block = GraphBlock(TRUNK_GRAPH, 8, width, residual, dropout=0.0)
    x = torch.randn(6, 7, 8)
    y = block.out_norm(block.linear(block.norm(block.conv(x)).relu()))
    if residual:
        y = y + (x if width == 8 else block.residual[1](block.residual[0](x)))  # type: ignore[index]
    torch.testing.assert_close(block(x), y.relu(), **TOLERANCE)
    assert (block.residual is not None) == residual


@pytest.mark.parametrize(("joint_widths", "part_widths", "temporal"), [((4,), (6,), 0), ((4, 4, 8), (6, 6), 2)])
def test_part_net_pools_the_named_groups(
    joint_widths: tuple[int, ...], part_widths: tuple[int, ...], temporal: int
) -> None:
    torch.manual_seed(2)
    net = PartNet(TRUNK_GRAPH, TRUNK_GROUP_GRAPH, joint_widths, part_widths, temporal, dropout=0.0).eval()
    x = torch.rand(2, 5, 7, 2)
    joints = net.joint_blocks(net.input_norm(x.flatten(2)).view(10, 7, 2))
    left, right, nose = joints[:, 1:4].amax(dim=1), joints[:, 4:7].amax(dim=1), joints[:, 0]
    parts = net.part_blocks(torch.stack([left, right, nose], dim=1)).amax(dim=1).view(2, 5, -1)
    wanted = net.temporal(net.project(parts))
    torch.testing.assert_close(net(x), wanted, **TOLERANCE)
    assert net(x).shape == (2, 5, part_widths[-1])


def test_hand_groups_are_fingers_and_palm() -> None:
    net = PartNet(HAND_GRAPH, HAND_GROUP_GRAPH, (4,), (4,), 1, dropout=0.0)
    assert net.groups == [[2, 3, 4], [6, 7, 8], [10, 11, 12], [14, 15, 16], [18, 19, 20], [0, 1, 5, 9, 13, 17]]
