"""A reader process from inside: the kernel limits its processor time and memory."""

from __future__ import annotations

import gc
import math
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from twinsign.errors import InputError
from twinsign.serve.errors import RequestError, as_request_error
from twinsign.serve.options import MEGA

Load = Callable[[], Callable[[Any, bytes], Any]]
"""Returns, called in the process, the function of a task and its bytes; both must pickle."""
MAX_GROWTH = 0.5
"""The share of its memory budget by which a process may grow before it ends and another takes its place."""


class Budget(NamedTuple):
    """Limits of one task: processor time, and memory in megabytes beyond what the process has at its start."""

    seconds: float
    megabytes: float


def run_worker(pipe: Connection, load: Load, budget: Budget) -> None:
    """Answer tasks until the other side closes the pipe. What libraries print is dropped.

    Sends an error of loading, or "", first; then for each task (result, refusal or None, whether the process ends).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError, OSError):
        try:
            work = load()
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")
            return
        pipe.send("")
        at_start, ends = writable_memory(), False
        while not ends:
            task, content = pipe.recv(), pipe.recv_bytes()
            _set_limits(budget, at_start)
            result, refusal = _attempt(work, task, content)
            del content
            ends = writable_memory() > at_start + MAX_GROWTH * budget.megabytes * MEGA
            pipe.send((result, refusal, ends))


def writable_memory() -> int:
    """Bytes of writable memory that this process has allocated; 0 where the system does not say (macOS)."""
    with suppress(OSError):
        for row in Path("/proc/self/status").read_text().splitlines():
            if row.startswith("VmData:"):
                return int(row.split()[1]) * 1024
    return 0


def _set_limits(budget: Budget, at_start: int) -> None:
    """From now on, more processor time than the budget kills the process, and more memory is not allocated."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limits = {resource.RLIMIT_CPU: math.ceil(used.ru_utime + used.ru_stime + budget.seconds)}
    if at_start:
        limits[resource.RLIMIT_DATA] = int(at_start + budget.megabytes * MEGA)
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _attempt(work: Callable[[Any, bytes], Any], task: Any, content: bytes) -> tuple[Any, RequestError | None]:
    gc.disable()  # JSON of many lists would be searched for cycles again and again
    try:
        return work(task, content), None
    except (RequestError, InputError) as error:
        return None, as_request_error(error)
    except MemoryError:
        return None, RequestError(413, "a body that takes too much memory", "a smaller body")
    except Exception as error:  # decoders raise anything on hostile bytes
        return None, RequestError(422, f"an unreadable body ({type(error).__name__})", "an undamaged body")
    finally:
        gc.enable()


def death_error(exit_code: int | None, budget: Budget) -> RequestError:
    """The refusal of a body whose reading ended its process."""
    if exit_code == -signal.SIGXCPU:
        found = f"a body that takes more than {budget.seconds:g} seconds of processor time to read"
        return RequestError(413, found, "a smaller body, or a server with higher limits")
    return RequestError(422, "a body that ended the process that read it", "an undamaged or a smaller body")
