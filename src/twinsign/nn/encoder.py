"""The "GCN + Transformer" encoder of one branch: poses of a view in, hand and trunk features out (method, Encoder)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from twinsign.errors import InputError
from twinsign.nn.gcn import PartNet
from twinsign.nn.transformer import AttentionPool, TemporalTransformer
from twinsign.pose.layout import (
    HAND_GRAPH,
    HAND_GROUP_GRAPH,
    LEFT_HAND,
    RIGHT_HAND,
    TRUNK,
    TRUNK_GRAPH,
    TRUNK_GROUP_GRAPH,
)

PARTS = ("hand", "trunk")
WIDEST, DEEPEST = 2**14, 2**7
"""Channels of a layer and blocks of a kind at most: a config from elsewhere is not to fill the memory (ours)."""


@dataclass(frozen=True)
class EncoderConfig:
    """Widths and depths of one branch's encoder; the defaults are the paper's size (method, Encoder)."""

    joint_widths: tuple[int, ...] = (128, 128, 256)
    """Channels of the graph blocks on joints."""
    part_widths: tuple[int, ...] = (512, 512)
    """Channels of the graph blocks on fingers, palm, arms and nose; the last is the feature width (paper: 512)."""
    temporal_blocks: int = 2
    """Blocks of temporal convolutions."""
    feed_forward: dict[str, int] = field(default_factory=lambda: {"hand": 1536, "trunk": 1024})
    """Hidden width of the Transformer's feed-forward layers, by part."""
    heads: int = 8
    """Attention heads."""
    depth: int = 3
    """Transformer blocks."""
    dropout: float = 0.1
    """In the Transformer: of attention weights and of every sub-layer's output."""
    graph_dropout: float = 0.0
    """In the graph blocks; the paper names none."""
    network: Literal["gcn_transformer", "conv_gru", "st_gcn"] = "gcn_transformer"
    """The paper's, or a supervised baseline of `nn/baselines.py`, which says what the other fields are to it."""

    def __post_init__(self) -> None:
        widths = [*self.joint_widths, *self.part_widths, *self.feed_forward.values()]
        if not self.joint_widths or not self.part_widths or not all(1 <= width <= WIDEST for width in widths):
            found = f"encoder widths {self.joint_widths}, {self.part_widths}, {self.feed_forward}"
            raise InputError(found, f"one or more of each, from 1 to {WIDEST}")
        if {*self.feed_forward} != {*PARTS}:
            raise InputError(f"encoder.feed_forward of {', '.join(self.feed_forward)}", f"of {', '.join(PARTS)}")
        depths = (len(self.joint_widths), len(self.part_widths), self.temporal_blocks, self.depth)
        if not all(0 <= depth <= DEEPEST for depth in depths):
            raise InputError(f"encoder depths {depths}", f"0 to {DEEPEST} blocks of each kind")
        if self.heads < 1 or self.width % self.heads:
            raise InputError(f"encoder.heads {self.heads}", f"a divisor of the width {self.width}")
        if not all(0 <= share < 1 for share in (self.dropout, self.graph_dropout)):
            raise InputError(f"dropout {self.dropout}, graph_dropout {self.graph_dropout}", "shares in [0, 1)")

    @property
    def width(self) -> int:
        """Width of f_hand and f_trunk."""
        return self.part_widths[-1]


class Features(NamedTuple):
    """f_hand and f_trunk (B D), 0 where a clip shows nothing of the part, and whether it does (B)."""

    f: dict[str, Tensor]
    has: dict[str, Tensor]

    def whole(self, parts: tuple[str, ...] = PARTS) -> Tensor:
        """The sum of the named parts' features (B D); both: f_hand + f_trunk (method, Encoder)."""
        return torch.stack([self.f[part] for part in parts]).sum(dim=0)


class Encoder(nn.Module):
    """One branch's encoder; one hand network serves both hands."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        shape = (config.joint_widths, config.part_widths, config.temporal_blocks, config.graph_dropout)
        self.net = nn.ModuleDict(
            {
                "hand": PartNet(HAND_GRAPH, HAND_GROUP_GRAPH, *shape),
                "trunk": PartNet(TRUNK_GRAPH, TRUNK_GROUP_GRAPH, *shape),
            }
        )
        widths = {"hand": 2 * config.width, "trunk": config.width}
        self.transformer = nn.ModuleDict(
            {
                part: TemporalTransformer(
                    widths[part], config.feed_forward[part], config.heads, config.depth, config.dropout
                )
                for part in PARTS
            }
        )
        self.pool = nn.ModuleDict({part: AttentionPool(config.width) for part in PARTS})

    def forward(self, xy: Tensor, seen: Tensor) -> Features:
        """Crop coordinates xy (B T 49 2), seen (B T 49) to features; the door where missing joints become 0."""
        xy = torch.where(seen[..., None], xy, 0.0)
        hands = torch.stack([xy[:, :, RIGHT_HAND], xy[:, :, LEFT_HAND]], dim=1)  # B 2 T 21 2
        hands_seen = torch.stack([seen[:, :, RIGHT_HAND], seen[:, :, LEFT_HAND]], dim=1).any(dim=-1)  # B 2 T
        return self.encode(hands, hands_seen, xy[:, :, TRUNK], seen[:, :, TRUNK].any(dim=-1))

    def encode(self, hands: Tensor, hands_seen: Tensor, trunk: Tensor, trunk_seen: Tensor) -> Features:
        """Right and left hands (B 2 T 21 2), trunk (B T 7 2), which frames show them (B 2 T), (B T)."""
        clips, sides, frames = hands_seen.shape
        per_frame = self.frame_features(hands, trunk)
        tokens = self.transformer["hand"](per_frame["hand"])  # B T 2D
        tokens = tokens.view(clips, frames, sides, -1).transpose(1, 2).flatten(1, 2)  # B 2T D, right then left
        masks = {"hand": hands_seen.flatten(1), "trunk": trunk_seen}
        f = {
            "hand": self.pool["hand"](tokens, masks["hand"]),
            "trunk": self.pool["trunk"](self.transformer["trunk"](per_frame["trunk"]), masks["trunk"]),
        }
        return Features(f, {part: mask.any(dim=1) for part, mask in masks.items()})

    def frame_features(self, hands: Tensor, trunk: Tensor) -> dict[str, Tensor]:
        """The graph networks' output a frame: hand (B T 2D), right then left; trunk (B T D)."""
        clips, sides = hands.shape[:2]
        each = self.net["hand"](hands.flatten(0, 1)).unflatten(0, (clips, sides))  # B 2 T D
        return {"hand": each.transpose(1, 2).flatten(2), "trunk": self.net["trunk"](trunk)}
