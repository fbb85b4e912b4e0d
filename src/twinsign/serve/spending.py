"""A reader process from inside: its processor time and memory have a limit that the kernel keeps."""

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
from twinsign.serve.options import MEGA
from twinsign.serve.refusals import RefusedError, refusal_of

Load = Callable[[], Callable[[Any, bytes], Any]]
"""Makes, in the process, the function of a task and its bytes; both must pickle."""
Refusal = tuple[int, dict[str, str]]
STATUS = Path("/proc/self/status")
GROWN = 0.5
"""The share of its budget's memory by which a process may grow; then it ends, and another takes its place."""


class Budget(NamedTuple):
    """What one task may take: processor time, and memory in megabytes beside what the process has."""

    seconds: float
    megabytes: float


def reader_life(line: Connection, load: Load, budget: Budget) -> None:
    """Answer tasks until the other side closes the line. What libraries print is dropped."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this one
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError, OSError):
        try:
            work = load()
        except Exception as error:
            line.send(f"{type(error).__name__}: {error}")
            return
        line.send("")
        at_start, leaves = memory(), False
        while not leaves:
            task, content = line.recv(), line.recv_bytes()
            _limit(budget, at_start)
            value, refusal = _answer(work, task, content)
            del content
            leaves = memory() > at_start + GROWN * budget.megabytes * MEGA
            line.send((value, refusal, leaves))


def memory() -> int:
    """Bytes of writable memory that this process has asked for; 0 where the system does not say (macOS)."""
    with suppress(OSError):
        for row in STATUS.read_text().splitlines():
            if row.startswith("VmData:"):
                return int(row.split()[1]) * 1024
    return 0


def _limit(budget: Budget, at_start: int) -> None:
    """From now on the process dies of more processor time than the budget, and gets no more memory than it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + budget.seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    if at_start:
        most = int(at_start + budget.megabytes * MEGA)
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _answer(work: Callable[[Any, bytes], Any], task: Any, content: bytes) -> tuple[Any, Refusal | None]:
    gc.disable()  # JSON of many lists would be searched for cycles again and again
    try:
        return work(task, content), None
    except RefusedError as error:
        return None, (error.status, error.told)
    except InputError as error:
        wrong = refusal_of(error)
        return None, (wrong.status, wrong.told)
    except MemoryError:
        return None, (413, {"found": "what takes too much memory", "wanted": "a smaller body"})
    except Exception as error:  # a decoder's surprise at hostile bytes
        return None, (422, {"found": f"what cannot be read ({type(error).__name__})", "wanted": "a whole body"})
    finally:
        gc.enable()


def why_dead(code: int | None, budget: Budget) -> RefusedError:
    """What is said of a body whose reading ended its process."""
    if code == -signal.SIGXCPU:
        found = f"what takes more than {budget.seconds:g} seconds of processor time to read"
        return RefusedError(413, found, "a smaller body, or a server with higher limits")
    return RefusedError(422, "what ended the process that read it", "a whole body, or a smaller one")
