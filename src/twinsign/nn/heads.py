"""The projection heads of pre-training, and what a classifier's head looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.encoder import PARTS


class Projector(nn.Module):
    """MLP width-hidden-ReLU-out, then l2-normalised (method, Encoder: heads)."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B D) to unit vectors (B out)."""
        return F.normalize(self.layers(features).float(), dim=1)


@dataclass(frozen=True)
class HeadConfig:
    """Which features the classifier sees, how branches join, and where its layers begin."""

    branches: tuple[str, ...] = ("joint", "motion")
    """Modalities (Table VII)."""
    parts: tuple[str, ...] = PARTS
    """Parts whose features are summed (Table X)."""
    join: Literal["sum", "mean"] = "sum"
    """Of the branches' logits: the paper sums them, the released code takes the mean."""
    start: Literal["random", "means"] = "random"
    """Where the layers' weights start: as PyTorch draws them, or at the classes' mean features (imprint.py; ours)."""
