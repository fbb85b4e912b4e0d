"""Networks side by side: each sees the same poses, and their features are joined. The first makes a clip's vector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from twinsign.nn.config import PARTS
from twinsign.nn.encoder import Features


class SideBySide(nn.Module):
    """Several networks as one: their features side by side, so that a layer on top adds their logits.

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> config = ts.nn.EncoderConfig(network="conv_gru", joint_widths=(16, 16), part_widths=(32,))
        >>> both = ts.nn.SideBySide([ts.nn.Encoder(ts.load_recipe("demo").encoder), ts.nn.ConvGru(config)])
        >>> features = both(torch.rand(2, 16, 49, 2), torch.ones(2, 16, 49, dtype=torch.bool))
        >>> features.f["hand"].shape[1] == ts.load_recipe("demo").encoder.width + 32
        True
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.width = sum(cast(int, network.width) for network in networks)

    def forward(self, xy: Tensor, seen: Tensor) -> Features:
        """Crop coordinates xy (B T 49 2), seen (B T 49) to features."""
        return joined_features([network(xy, seen) for network in cast(Iterable[nn.Module], self.networks)])


def side_by_side(network: nn.Module) -> list[nn.Module]:
    """The networks that stand side by side in one, or that one alone."""
    return list(network.networks) if isinstance(network, SideBySide) else [network]


def first_networks(encoders: nn.ModuleDict) -> nn.ModuleDict:
    """Of each branch the network that makes a clip's vector: where several stand side by side, the first."""
    return nn.ModuleDict({name: side_by_side(encoder)[0] for name, encoder in encoders.items()})


def joined_features(features: Sequence[Features]) -> Features:
    """Features of several networks (B D) side by side; a clip shows a part where it does to any of them."""
    f = {part: torch.cat([each.f[part] for each in features], dim=1) for part in PARTS}
    return Features(f, {part: torch.stack([each.has[part] for each in features]).any(dim=0) for part in PARTS})
