"""Batch normalisation of channels-last features, over one process's rows or over those of all processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twinsign import distributed


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over every axis but the last (… C) (Ioffe and Szegedy 2015).

    `together` makes the statistics those of all processes' rows while training; its tensors are nn.BatchNorm1d's.
    """

    together = False

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x (… C)."""
        rows = x.reshape(-1, x.shape[-1])
        if self.training and self.together and distributed.world_size() > 1:
            return self._over_all(rows).view(x.shape)
        return super().forward(rows).view(x.shape)

    def _over_all(self, rows: Tensor) -> Tensor:
        # torch leaves `apply` without annotations.
        out, mean, variance = _OverAll.apply(rows, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
                self.running_var.lerp_(variance.to(self.running_var.dtype), share)
        normalised: Tensor = out
        return normalised


class _OverAll(torch.autograd.Function):
    """Rows (R C) of all processes normalised together, with their mean and unbiased variance; one sum each way."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        width = rows.shape[1]
        wide = rows if rows.dtype == weight.dtype else rows.to(weight.dtype)  # mixed precision
        if rows.is_cpu:  # torch.var_mean over the first axis takes several times as long here
            mean, variance = torch.ops.aten.batch_norm_update_stats(wide, None, None, 0.0)
        else:
            variance, mean = torch.var_mean(wide, dim=0, correction=0)
        # Sums of squares lose digits where the mean is large: so in float64, which costs little at C numbers.
        mean, variance, here = mean.double(), variance.double(), float(len(rows))
        sums = torch.cat([here * mean, here * (variance + mean.square()), mean.new_full((1,), here)])
        sums = distributed.all_reduce_sum(sums)
        count = sums[-1]
        mean = sums[:width] / count
        variance = (sums[width:-1] / count - mean.square()).clamp(min=0)
        saved = [value.to(weight.dtype) for value in (mean, variance, count)]
        ctx.save_for_backward(rows, weight, *saved)
        ctx.eps = eps
        unbiased = variance * count / (count - 1).clamp(min=1)
        ctx.mark_non_differentiable(mean, unbiased)
        return F.batch_norm(rows, saved[0], saved[1], weight, bias, False, 0.0, eps), mean, unbiased

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, mean, variance, count = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], True, True]
        # What the gradient would be if mean and variance were constants; then their own share, linear in the rows.
        fixed = (weight, mean, variance, None, None, False, ctx.eps)
        kernel = torch.ops.aten.native_batch_norm_backward
        through, for_weight, for_bias = kernel(grads[0].contiguous(), rows, *fixed, wanted)
        if wanted[0]:
            of_weight, of_bias = (distributed.all_reduce_sum(torch.cat([for_weight, for_bias])) / count).chunk(2)
            inverse = (variance + ctx.eps).rsqrt()
            slope = weight * of_weight * inverse.square()
            through = through - ((rows - mean) * slope + weight * of_bias * inverse).to(rows.dtype)
        return through, for_weight, for_bias, None


def sync_batchnorm(module: nn.Module, together: bool) -> None:
    """Let every BatchNorm of a module take its statistics over all processes' clips, or over its own alone."""
    for norm in module.modules():
        if isinstance(norm, BatchNorm):
            norm.together = together


def statistics(module: nn.Module) -> list[Tensor]:
    """The running statistics of every BatchNorm."""
    norms = [norm for norm in module.modules() if isinstance(norm, nn.BatchNorm1d)]
    tensors = [value for norm in norms for value in (norm.running_mean, norm.running_var) if value is not None]
    return tensors
