"""Whitened embeddings: directions in which all clips differ alike count less when clips are compared.

The features of contrastive pre-training fill few directions; decorrelated, they are compared better (docs/results.md).
Known from image retrieval (Jégou and Chum 2012); learnt from clips, without labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WHITENING = "whitening."
"""What its tensors' names in a RUN's weights begin with."""


class Whitening(nn.Module):
    """Unit vectors (N D) to unit vectors (N D): from the middle of the clips, times the root of their precision."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("matrix", torch.eye(width))

    def forward(self, vectors: Tensor) -> Tensor:
        """Whiten vectors (N D)."""
        return F.normalize((vectors - self.mean) @ self.matrix, dim=1)


@torch.no_grad()
def fit_whitening(vectors: Tensor, shrinkage: float) -> Whitening:
    """Whitening by unit vectors (N D): (C + s I)^(-1/2), with C their covariance and s `shrinkage` mean variances."""
    fitted = Whitening(vectors.shape[1])
    vectors = vectors.double()
    away = vectors - vectors.mean(dim=0)
    variances, axes = torch.linalg.eigh(away.T @ away / max(1, len(away)))
    variances = variances.clamp(min=0)
    floor = (shrinkage * variances.mean()).clamp(min=torch.finfo(torch.float32).tiny)
    matrix = (axes * (variances + floor).rsqrt()) @ axes.T
    fitted.mean.copy_(vectors.mean(dim=0))
    fitted.matrix.copy_(matrix / matrix.diagonal().mean())  # lengths do not matter; float16 holds numbers about 1
    return fitted
