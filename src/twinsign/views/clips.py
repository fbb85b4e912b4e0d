"""Batches of ragged clips to views of T frames, on any device: temporal crop, resampling, windows, motion (Eq. 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from twinsign.views.config import WindowConfig


class View(NamedTuple):
    """What an encoder sees of B clips: crop coordinates xy (B T V 2) and which joints are seen (B T V).

    Examples:
        >>> import torch
        >>> import twinsign as ts
        >>> view = ts.nn.View(torch.rand(2, 16, 49, 2), torch.ones(2, 16, 49, dtype=torch.bool))
        >>> view.seen.all().item()
        True
    """

    xy: Tensor
    seen: Tensor


@dataclass(frozen=True)
class Clips:
    """B clips end to end: xy (F V 2), seen (F V), first frame (B) and frame count (B) of each, label (B; -1: none)."""

    xy: Tensor
    seen: Tensor
    start: Tensor
    length: Tensor
    label: Tensor
    index: Tensor
    """Row of each clip (B) in the pack it came from."""

    def __len__(self) -> int:
        return len(self.start)

    def to(self, device: torch.device | str) -> Clips:
        """Move the clips to another device."""
        return Clips(**{name: value.to(device, non_blocking=True) for name, value in vars(self).items()})

    def pin_memory(self) -> Clips:
        """Copy the clips to page-locked memory, for transfers that overlap with computation."""
        return Clips(**{name: value.pin_memory() for name, value in vars(self).items()})


def window(clips: Clips, ratio: Tensor, place: Tensor, least: int = 1) -> tuple[Tensor, Tensor]:
    """Begin and span in frames (B) of a crop that keeps `ratio` (B) of each clip, at position `place` (B) in [0, 1].

    It spans at least `least` frames, or the whole of a shorter clip (released).
    """
    last = (clips.length - 1).to(ratio.dtype)
    span = torch.maximum(last * ratio, last.clamp(max=least - 1))
    return (last - span) * place, span


def resample(clips: Clips, begin: Tensor, span: Tensor, frames: int) -> View:
    """Resample [begin, begin + span] (B) of each clip at equal steps by linear interpolation (paper, Sec. III-B).

    Between a seen and a missing joint nothing is interpolated: the nearer frame's joint is taken.
    """
    begin, span = begin.to(clips.xy.dtype), span.to(clips.xy.dtype)
    position = begin[:, None] + span[:, None] * begin.new_tensor(_steps(frames, begin.dtype))  # B T
    low = position.floor().long()
    low = torch.minimum(low, clips.length[:, None] - 1)
    high = torch.minimum(low + 1, clips.length[:, None] - 1)
    weight = (position - low)[..., None]  # B T 1
    low, high = low + clips.start[:, None], high + clips.start[:, None]
    seen_low, seen_high = clips.seen[low], clips.seen[high]  # B T V
    nearer_high = (weight >= 0.5).expand_as(seen_low)
    both_seen = seen_low & seen_high
    first, second = clips.xy[low], clips.xy[high]
    # Not torch.lerp, which rounds differently from exported networks.
    between = first + weight[..., None] * (second - first)
    xy = torch.where(both_seen[..., None], between, torch.where(nearer_high[..., None], second, first))
    seen = (seen_high & (nearer_high | seen_low)) | (seen_low & ~nearer_high)
    return View(torch.where(seen[..., None], xy, 0.0), seen)


def _steps(frames: int, dtype: torch.dtype) -> list[float]:
    """Equal steps from 0 to 1 as of torch.linspace; 0.5 for one frame.

    They are numbers, since an exported network would compute them with other last bits.
    """
    if frames == 1:
        return [0.5]
    number, exact = np.arange(frames), dtype == torch.float64
    step = np.float64(1 / (frames - 1)) if exact else np.float64(np.float32(1) / np.float32(frames - 1))
    steps = np.where(number < frames // 2, step * number, 1 - step * (frames - 1 - number))
    return [float(value) for value in steps.astype(np.float64 if exact else np.float32)]


def motion(xy: Tensor, seen: Tensor) -> View:
    """Eq. 1: m_t = p_(t+1) - p_t, 0 in the last frame; missing where either joint is (B T V 2), (B T V)."""
    both_seen = seen[:, 1:] & seen[:, :-1]
    moved = torch.where(both_seen[..., None], xy[:, 1:] - xy[:, :-1], 0.0)
    return View(torch.cat([moved, torch.zeros_like(xy[:, :1])], dim=1), torch.cat([both_seen, seen[:, -1:]], dim=1))


def modality(branch: str, view: View) -> View:
    """The input of a branch: the view's joints, or their motion (paper, Sec. III-B)."""
    return motion(*view) if branch == "motion" else view


def window_views(clips: Clips, config: WindowConfig, frames: int) -> list[View]:
    """Each window of B clips, resampled to `frames` frames (B T V)."""
    return [resample(clips, begin, span, frames) for begin, span in window_bounds(clips, config)]


def window_bounds(clips: Clips, config: WindowConfig) -> list[tuple[Tensor, Tensor]]:
    """Begin and span in frames (B) of each window, spread from first to last frame; a single one is in the middle."""
    whole, last = torch.ones_like(clips.length, dtype=torch.float32), config.count - 1
    places = [number / last for number in range(config.count)] if last else [0.5]
    return [window(clips, config.share * whole, place * whole) for place in places]
