"""Timing: repeated runs of a function, what a block took, and how fast matrix products are here."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch

from twinsign.train.precision import wait


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


def most_resident_mb() -> float:
    """The most memory that this process has held so far, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage's would begin with what the process that started this one held
        found = re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return round(int(found[1]) * 1024 / 1e6, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
