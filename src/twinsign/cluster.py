"""Work on a Ray cluster (extra `cluster`): what a process here does, by processes on many machines.

    for result in each(load, tasks, None): ...          # here, one after the other
    for result in each(load, tasks, "ray://head:10001"): ...

`load` gives the function that does a task; each process calls it once. Files must be where all machines see them.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import PicklingError
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from twinsign.errors import InputError, TwinsignError

Task = TypeVar("Task")
Result = TypeVar("Result")
Load = Callable[[], Callable[[Task], Result]]

TRIES = 2
"""Attempts at a task whose process or machine died."""
DEATHS = ("WorkerCrashedError", "NodeDiedError", "LocalRayletDiedError", "OutOfMemoryError")
"""What Ray calls the end of a task's process or machine; its other errors are the cluster's own and end the command."""
FLYING = 2
"""Tasks handed out at once for each of the cluster's processors: one is done while the next is sent."""
AHEAD = 256
"""Tasks that may be done before the first unfinished one: memory stays bounded behind a slow task."""
PATIENCE = 5.0
"""Seconds in which a cluster's machine must answer at all."""
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DEDUP_LOGS": "0"}
"""Nothing is reported to Ray's makers, and its advice is not passed on."""


class Answer(NamedTuple):
    """What became of a task: its result, or else the error that it ended with."""

    result: Any = None
    error: TwinsignError | None = None


def each(load: Load[Task, Result], tasks: Sequence[Task], address: str | None) -> Iterator[Result]:
    """The results of all tasks in their order, by this process or (an address) a cluster; raises a task's error."""
    if address is None:
        yield from map(load(), tasks)
        return
    for answer in in_order(load, tasks, address):
        if answer.error is not None:
            raise answer.error
        yield answer.result


def in_order(load: Load[Task, Result], tasks: Sequence[Task], address: str) -> Iterator[Answer]:
    """What became of each task, in their order."""
    done: dict[int, Answer] = {}
    first = 0
    for number, answer in as_done(load, tasks, address):
        done[number] = answer
        while first in done:
            yield done.pop(first)
            first += 1


def as_done(load: Load[Task, Result], tasks: Sequence[Task], address: str) -> Iterator[tuple[int, Answer]]:
    """A task's number and what became of it, as they are done by a cluster's processes.

    A task whose process dies is done again, once. Raises TwinsignError where `load` fails or cannot be sent: then no
    task can be done. InputError where there is no Ray, or no cluster at the address.
    """
    with connected(address) as ray:
        try:
            shared = ray.put((load, str(Path.cwd())))
        except (TypeError, PicklingError) as error:
            hint = "Work on it without --cluster."
            raise InputError(f"an opened file that cannot be sent ({error})", "files of its own", hint=hint) from error
        run = ray.remote(_run).options(max_retries=TRIES - 1, num_cpus=1)
        room = max(1, FLYING * int(ray.cluster_resources().get("CPU", 1)))
        todo, flying = deque(range(len(tasks))), dict[Any, int]()
        while todo or flying:
            while todo and len(flying) < room and todo[0] < min(flying.values(), default=todo[0]) + AHEAD:
                number = todo.popleft()
                flying[run.remote([shared], tasks[number])] = number
            for reference in ray.wait(list(flying), num_returns=1)[0]:
                yield flying.pop(reference), _answer(ray, reference)


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to a cluster: `local` starts one on this machine, `auto` finds this machine's, or ray://HOST:PORT.

    A connection that is there already is used, and left.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        hint = "pip install 'twinsign[cluster]'"
        raise InputError("no package ray", "the extra `cluster`", hint=hint) from error
    if ray.is_initialized():
        yield ray
        return
    own: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        if address not in ("local", "auto"):
            _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        wanted = "local, auto (ray start --head), HOST:6379 or ray://HOST:10001"
        raise InputError(f"no cluster at {address!r} ({reason})", wanted) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """OSError where nobody listens at an address: Ray alone would try for minutes, then end the process."""
    place = urlsplit(address if "://" in address else f"//{address}")
    socket.create_connection((place.hostname or "", place.port or 0), PATIENCE).close()


def _answer(ray: Any, reference: Any) -> Answer:
    try:
        kind, value = ray.get(reference)
    except tuple(getattr(ray.exceptions, name) for name in DEATHS) as error:
        return Answer(error=TwinsignError(f"its process died {TRIES} times ({type(error).__name__})"))
    except ray.exceptions.RayError as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise TwinsignError(f"the cluster failed ({type(error).__name__}: {reason})") from error
    if kind == "unfit":
        raise value
    return Answer(value) if kind == "done" else Answer(error=value)


_loaded: dict[str, Callable[[Any], Any]] = {}
"""In a cluster's process: the function of the work at hand."""


def _run(holder: list[Any], task: Any) -> tuple[str, Any]:
    """In a cluster's process: do a task by what `load` gave, loaded at the first."""
    key = holder[0].hex()
    if key not in _loaded:
        import ray

        try:
            load, folder = ray.get(holder[0])
            if not Path(folder).is_dir():
                raise InputError("no such folder on a machine of the cluster", "storage that all share", file=folder)
            os.chdir(folder)
            made = load()
        except Exception as error:
            return "unfit", _known(error, "failed to start")
        _loaded.clear()
        _loaded[key] = made
    try:
        return "done", _loaded[key](task)
    except Exception as error:  # one task's fault must not cost the others
        return "failed", _known(error, f"{task}: failed")


def _known(error: Exception, what: str) -> TwinsignError:
    return error if isinstance(error, TwinsignError) else TwinsignError(f"{what} ({type(error).__name__}: {error})")
