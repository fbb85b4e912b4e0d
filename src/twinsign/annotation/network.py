"""A small network that sees from the hands' movement whether a sign begins, goes on, or none is there."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinsign.annotation.signals import CHANNELS

DILATIONS = (1, 2, 4, 8, 16)
WIDTH = 64
STATES = 3


class BoundaryNet(nn.Module):
    """Signals (B T CHANNELS) to logits (B T STATES), by dilated convolutions that see 1.4 s around each moment."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("scale", torch.ones(CHANNELS))
        self.first = nn.Conv1d(CHANNELS, width, 5, padding=2)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(0.1),
                nn.Conv1d(width, width, 1),
            )
            for dilation in DILATIONS
        )
        self.last = nn.Conv1d(width, STATES, 1)

    def forward(self, values: Tensor) -> Tensor:
        """Logits (B T STATES) of signals (B T CHANNELS)."""
        hidden = functional.relu(self.first(((values - self.mean) / self.scale).transpose(1, 2)))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        logits: Tensor = self.last(hidden)
        return logits.transpose(1, 2)
