"""What a run costs: seconds by stage, the most memory, floating-point operations, kernels, and waits for the device."""

from __future__ import annotations

import re
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from twinsign.nn.gcn import GraphConv
from twinsign.nn.graph import SUBSETS
from twinsign.train.precision import clock_of, wait

HOST_WAITS = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")
"""Operators for which the host waits for the device: `.item()`, `if tensor:` and the like."""


class StageTimer:
    """Seconds that named parts of each step took."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as one run of a stage; as a decorator, each call of a function."""
        wait(self.device)
        clock = clock_of(self.device)
        started = clock()
        yield
        wait(self.device)
        self.seconds.setdefault(name, []).append(clock() - started)

    def milliseconds(self, warm_up: int) -> dict[str, float]:
        """The median of each stage without its first `warm_up` runs."""
        return {name: round(1000 * median(values[warm_up:]), 3) for name, values in self.seconds.items()}


def most_resident_mb() -> float:
    """The most memory that this process has held so far, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage's would begin with what the process that started this one held
        peak = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"), re.MULTILINE)
        if peak:
            return round(int(peak[1]) * 1024 / 1e6, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def peak_memory_mb(device: torch.device) -> float:
    """The most memory so far, in MB: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        wait(device)
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    return most_resident_mb()


def reference_gflop(run: Callable[[], Any], module: nn.Module) -> float:
    """GFLOP of the matrix products of a run, its graph convolutions counted as if they convolved before they mixed.

    That is the usual formulation. The encoder mixes first, which is the same sum in another order and is what torch
    counts; the difference is added.
    """
    extra: list[float] = []

    def add_difference(conv: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        count, joints, width = inputs[0].shape
        per_channel = 2.0 * SUBSETS * joints * joints * count
        mixed_first = width * (2 if inputs[0].requires_grad else 1)  # 2: backward, too
        mixed_last = output.shape[-1] * (2 if output.requires_grad else 1)
        extra.append(per_channel * (mixed_last - mixed_first))

    with ExitStack() as hooks:
        for layer in module.modules():
            if isinstance(layer, GraphConv):
                hooks.callback(layer.register_forward_hook(add_difference).remove)
        with FlopCounterMode(display=False) as counter:
            run()
    return (float(counter.get_total_flops()) + sum(extra)) / 1e9


class _OperatorCounter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if not func.is_view:  # views cost nothing on a device
            self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def count_kernels(run: Callable[[], Any]) -> Counter[str]:
    """The operators of a run by name, backward's among them: about the kernels that a GPU would launch."""
    counter = _OperatorCounter()
    with counter:
        run()
    return counter.counts


def host_waits(kernels: Counter[str]) -> dict[str, int]:
    """Those of the operators for which the host waits for the device."""
    return {name: kernels[name] for name in HOST_WAITS if kernels[name]}
