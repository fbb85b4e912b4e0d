"""The temporal Transformer: post-norm, exact GELU, no positional encoding (method, Encoder)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign.nn.dropout import Dropout

NORM_EPS = 1e-12
"""Under the root of every LayerNorm (released)."""


class Block(nn.Module):
    """Self-attention and feed-forward, each followed by dropout, residual and LayerNorm."""

    def __init__(self, width: int, feed_forward: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.widen = nn.Linear(width, feed_forward)
        self.narrow = nn.Linear(feed_forward, width)
        self.out_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens x (B T C) to (B T C)."""
        x = self.norm(x + self.dropout(self.out(self.attend(x))))
        out: Tensor = self.out_norm(x + self.dropout(self.narrow(F.gelu(self.widen(x)))))
        return out

    def attend(self, x: Tensor) -> Tensor:
        """Scaled dot-product attention of tokens x (B T C) among themselves, heads side by side (B T C)."""
        clips, frames, width = x.shape
        qkv = self.qkv(x).view(clips, frames, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each B heads T C/heads
        scores = query @ key.transpose(-2, -1) / math.sqrt(width // self.heads)
        weights = scores.softmax(dim=-1, dtype=torch.float32).to(value.dtype)
        mixed: Tensor = self.dropout(weights) @ value  # B heads T C/heads
        return mixed.transpose(1, 2).reshape(clips, frames, width)


class TemporalTransformer(nn.Module):
    """An initial LayerNorm, then blocks."""

    def __init__(self, width: int, feed_forward: int, heads: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.blocks = nn.Sequential(*(Block(width, feed_forward, heads, dropout) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens x (B T C) to (B T C)."""
        out: Tensor = self.blocks(self.norm(x))
        return out


class AttentionPool(nn.Module):
    """Softmax weights from one linear score (a bias would cancel), over the seen tokens (method, Encoder: pooling)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """Tokens (B N C), seen (B N) to (B C); a clip without a seen token gives 0."""
        scores = self.score(tokens).squeeze(-1).float().masked_fill(~seen, float("-inf"))
        scores = torch.where(seen.any(dim=1, keepdim=True), scores, 0.0)
        weights = torch.where(seen, scores.softmax(dim=1), 0.0)
        return torch.einsum("bn,bnc->bc", weights.to(tokens.dtype), tokens)
