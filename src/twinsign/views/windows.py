"""What tests and use look at: windows of a clip, spread over it, none of them drawn."""

from __future__ import annotations

import torch
from torch import Tensor

from twinsign.views.clips import Clips, View, resample, window
from twinsign.views.config import WindowConfig


def window_views(clips: Clips, config: WindowConfig, frames: int) -> list[View]:
    """Each window of B clips at `frames` frames (B T V)."""
    return [resample(clips, *one, frames) for one in spread(clips, config)]


def spread(clips: Clips, config: WindowConfig) -> list[tuple[Tensor, Tensor]]:
    """Begin and span in frames (B), (B) of each window, first to last frame; one: the middle (released)."""
    whole, last = torch.ones_like(clips.length, dtype=torch.float32), config.count - 1
    places = [number / last for number in range(config.count)] if last else [0.5]
    return [window(clips, config.share * whole, place * whole) for place in places]
