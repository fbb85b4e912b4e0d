"""Networks to compare with, on the same poses: a convolutional GRU, and ST-GCN (Yan et al. 2018) over all 49 joints.

Both look at all joints at once: their one feature stands under `hand`, and `trunk` is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.config import EncoderConfig
from twinsign.nn.dropout import Dropout
from twinsign.nn.encoder import Features
from twinsign.nn.gcn import INPUT_NORM_EPS, GraphConv, convolve_time
from twinsign.nn.norm import BatchNorm
from twinsign.pose.layout import HAND_GRAPH, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK, TRUNK_GRAPH, WHOLE_GRAPH
from twinsign.views.clips import motion

TAPS = 9
"""Frames under a temporal convolution of ST-GCN (Yan et al. 2018)."""
FEATURES = 5
"""Numbers that describe a joint in a frame: two of place, two of movement, whether it is seen."""
TRUNK_MOTION_SCALE = 10.0
"""The trunk's movements, fractions of an image, are made about as large as a hand's in its box (not tuned)."""


class ConvGru(nn.Module):
    """Hand-made features, convolutions over time of `joint_widths`, a GRU in both directions.

    The features: joints of a hand from its wrist, the trunk where it is, all of their movements, and what is seen; of a
    hand without its wrist nothing. One stack of convolutions serves both hands; the trunk's is half as wide. GRU and
    feature are as wide as the last of `part_widths`; `graph_dropout` follows each convolution and the last layer.

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> network = ts.nn.ConvGru(ts.nn.EncoderConfig(joint_widths=(16, 16), part_widths=(32,)))
        >>> features = network(torch.rand(2, 16, 49, 2), torch.ones(2, 16, 49, dtype=torch.bool))
        >>> features.f["hand"].shape
        torch.Size([2, 32])
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.width = config.width
        hand, trunk = config.joint_widths, [-(-width // 2) for width in config.joint_widths]
        self.hand = Convolutions([HAND_GRAPH.joints * FEATURES, *hand], config.graph_dropout)
        self.trunk = Convolutions([TRUNK_GRAPH.joints * FEATURES, *trunk], config.graph_dropout)
        self.gru = nn.GRU(2 * hand[-1] + trunk[-1], config.width, batch_first=True, bidirectional=True)
        self.dropout = Dropout(config.graph_dropout)
        self.out = nn.Linear(4 * config.width, config.width)

    def forward(self, xy: Tensor, seen: Tensor) -> Features:
        """Crop coordinates xy (B T 49 2), seen (B T 49) to features."""
        sides = [from_wrist(xy[:, :, hand], seen[:, :, hand]) for hand in (RIGHT_HAND, LEFT_HAND)]
        hands = self.hand(torch.cat([described(*side) for side in sides]))  # 2B T C
        right, left = hands[: xy.shape[0]], hands[xy.shape[0] :]  # len() or chunk() would fix B in an exported network
        trunk = self.trunk(described(xy[:, :, TRUNK], seen[:, :, TRUNK], TRUNK_MOTION_SCALE))
        states, _ = self.gru(torch.cat([right, left, trunk], dim=2))  # B T 2D
        frames = seen.any(dim=2)
        pooled = torch.cat([mean_of(states, frames), frame_max_pool(states, frames)], dim=1)
        return all_of(self.dropout(self.out(pooled)), frames)


class Convolutions(nn.Module):
    """Convolutions over time of these widths, five frames wide and then three, each with BN, ReLU and dropout."""

    def __init__(self, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.input_norm = BatchNorm(widths[0], eps=INPUT_NORM_EPS)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width_in, width, 5 if number == 0 else 3)
            for number, (width_in, width) in enumerate(pairwise(widths))
        )
        self.norms = nn.ModuleList(BatchNorm(width) for width in widths[1:])
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Frames x (B T F) to (B T C)."""
        x = self.input_norm(x)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = self.dropout(F.relu(norm(convolve_time(x, cast(nn.Conv1d, convolution)))))
        return x


class StGcn(nn.Module):
    """Graph convolution over the body and convolution over time in turn, of `joint_widths` and `part_widths`.

    Where layers grow wider, every second frame is left out (Yan et al. 2018). Joints that are seen are pooled;
    `graph_dropout` ends each layer.

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> network = ts.nn.StGcn(ts.nn.EncoderConfig(joint_widths=(16, 16), part_widths=(32,)))
        >>> features = network(torch.rand(2, 16, 49, 2), torch.ones(2, 16, 49, dtype=torch.bool))
        >>> features.f["hand"].shape
        torch.Size([2, 32])
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.width = config.width
        self.input_norm = BatchNorm(JOINT_COUNT * 3, eps=INPUT_NORM_EPS)
        widths = [*config.joint_widths, *config.part_widths]
        self.layers = nn.ModuleList([StGcnBlock(3, widths[0], 1, config.graph_dropout)])
        for width_in, width in pairwise(widths):
            self.layers.append(StGcnBlock(width_in, width, 1 if width <= width_in else 2, config.graph_dropout))

    def forward(self, xy: Tensor, seen: Tensor) -> Features:
        """Crop coordinates xy (B T 49 2), seen (B T 49) to features."""
        clips, length = seen.shape[:2]
        x = torch.cat([torch.where(seen[..., None], xy, 0.0), seen[..., None].to(xy.dtype)], dim=-1)  # B T 49 3
        x = self.input_norm(x.flatten(2)).view(clips, length, JOINT_COUNT, 3)
        for layer in cast(Iterable[StGcnBlock], self.layers):
            x, seen = layer(x), strided(seen, layer.stride)
        return all_of(mean_of(x.flatten(1, 2), seen.flatten(1)), seen.any(dim=2))


class StGcnBlock(nn.Module):
    """One layer of ST-GCN, with the adjacency subsets of the paper's encoder."""

    def __init__(self, width_in: int, width: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.stride = stride
        self.conv, self.norm = GraphConv(WHOLE_GRAPH, width_in, width), BatchNorm(width)
        self.time, self.out_norm = nn.Conv1d(width, width, TAPS, stride), BatchNorm(width)
        self.dropout = Dropout(dropout)
        self.residual = nn.Identity() if width_in == width else nn.Linear(width_in, width)

    def forward(self, x: Tensor) -> Tensor:
        """Joints x (B T V C) to (B T' V width), T' frames after the stride."""
        clips, length, joints, _ = x.shape
        y = F.relu(self.norm(self.conv(x.flatten(0, 1)))).view(clips, length, joints, -1)
        y = convolve_time(y.transpose(1, 2).flatten(0, 1), self.time)  # B*V T' width
        y = self.dropout(self.out_norm(y)).unflatten(0, (clips, joints)).transpose(1, 2)
        return F.relu(y + self.residual(x[:, :: self.stride]))


def strided(seen: Tensor, stride: int) -> Tensor:
    """Joints (B T' V) of the frames that a stride leaves: whether they are seen in one of its own frames of (B T V)."""
    return F.max_pool1d(seen.transpose(1, 2).float(), stride, ceil_mode=True).transpose(1, 2) > 0


def from_wrist(xy: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """A hand's joints (B T 21 2) as seen from its wrist, and where both are seen (B T 21)."""
    seen_with_wrist = seen & seen[:, :, :1]
    return xy - xy[:, :, :1], seen_with_wrist


def described(xy: Tensor, seen: Tensor, swifter: float = 1.0) -> Tensor:
    """Hand-made features (B T 5V) of joints xy (B T V 2), seen (B T V): places, `swifter` movements, which are seen.

    0 where unseen.
    """
    xy = torch.where(seen[..., None], xy, 0.0)
    moved = swifter * motion(xy, seen).xy.roll(1, dims=1)  # from the frame before; 0, the last, comes first
    return torch.cat([xy.flatten(2), moved.flatten(2), seen.to(xy.dtype)], dim=2)


def mean_of(x: Tensor, frames: Tensor) -> Tensor:
    """Mean (B D) of x (B T D) over the frames (B T) that count; 0 where none does."""
    weight = frames.to(x.dtype)
    return torch.einsum("btd,bt->bd", x, weight) / weight.sum(dim=1, keepdim=True).clamp(min=1)


def frame_max_pool(x: Tensor, frames: Tensor) -> Tensor:
    """Largest values (B D) of x (B T D) over the frames (B T) that count; 0 where none does."""
    most = x.masked_fill(~frames[..., None], float("-inf")).amax(dim=1)
    return torch.where(frames.any(dim=1, keepdim=True), most, 0.0)


def all_of(feature: Tensor, frames: Tensor) -> Features:
    """A feature (B D) of all joints, 0 where a clip shows nothing in its frames (B T); it is no part's but `hand`'s."""
    has = frames.any(dim=1)
    f = torch.where(has[:, None], feature, 0.0)
    return Features({"hand": f, "trunk": torch.zeros_like(f)}, {"hand": has, "trunk": torch.zeros_like(has)})
