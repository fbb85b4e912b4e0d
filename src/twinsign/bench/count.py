"""What a step computes: its floating-point operations, its kernels, and where the host waits for the device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from twinsign.nn.gcn import GraphConv
from twinsign.nn.graph import SUBSETS

WAITING = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")
"""Operators for which the host waits for the device: `.item()`, `if tensor:` and the like."""


def reference_gflop(run: Callable[[], Any], module: nn.Module) -> float:
    """GFLOP of the matrix products of a run, its graph convolutions counted as if they convolved before they mixed.

    That is the usual formulation (ours mixes first, which is the same sum in another order); torch's counter counts
    ours, and the difference is added. Nothing is recomputed in either.
    """
    extra: list[float] = []

    def difference(conv: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        count, joints, width = inputs[0].shape
        each = 2.0 * SUBSETS * joints * joints * count
        ours = each * width * (2 if inputs[0].requires_grad else 1)  # backward too, where a gradient is asked for
        usual = each * output.shape[-1] * (2 if output.requires_grad else 1)
        extra.append(usual - ours)

    with ExitStack() as hooks:
        for one in module.modules():
            if isinstance(one, GraphConv):
                hooks.callback(one.register_forward_hook(difference).remove)
        with FlopCounterMode(display=False) as counter:
            run()
    return (float(counter.get_total_flops()) + sum(extra)) / 1e9


class Kernels(TorchDispatchMode):
    """Counts the operators that run, backward's among them: about the kernels that a GPU would be sent."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Count and run an operator; views cost nothing on a device and are left out."""
        if not func.is_view:
            self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))

    def waiting(self) -> dict[str, int]:
        """The operators for which the host waits."""
        return {name: self.counts[name] for name in WAITING if self.counts[name]}


def kernels_of(run: Callable[[], Any]) -> Kernels:
    """The operators of a run."""
    kernels = Kernels()
    with kernels:
        run()
    return kernels
