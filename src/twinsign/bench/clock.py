"""Timing: repeated runs of a function, what a block took, and how fast matrix products are here."""

from __future__ import annotations

import math
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from twinsign.runs.recipe import Precision

SIDE = {"cpu": 2048, "cuda": 8192}
"""Rows and columns of the matrices whose product is the peak."""
PEAK_RUNS = 5
PEAK_SECONDS = 1.0
"""A product that would take longer is measured on smaller matrices: some processors have no bfloat16 to speak of."""
FEWEST = 2
"""Runs that are timed, however slow they are."""
SMALLEST = 256
"""Rows and columns of the matrices that are multiplied first."""
TYPES = (torch.float32, torch.bfloat16)
WORTH_IT = 1.3
"""Times as fast as float32's must bfloat16's products be: casts cost, too. Processors are far off: 0.5, or 2 to 10."""


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(
    run: Callable[[], Any], device: torch.device, runs: int, warm_up: int = 1, limit: float = math.inf
) -> list[float]:
    """Seconds of each of `runs` runs, after some that do not count; of fewer, 2 at least, once `limit` seconds passed.

    Past a quarter of the limit no further run is left uncounted.
    """
    found: list[float] = []
    began = time.perf_counter()
    for number in range(warm_up + runs):
        wait(device)
        started = time.perf_counter()
        if len(found) >= FEWEST and started - began > limit:
            break
        run()
        wait(device)
        if number >= warm_up or (number and started - began > limit / 4):
            found.append(time.perf_counter() - started)
    return found[:runs]


class Stages:
    """Seconds that named parts of each step took."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.spent: dict[str, list[float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as one run of a stage."""
        wait(self.device)
        started = time.perf_counter()
        yield
        wait(self.device)
        self.spent.setdefault(name, []).append(time.perf_counter() - started)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed as a stage at each call."""

        def run(*args: Any, **options: Any) -> Any:
            with self.stage(name):
                return function(*args, **options)

        return run

    def milliseconds(self, warm_up: int) -> dict[str, float]:
        """The median of each stage, the first runs left out."""
        return {name: round(1000 * median(values[warm_up:]), 3) for name, values in self.spent.items()}


def gemm_gflops(
    device: torch.device, side: int | None = None, types: Sequence[torch.dtype] = TYPES
) -> dict[str, float]:
    """The fastest of some products of large square matrices, in GFLOP/s, by type: the peak to compare with (ours)."""
    found = {}
    for dtype in types:
        most, best = side or SIDE[device.type], 0.0
        width = min(SMALLEST, most)
        while not best or (width < most and best * (most / width) ** 3 < PEAK_SECONDS):
            width = most if best else width
            one, other = (torch.randn(width, width, device=device).to(dtype) for _ in range(2))
            product = partial(torch.matmul, one, other)
            best = min(seconds_of(product, device, PEAK_RUNS, limit=PEAK_SECONDS))
        found[str(dtype).removeprefix("torch.")] = round(2 * width**3 / best / 1e9, 1)
    return found


def faster_precision(peaks: Mapping[str, float]) -> Precision:
    """Mixed precision where products in bfloat16 are this much faster than in float32 (`gemm_gflops`), else float32."""
    return "bf16-mixed" if peaks["bfloat16"] > WORTH_IT * peaks["float32"] else "32-true"


def most_resident_mb() -> float:
    """The most memory that this process has held so far, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage's would begin with what the process that started this one held
        found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return round(int(found[1]) * 1024 / 1e6, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
