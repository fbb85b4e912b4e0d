"""The numeric precision of a training: the recipe's, or the faster one on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from twinsign.distributed import fastest_device
from twinsign.runs.recipe import Precision, Recipe
from twinsign.runs.run import CONFIG, Run, load_run

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

HOPELESS = 0.5
"""Speed of small products in bfloat16, as a share of float32's, below which larger ones are not measured."""
PROBE = {"cpu": 1024, "cuda": 4096}
"""Rows and columns of the matrices by which a precision is chosen: some 0.1 s."""


def resolve_precision(run: Run) -> Run:
    """The run with a precision where its recipe says `auto`: what it began with, else the faster one here."""
    if run.recipe.trainer.precision != "auto":
        return run
    begun = (run.path / CONFIG).is_file()
    chosen = load_run(run.path).recipe.trainer.precision if begun else "auto"
    if chosen == "auto":
        chosen = probed_precision(training_device(run.recipe))
    return replace(run, recipe=run.recipe.in_precision(chosen))


def probed_precision(device: torch.device) -> Precision:
    """Return the faster precision on a device, by products that take some 0.1 s."""
    if device.type not in PROBE:
        return "32-true"
    # Where bfloat16 is emulated, large products in it would take seconds.
    small = gemm_gflops(device, SMALLEST)
    if device.type == "cpu" and small["bfloat16"] < HOPELESS * small["float32"]:
        return "32-true"
    return faster_precision(gemm_gflops(device, PROBE[device.type]))


def training_device(recipe: Recipe) -> torch.device:
    """Where this process trains."""
    return torch.device("cpu") if recipe.trainer.accelerator == "cpu" else fastest_device()


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def clock_of(device: torch.device) -> Callable[[], float]:
    """The clock to compare rates by: of a single CPU thread its own time, which busy neighbours do not lengthen."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if alone else time.perf_counter


def seconds_of(
    run: Callable[[], Any],
    device: torch.device,
    runs: int,
    warm_up: int = 1,
    limit: float = math.inf,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each of `runs` runs, after some that do not count; of fewer, 2 at least, once `limit` seconds passed.

    Past a quarter of the limit no further run is left uncounted. `clock`: by what the runs are timed, not the limit.
    """
    seconds: list[float] = []
    began = time.perf_counter()
    for number in range(warm_up + runs):
        wait(device)
        passed = time.perf_counter() - began
        if len(seconds) >= FEWEST and passed > limit:
            break
        started = clock()
        run()
        wait(device)
        if number >= warm_up or (number and passed > limit / 4):
            seconds.append(clock() - started)
    return seconds[:runs]


def gemm_gflops(
    device: torch.device, side: int | None = None, types: Sequence[torch.dtype] = TYPES
) -> dict[str, float]:
    """The fastest of some products of large square matrices, in GFLOP/s, by type: the peak to compare with."""
    peaks = {}
    for dtype in types:
        most, best = side or SIDE[device.type], 0.0
        width = min(SMALLEST, most)
        while not best or (width < most and best * (most / width) ** 3 < PEAK_SECONDS):
            width = most if best else width
            left, right = (torch.randn(width, width, device=device).to(dtype) for _ in range(2))
            product = partial(torch.matmul, left, right)
            best = min(seconds_of(product, device, PEAK_RUNS, limit=PEAK_SECONDS, clock=clock_of(device)))
        peaks[str(dtype).removeprefix("torch.")] = round(2 * width**3 / best / 1e9, 1)
    return peaks


def faster_precision(peaks: Mapping[str, float]) -> Precision:
    """Mixed precision where products in bfloat16 are this much faster than in float32 (`gemm_gflops`), else float32."""
    return "bf16-mixed" if peaks["bfloat16"] > WORTH_IT * peaks["float32"] else "32-true"
