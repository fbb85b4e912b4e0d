"""Several processes that train one model: which one this is, its share of a batch, sums and rows over all of them.

Where no process group was set up, everything here is that of one process alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist

from twinsign.errors import InputError


@dataclass(frozen=True)
class RankInfo:
    """A process among those of a training: its number, its number on its machine, and how many there are."""

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1

    @property
    def first(self) -> bool:
        """Whether it is the one that writes."""
        return self.rank == 0

    def __str__(self) -> str:
        return f"process {self.rank} of {self.world_size}"


LAUNCHERS = (("RANK", "LOCAL_RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NUM_TASKS"))
"""Environment variables of torchrun (and of `engine.launch`) and of srun."""


def rank_info() -> RankInfo:
    """This process's info as its launcher states it; alone where there was none."""
    for names in LAUNCHERS:
        if all(name in os.environ for name in names):
            try:
                return RankInfo(*(int(os.environ[name]) for name in names))
            except ValueError as error:
                variables = ", ".join(f"{name}={os.environ[name]}" for name in names)
                raise InputError(variables, "whole numbers from the launcher") from error
    return RankInfo()


def world_size() -> int:
    """Processes in the process group; 1 without one."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def shares(total: int, parts: int) -> list[int]:
    """How many of `total` clips each of `parts` processes takes, in order: as even as whole numbers allow."""
    return [total // parts + (number < total % parts) for number in range(parts)]


def share(total: int, rank: int, parts: int) -> slice:
    """Which of `total` clips process `rank` of `parts` takes: neighbours, so that the parts in order are the whole."""
    first = sum(shares(total, parts)[:rank])
    return slice(first, first + shares(total, parts)[rank])


def all_reduce_sum(x: Tensor) -> Tensor:
    """The sum of x over all processes, without gradient; x itself where there is one process."""
    if world_size() == 1:
        return x
    x = x.detach().clone()
    dist.all_reduce(x)
    return x


def all_reduce_mean(x: Tensor) -> Tensor:
    """The mean of x over all processes, without gradient; x itself where there is one process."""
    return x if world_size() == 1 else all_reduce_sum(x) / world_size()


def all_gather(x: Tensor, total: int | None = None) -> Tensor:
    """Rows x (B …) of all processes in their order (N …), without gradient; the same on every process.

    `total` is N where the processes hold `shares` of it; None: every process holds as many rows as this one.
    """
    if world_size() == 1:
        return x
    counts = [len(x)] * world_size() if total is None else shares(total, world_size())
    padded = x.new_zeros(max(counts), *x.shape[1:])
    padded[: len(x)] = x.detach()
    every = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(every, padded)
    return torch.cat([rows[:count] for rows, count in zip(every, counts, strict=True)])


def broadcast(tensors: list[Tensor]) -> None:
    """Overwrite these tensors by those of process 0."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def fastest_device() -> torch.device:
    """A GPU where there is one, this process's own where there are several, else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    info, count = rank_info(), torch.cuda.device_count()
    return torch.device("cuda") if info.world_size == 1 else torch.device("cuda", info.local_rank % count)
