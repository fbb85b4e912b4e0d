"""The "GCN + Transformer" encoder of one branch: poses of a view in, hand and trunk features out (method, Encoder)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from twinsign.nn.config import PARTS, EncoderConfig
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


class Features(NamedTuple):
    """f_hand and f_trunk (B D), 0 where a clip shows nothing of the part, and whether it does (B).

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> shown = torch.tensor([True, True])
        >>> f = {"hand": torch.ones(2, 8), "trunk": torch.ones(2, 8)}
        >>> ts.nn.Features(f, {"hand": shown, "trunk": shown}).whole().sum().item()
        32.0
    """

    f: dict[str, Tensor]
    has: dict[str, Tensor]

    def whole(self, parts: tuple[str, ...] = PARTS) -> Tensor:
        """The sum of the named parts' features (B D); both: f_hand + f_trunk (method, Encoder)."""
        return torch.stack([self.f[part] for part in parts]).sum(dim=0)


class Encoder(nn.Module):
    """One branch's encoder; one hand network serves both hands.

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> encoder = ts.nn.Encoder(ts.load_recipe("demo").encoder)
        >>> features = encoder(torch.rand(2, 16, 49, 2), torch.ones(2, 16, 49, dtype=torch.bool))
        >>> features.f["hand"].shape == (2, encoder.width)
        True
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.width = config.width
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
