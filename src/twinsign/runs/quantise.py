"""Weights in a quarter of their size: eight bits a number and a scale a row, for models that are downloaded often."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ".row_scale"
"""Added to a tensor's name: the name of its rows' scales."""
SMALLEST = 1024
"""Fewest numbers of a matrix that is worth it; smaller ones and vectors are kept in float16."""
LARGEST = 127
LEAST_SCALE = 2.0**-20
"""Rows whose numbers are all below a ten-thousandth lose some: their scales would leave float16's range."""


def quantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating-point tensors (R …) by name as int8 with a scale (R) each, small ones as float16; others as they are.

    A scale has four significant bits, so that every weight is a float16 exactly, too (web/half.py).
    """
    stored: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if not value.is_floating_point():
            stored[name] = value
        elif value.dim() < 2 or value.numel() < SMALLEST:
            stored[name] = value.half()
        else:
            rows = value.float().flatten(1)
            scale = row_scales(rows)
            stored[name] = (rows / scale[:, None]).round().to(torch.int8).view(value.shape)
            stored[name + SCALE] = scale
    return stored


def row_scales(rows: Tensor) -> Tensor:
    """The least scales (R), of four significant bits, by which rows (R N) fit into -127 to 127."""
    mantissa, exponent = torch.frexp(rows.abs().amax(dim=1) / LARGEST)
    return torch.ldexp((16 * mantissa).ceil() / 16, exponent).clamp(min=LEAST_SCALE)


def dequantised(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as networks use them: float32 instead of float16 and of int8 with scales."""
    weights = {}
    for name, value in tensors.items():
        scale = tensors.get(name + SCALE)
        if scale is not None:
            value = value.float() * scale.view(-1, *[1] * (value.dim() - 1))
        if not name.endswith(SCALE):
            weights[name] = value.float() if value.dtype == torch.float16 else value
    return weights
