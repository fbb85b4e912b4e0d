"""The yardstick without learning: dynamic time warping between clips' normalised joints (Sakoe and Chiba 1978)."""

from __future__ import annotations

import torch
from torch import Tensor

from twinsign.pack.open import Indices, Pack
from twinsign.pose.layout import LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.views.batches import ClipReader
from twinsign.views.clips import window_views
from twinsign.views.config import ReadConfig, WindowConfig

BAND = 0.25
"""How far a frame may be from its partner, of all frames."""
CHUNK = 8
"""Asked clips warped at once."""
CENTRE = 0.5
"""Of a crop."""


def frames_of(pack: Pack, rows: Indices, read: ReadConfig, frames: int) -> Tensor:
    """Clips (N T F): each hand's joints from its wrist in units of its spread, and the trunk in its crop; unseen: 0."""
    (view,) = window_views(ClipReader(pack, rows, read).__getitems__(range(len(rows))), WindowConfig(), frames)
    seen = view.seen[..., None]
    parts = [torch.where(seen, view.xy - CENTRE, 0.0)[:, :, TRUNK]]
    for hand in (RIGHT_HAND, LEFT_HAND):
        from_wrist = torch.where(seen[:, :, hand], view.xy[:, :, hand] - view.xy[:, :, hand][:, :, :1], 0.0)
        spread = from_wrist.square().sum(dim=-1).mean(dim=-1).sqrt().clamp_min(1e-6)
        parts.append(from_wrist / spread[..., None, None] / from_wrist.shape[2] ** 0.5)
    return torch.cat([part.flatten(2) for part in parts], dim=2)


def distances(asked: Tensor, stored: Tensor, band: float = BAND) -> Tensor:
    """The cheapest monotonous pairing's summed frame distances (A B), of clips (A T F) and (B T F)."""
    return torch.cat([_warped(some, stored, band) for some in asked.split(CHUNK)])


def _warped(asked: Tensor, stored: Tensor, band: float) -> Tensor:
    frames, width = asked.shape[1], max(1, round(band * asked.shape[1]))
    cost = torch.cdist(asked.flatten(0, 1), stored.flatten(0, 1))
    cost = cost.view(len(asked), frames, len(stored), frames).permute(1, 3, 0, 2).contiguous()  # T T A B
    never = torch.full(cost.shape[2:], float("inf"))
    above = [never] * (frames + 1)
    above[0] = torch.zeros_like(never)
    for i in range(frames):
        row = [never] * (frames + 1)
        for j in range(max(0, i - width), min(frames, i + width + 1)):
            row[j + 1] = cost[i, j] + torch.minimum(torch.minimum(above[j + 1], row[j]), above[j])
        above = row
    return above[frames]
