"""How many CPU threads answer."""

from __future__ import annotations

import torch

from twinsign.errors import InputError

THREADS = 1
"""Unless told: two threads beside a busy neighbour can be many times slower than one."""


def use_threads(count: int) -> None:
    """Let torch use that many threads in this process; InputError for less than one."""
    if count < 1:
        raise InputError(f"{count} threads", "1 or more")
    torch.set_num_threads(count)
