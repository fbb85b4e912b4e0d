"""One training on several devices: a process for each is started here, unless torchrun or srun has done so."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # public, yet not in __all__

from twinsign.distributed import rank_info
from twinsign.errors import InputError
from twinsign.runs.recipe import Recipe, TrainerConfig
from twinsign.train.processes import WorkerGroup

P = ParamSpec("P")
R = TypeVar("R")
HOST = "127.0.0.1"


def on_all_devices(train: Callable[Concatenate[Recipe, P], R]) -> Callable[Concatenate[Recipe, P], R]:
    """Let a training run once on each of `trainer.devices`, together; the result is the first process's."""

    @functools.wraps(train)
    def launched(recipe: Recipe, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not must_start(recipe.trainer):
            take_threads(recipe.trainer)
            return train(recipe, *args, **kwargs)
        result: R = start(recipe.trainer.devices, launched, (recipe, *args), kwargs)
        return result

    return launched


def take_threads(config: TrainerConfig) -> None:
    """Let torch use as many CPU threads as the recipe says, or this process's share of its own choice."""
    default = _own_threads()
    if config.threads:
        torch.set_num_threads(config.threads)
    elif rank_info().world_size > 1:
        torch.set_num_threads(max(1, default // config.devices))


@functools.cache
def _own_threads() -> int:
    """Torch's own choice, before the first training of this process."""
    return torch.get_num_threads()


def must_start(config: TrainerConfig) -> bool:
    """Whether processes are still to be started; InputError where those that are there are too many or too few."""
    info, wanted = rank_info(), config.devices * config.num_nodes
    if info.world_size == wanted:
        return False
    if info.world_size > 1:
        message = (
            f"{info.world_size} processes for trainer.devices {config.devices} x trainer.num_nodes {config.num_nodes}"
        )
        hint = "trainer.devices counts the processes of one machine, trainer.num_nodes the machines."
        raise InputError(message, "as many processes as devices on all nodes", hint=hint)
    if config.num_nodes > 1:
        hint = "Start the command with torchrun or srun on every node (docs/scaling.md)."
        raise InputError(f"one process for trainer.num_nodes {config.num_nodes}", "one for each device", hint=hint)
    return True


def start(processes: int, call: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
    """Call a function in that many new processes of this machine at once: the first's result, or the telling error.

    The function and its arguments are sent by pickle; a script must guard its own start by `if __name__ == "__main__"`.
    """
    # The store lives here, at a port that the system chose: nobody can lose a race for it.
    store = TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    size = str(processes)
    common = {"MASTER_ADDR": HOST, "MASTER_PORT": str(store.port), "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    common |= {"GROUP_RANK": "0", "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    workers = WorkerGroup()
    try:
        with workers.signals_passed_on():
            for rank in range(processes):
                workers.start({**common, "RANK": str(rank), "LOCAL_RANK": str(rank)}, call, args, kwargs or {})
            return workers.result()
    finally:
        workers.end()
