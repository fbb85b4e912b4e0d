"""The projection heads of pre-training, and what a classifier's head looks at."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Projector(nn.Module):
    """MLP width-hidden-ReLU-out, then l2-normalised (method, Encoder: heads)."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B D) to unit vectors (B out)."""
        return F.normalize(self.layers(features).float(), dim=1)
