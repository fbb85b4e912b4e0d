"""What tests and use look at: windows of a clip, spread over it, none of them drawn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from twinsign.errors import InputError
from twinsign.views.clips import Clips, View, resample, window

MOST = 64
"""Windows of a clip at most: each is a pass through the network."""


@dataclass(frozen=True)
class WindowConfig:
    """The views of a clip when nothing is drawn; their features are averaged (ours)."""

    share: float = 0.95
    """How much of a clip each shows (released: 0.95)."""
    count: int = 1
    """How many there are, from a clip's first frame to its last (released: the middle alone)."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"windows.share {self.share}", "a share in (0, 1]")
        if not 1 <= self.count <= MOST:
            raise InputError(f"windows.count {self.count}", f"1 to {MOST}")


def window_views(clips: Clips, config: WindowConfig, frames: int) -> list[View]:
    """Each window of B clips at `frames` frames (B T V)."""
    return [resample(clips, *one, frames) for one in spread(clips, config)]


def spread(clips: Clips, config: WindowConfig) -> list[tuple[Tensor, Tensor]]:
    """Begin and span in frames (B), (B) of each window, first to last frame; one: the middle (released)."""
    whole, last = torch.ones_like(clips.length, dtype=torch.float32), config.count - 1
    places = [number / last for number in range(config.count)] if last else [0.5]
    return [window(clips, config.share * whole, place * whole) for place in places]
