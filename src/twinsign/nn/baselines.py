"""Networks to compare with, on the same poses: a convolutional GRU, and ST-GCN (Yan et al. 2018) over all 49 joints.

Both look at all joints at once: their one feature stands under `hand`, and `trunk` is 0.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.dropout import Dropout
from twinsign.nn.encoder import EncoderConfig, Features
from twinsign.nn.gcn import GraphConv, convolve_time
from twinsign.nn.norm import BatchNorm
from twinsign.pose.layout import HAND_WRIST, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK, WHOLE_GRAPH

TAPS = 9
"""Frames under a temporal convolution of ST-GCN (Yan et al. 2018)."""


class ConvGru(nn.Module):
    """Hand-made features, convolutions over time of `joint_widths`, a GRU in both directions (ours).

    The features: joints of a hand from its wrist, wrists and trunk where they are, all of their movements, and what is
    seen.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        places = 2 * (JOINT_COUNT + len(HAND_WRIST))
        widths = [2 * places + JOINT_COUNT, *config.joint_widths]
        self.input_norm = BatchNorm(widths[0])
        self.convolutions = nn.ModuleList(
            nn.Conv1d(one, other, 5 if number == 0 else 3) for number, (one, other) in enumerate(pairwise(widths))
        )
        self.norms = nn.ModuleList(BatchNorm(width) for width in widths[1:])
        self.dropout = Dropout(config.graph_dropout)
        self.gru = nn.GRU(widths[-1], config.width, batch_first=True, bidirectional=True)
        self.out = nn.Linear(4 * config.width, config.width)

    def forward(self, xy: Tensor, seen: Tensor) -> Features:
        """Crop coordinates xy (B T 49 2), seen (B T 49) to features."""
        x = self.input_norm(described(xy, seen))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = self.dropout(F.relu(norm(convolve_time(x, cast(nn.Conv1d, convolution)))))
        states, _ = self.gru(x)  # B T 2D
        frames = seen.any(dim=2)
        pooled = torch.cat([mean_of(states, frames), largest_of_frames(states, frames)], dim=1)
        return all_of(self.dropout(self.out(pooled)), frames)


class StGcn(nn.Module):
    """Graph convolution over the body and convolution over time in turn, of `joint_widths` and `part_widths`."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.input_norm = BatchNorm(JOINT_COUNT * 3)
        widths = [3, *config.joint_widths, *config.part_widths]
        self.blocks = nn.ModuleList(StGcnBlock(one, other, config.graph_dropout) for one, other in pairwise(widths))

    def forward(self, xy: Tensor, seen: Tensor) -> Features:
        """Crop coordinates xy (B T 49 2), seen (B T 49) to features."""
        clips, length = seen.shape[:2]
        x = torch.cat([torch.where(seen[..., None], xy, 0.0), seen[..., None].to(xy.dtype)], dim=-1)  # B T 49 3
        x = self.input_norm(x.flatten(2)).view(clips, length, JOINT_COUNT, 3)
        for block in self.blocks:
            x = block(x)
        frames = seen.any(dim=2)
        return all_of(mean_of(x.mean(dim=2), frames), frames)


class StGcnBlock(nn.Module):
    """One layer of ST-GCN, with the adjacency subsets of the paper's encoder."""

    def __init__(self, width_in: int, width: int, dropout: float) -> None:
        super().__init__()
        self.conv, self.norm = GraphConv(WHOLE_GRAPH, width_in, width), BatchNorm(width)
        self.time, self.out_norm = nn.Conv1d(width, width, TAPS), BatchNorm(width)
        self.dropout = Dropout(dropout)
        self.residual = nn.Identity() if width_in == width else nn.Linear(width_in, width)

    def forward(self, x: Tensor) -> Tensor:
        """Joints x (B T V C) to (B T V width)."""
        clips, length, joints, _ = x.shape
        y = F.relu(self.norm(self.conv(x.flatten(0, 1)))).view(clips, length, joints, -1)
        y = convolve_time(y.transpose(1, 2).flatten(0, 1), self.time)  # B*V T width
        y = self.dropout(self.out_norm(y)).view(clips, joints, length, -1).transpose(1, 2)
        return F.relu(y + self.residual(x))


def described(xy: Tensor, seen: Tensor) -> Tensor:
    """Features of frames (B T F) by hand: places, movements, and which joints are seen; 0 where unseen (ours)."""
    xy = torch.where(seen[..., None], xy, 0.0)
    parts, masks = [xy[:, :, TRUNK]], [seen[:, :, TRUNK]]
    for side, hand in (("right", RIGHT_HAND), ("left", LEFT_HAND)):
        wrist = slice(HAND_WRIST[side], HAND_WRIST[side] + 1)
        both = seen[:, :, hand] & seen[:, :, wrist]
        parts += [torch.where(both[..., None], xy[:, :, hand] - xy[:, :, wrist], 0.0), xy[:, :, wrist]]
        masks += [both, seen[:, :, wrist]]
    place, mask = torch.cat(parts, dim=2), torch.cat(masks, dim=2)
    there = (mask[:, 1:] & mask[:, :-1])[..., None]
    steps = torch.where(there, place[:, 1:] - place[:, :-1], 0.0)
    moved = torch.cat([torch.zeros_like(place[:, :1]), steps], dim=1)
    return torch.cat([place.flatten(2), moved.flatten(2), seen.to(xy.dtype)], dim=2)


def mean_of(x: Tensor, frames: Tensor) -> Tensor:
    """Mean (B D) of x (B T D) over the frames (B T) that count; 0 where none does."""
    weight = frames.to(x.dtype)
    return torch.einsum("btd,bt->bd", x, weight) / weight.sum(dim=1, keepdim=True).clamp(min=1)


def largest_of_frames(x: Tensor, frames: Tensor) -> Tensor:
    """Largest values (B D) of x (B T D) over the frames (B T) that count; 0 where none does."""
    most = x.masked_fill(~frames[..., None], float("-inf")).amax(dim=1)
    return torch.where(frames.any(dim=1, keepdim=True), most, 0.0)


def all_of(feature: Tensor, frames: Tensor) -> Features:
    """A feature (B D) of all joints, 0 where a clip shows nothing in its frames (B T)."""
    has = frames.any(dim=1)
    f = torch.where(has[:, None], feature, 0.0)
    return Features({"hand": f, "trunk": torch.zeros_like(f)}, {"hand": has, "trunk": has})
