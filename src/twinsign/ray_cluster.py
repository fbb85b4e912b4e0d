"""Tasks done by this process or by the processes of a Ray cluster (extra `cluster`).

    for result in each(load, tasks, None): ...          # in this process, one after the other
    for result in each(load, tasks, "ray://head:10001"): ...

`load` returns the function that does a task; each process calls it once. Files must be where all machines see them.
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
"""Ray's errors for the end of a task's process or machine; other errors are the cluster's and end the command."""
TASKS_PER_CPU = 2
"""Tasks submitted at once for each of the cluster's processors: one is done while the next is sent."""
MAX_AHEAD = 256
"""Tasks that may be done before the first unfinished one: memory stays bounded behind a slow task."""
CONNECT_SECONDS = 5.0
"""Seconds in which a cluster's machine must answer at all."""


class Answer(NamedTuple):
    """The outcome of a task: its result, or else the error that ended it."""

    result: Any = None
    error: TwinsignError | None = None


def map_tasks(load: Load[Task, Result], tasks: Sequence[Task], address: str | None) -> Iterator[Result]:
    """The results of all tasks in order, by this process or the cluster at `address`; raises the first task's error."""
    if address is None:
        yield from map(load(), tasks)
        return
    for answer in map_outcomes(load, tasks, address):
        if answer.error is not None:
            raise answer.error
        yield answer.result


def map_outcomes(load: Load[Task, Result], tasks: Sequence[Task], address: str) -> Iterator[Answer]:
    """The outcomes of all tasks, in their order."""
    done: dict[int, Answer] = {}
    first = 0
    for number, answer in as_completed(load, tasks, address):
        done[number] = answer
        while first in done:
            yield done.pop(first)
            first += 1


def as_completed(load: Load[Task, Result], tasks: Sequence[Task], address: str) -> Iterator[tuple[int, Answer]]:
    """Each task's number and outcome, as the cluster's processes finish them.

    A task whose process dies is done again, once. Raises TwinsignError if `load` fails, which ends all tasks, and
    InputError if it cannot be sent, Ray is not installed, or there is no cluster at the address.
    """
    with connected(address) as ray:
        try:
            shared = ray.put((load, str(Path.cwd())))
        except (TypeError, PicklingError) as error:
            hint = "Work on it without --cluster."
            raise InputError(f"an opened file that cannot be sent ({error})", "files of its own", hint=hint) from error
        run = ray.remote(_run).options(max_retries=TRIES - 1, num_cpus=1)
        limit = max(1, TASKS_PER_CPU * int(ray.cluster_resources().get("CPU", 1)))
        todo, submitted = deque(range(len(tasks))), dict[Any, int]()
        while todo or submitted:
            while todo and len(submitted) < limit and todo[0] < min(submitted.values(), default=todo[0]) + MAX_AHEAD:
                number = todo.popleft()
                submitted[run.remote([shared], tasks[number])] = number
            for reference in ray.wait(list(submitted), num_returns=1)[0]:
                yield submitted.pop(reference), _answer(ray, reference)


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to a cluster: `local` starts one on this machine, `auto` finds this machine's, or ray://HOST:PORT.

    An existing connection is used, and not closed.
    """
    # Nothing is reported to Ray's makers, and its advice is not passed on.
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "RAY_DEDUP_LOGS"):
        os.environ.setdefault(name, "0")
    try:
        import ray
    except ImportError as error:
        hint = "pip install 'twinsign[cluster]'"
        raise InputError("no package ray", "the extra `cluster`", hint=hint) from error
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        if address not in ("local", "auto"):  # if nobody listens, Ray alone would try for minutes, then end the process
            place = urlsplit(address if "://" in address else f"//{address}")
            socket.create_connection((place.hostname or "", place.port or 0), CONNECT_SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, RuntimeError, ValueError) as error:
        wanted = "local, auto (ray start --head), HOST:6379 or ray://HOST:10001"
        raise InputError(f"no cluster at {address!r} ({_first_line(error)})", wanted) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _answer(ray: Any, reference: Any) -> Answer:
    try:
        kind, value = ray.get(reference)
    except tuple(getattr(ray.exceptions, name) for name in DEATHS) as error:
        return Answer(error=TwinsignError(f"its process died {TRIES} times ({type(error).__name__})"))
    except ray.exceptions.RayError as error:
        raise TwinsignError(f"the cluster failed ({type(error).__name__}: {_first_line(error)})") from error
    if kind == "unloaded":
        raise value
    return Answer(value) if kind == "done" else Answer(error=value)


_loaded: dict[str, Callable[[Any], Any]] = {}
"""In a cluster's process: the function of the present tasks."""


def _run(holder: list[Any], task: Any) -> tuple[str, Any]:
    """In a cluster's process: do a task with the function that `load` returns, loaded for the first task."""
    key = holder[0].hex()
    if key not in _loaded:
        import ray

        try:
            load, folder = ray.get(holder[0])
            if not Path(folder).is_dir():
                raise InputError("no such folder on a machine of the cluster", "storage that all share", file=folder)
            os.chdir(folder)
            function = load()
        except Exception as error:
            return "unloaded", _as_twinsign_error(error, "failed to start")
        _loaded.clear()
        _loaded[key] = function
    try:
        return "done", _loaded[key](task)
    except Exception as error:  # one task's fault must not cost the others
        return "failed", _as_twinsign_error(error, f"{task}: failed")


def _as_twinsign_error(error: Exception, what: str) -> TwinsignError:
    return error if isinstance(error, TwinsignError) else TwinsignError(f"{what} ({type(error).__name__}: {error})")
