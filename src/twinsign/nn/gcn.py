"""Joints to one vector a frame: graph convolutions, pooling into parts, temporal convolutions. Channels last."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.dropout import Dropout
from twinsign.nn.graph import SUBSETS, adjacency
from twinsign.nn.norm import BatchNorm
from twinsign.nn.pooling import group_max_pool
from twinsign.pose.layout import Graph

INPUT_NORM_EPS = 0.1
"""Added to the variances of what goes in (released): noise in joints that hardly move stays small."""


class GraphConv(nn.Module):
    """Mix joints by each adjacency subset, then one matrix product (equals convolving first: both are linear)."""

    mixing: Tensor
    degree: Tensor

    def __init__(self, graph: Graph, width_in: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(SUBSETS * width_in, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(SUBSETS, width))
        self.set_adjacency(adjacency(graph))

    def set_adjacency(self, subsets: Tensor) -> None:
        """Use adjacency subsets (4 V V) instead of the graph's own."""
        joints = subsets.shape[1]
        self.register_buffer("mixing", subsets.permute(2, 0, 1).reshape(joints * SUBSETS, joints).contiguous())
        self.register_buffer("degree", subsets.sum(dim=1).T.contiguous())  # V 4

    def forward(self, x: Tensor) -> Tensor:
        """Joints x (N V C) to (N V width)."""
        count, joints, width = x.shape
        mixed = torch.matmul(self.mixing.to(x.dtype), x).view(count, joints, SUBSETS * width)  # N V 4C
        out: Tensor = self.linear(mixed) + self.degree.to(x.dtype) @ self.bias.to(x.dtype)
        return out


class GraphBlock(nn.Module):
    """Graph convolution, BN, ReLU, 1x1, BN, residual, ReLU (method, Encoder)."""

    def __init__(self, graph: Graph, width_in: int, width: int, residual: bool, dropout: float) -> None:
        super().__init__()
        self.conv = GraphConv(graph, width_in, width)
        self.norm = BatchNorm(width)
        self.linear = nn.Linear(width, width)
        self.out_norm = BatchNorm(width)
        self.dropout = Dropout(dropout)
        self.residual: nn.Module | None = None
        if residual:
            widen = nn.Sequential(nn.Linear(width_in, width), BatchNorm(width))
            self.residual = nn.Identity() if width_in == width else widen

    def forward(self, x: Tensor) -> Tensor:
        """Joints x (N V C) to (N V width)."""
        y = self.dropout(F.relu(self.norm(self.conv(x)), inplace=True))
        y = self.dropout(self.out_norm(self.linear(y)))
        return F.relu(y if self.residual is None else y + self.residual(x), inplace=True)


class TemporalBlock(nn.Module):
    """A kernel-5 path beside two stacked kernel-3 ones, ReLU after each; joined, 1x1, BN, ReLU (method, Encoder)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.five = nn.Conv1d(width, width, 5)
        self.three = nn.Conv1d(width, width, 3)
        self.three_more = nn.Conv1d(width, width, 3)
        self.join = nn.Linear(2 * width, width)
        self.norm = BatchNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Frames x (B T C) to (B T C)."""
        wide = convolve_time(x, self.five)
        deep = convolve_time(F.relu(convolve_time(x, self.three), inplace=True), self.three_more)
        joined = F.relu(torch.cat([wide, deep], dim=-1), inplace=True)
        return F.relu(self.norm(self.join(joined)), inplace=True)


def convolve_time(x: Tensor, conv: nn.Conv1d) -> Tensor:
    """Convolution of x (B T C) over time, at every frame, or every `conv.stride`-th from the first."""
    taps = conv.weight.shape[2]
    return F.conv1d(x.transpose(1, 2), conv.weight, conv.bias, conv.stride, padding=taps // 2).transpose(1, 2)


class PartNet(nn.Module):
    """A hand's or the trunk's joints to one vector a frame (method, Encoder: joint level, part level, time)."""

    def __init__(
        self,
        graph: Graph,
        groups: Graph,
        joint_widths: Sequence[int],
        part_widths: Sequence[int],
        temporal_blocks: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.groups = [list(group) for group in graph.groups]
        self.input_norm = BatchNorm(graph.joints * 2, eps=INPUT_NORM_EPS)
        widths = [2, *joint_widths]
        self.joint_blocks = nn.Sequential(
            *(
                GraphBlock(graph, widths[i], widths[i + 1], residual=i > 0, dropout=dropout)
                for i in range(len(joint_widths))
            )
        )
        widths = [joint_widths[-1], *part_widths]
        self.part_blocks = nn.Sequential(
            *(
                GraphBlock(groups, widths[i], widths[i + 1], residual=True, dropout=dropout)
                for i in range(len(part_widths))
            )
        )
        width = part_widths[-1]
        self.project = nn.Sequential(nn.Linear(width, width), BatchNorm(width), nn.ReLU())
        self.temporal = nn.Sequential(*(TemporalBlock(width) for _ in range(temporal_blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """Joints x (B T V 2), 0 where missing, to frames (B T width)."""
        clips, frames, joints, _ = x.shape
        x = self.input_norm(x.flatten(2)).view(clips * frames, joints, 2)
        x = self.joint_blocks(x)  # B*T V C
        x = self.part_blocks(group_max_pool(x, self.groups))  # B*T parts C
        x = group_max_pool(x, [range(len(self.groups))]).squeeze(1)  # B*T width
        out: Tensor = self.temporal(self.project(x).view(clips, frames, -1))
        return out
