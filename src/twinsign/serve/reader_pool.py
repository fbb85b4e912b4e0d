"""Reader processes: what comes from outside is parsed and decoded there, within a budget, and can be killed there.

JSON and pose files have processes of their own beside the one for videos, so that neither waits for the other. A
process that has grown, died or been killed is replaced by a fork of one that has the modules loaded.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import active_children, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from anyio import to_thread

from twinsign.errors import InputError
from twinsign.extract.config import EstimatorConfig
from twinsign.serve.admission import RETRY_FULL
from twinsign.serve.errors import RequestError, as_request_error
from twinsign.serve.options import MEGA, Limits
from twinsign.serve.reader_process import Reader, Task, check_name

Load = Callable[[], Callable[[Any, bytes], Any]]
"""Returns, called in the process, the function of a task and its bytes; both must pickle."""
MAX_GROWTH = 0.5
"""The share of its memory budget by which a process may grow before it ends and another takes its place."""
CLOCK_FACTOR = 10
"""A task may take this multiple of its processor time by the clock, as the machine may be busy otherwise."""
JOIN_SECONDS = 5.0
"""Seconds that a process may take to end."""


class Budget(NamedTuple):
    """Limits of one task: processor time, and memory in megabytes beyond what the process has at its start."""

    seconds: float
    megabytes: float


class Readers:
    """The reader processes of one server."""

    def __init__(self, limits: Limits, estimator: EstimatorConfig, why_no_video: str) -> None:
        self._limits, self._why_no_video = limits, why_no_video
        self._poses = _Pool(partial(Reader, limits, estimator), Budget(limits.read_seconds, limits.read_mb))
        self._videos = _Pool(partial(Reader, limits, estimator, True), Budget(limits.watch_seconds, limits.watch_mb))

    def start(self) -> None:
        """Start the processes; they load what they need while the server begins to answer."""
        waiting = self._limits.waiting
        self._poses.start(self._limits.at_once + 1, waiting)  # one more, so that no single upload makes others wait
        self._videos.start(0 if self._why_no_video else 1, waiting)

    @property
    def pending(self) -> int:
        """Tasks that are running or waiting."""
        return self._poses.pending + self._videos.pending

    async def read(self, task: Task, content: bytes | bytearray) -> Any:
        """The task's result; RequestError where it is wrong, too large or takes too long. Cancelled, it is killed."""
        video = task.kind == "file" and check_name(task.name, self._why_no_video)
        return await (self._videos if video else self._poses).read(task, content)

    def close(self) -> None:
        """End all processes at once."""
        for process in active_children():
            process.kill()


class _Pool:
    """Processes of one kind, and the tasks that wait for them."""

    def __init__(self, load: Load, budget: Budget) -> None:
        self._new = partial(_Process, load, budget)
        self._idle = asyncio.Queue[_Process]()
        self._max_pending = self.pending = 0

    def start(self, count: int, waiting: int) -> None:
        self._max_pending = count + waiting
        for _ in range(count):
            self._idle.put_nowait(self._new())

    def _usable(self, reader: _Process) -> _Process:
        """The reader, or a new one in its place where it takes no more tasks."""
        if not reader.ends and reader.process.is_alive():
            return reader
        reader.process.kill()
        return self._new()

    async def read(self, task: Task, content: bytes | bytearray) -> Any:
        if self.pending >= self._max_pending:
            problem = f"{self.pending} uploads running or waiting"
            raise RequestError(503, problem, f"at most {self._max_pending}", retry=RETRY_FULL)
        self.pending += 1
        try:
            reader = self._usable(await self._idle.get())
            try:
                return await to_thread.run_sync(reader.ask, task, content, abandon_on_cancel=True)
            finally:
                self._idle.put_nowait(self._usable(reader))
        finally:
            self.pending -= 1


class _Process:
    """One reader process, forked from one with a single thread, which stays small: the server has torch and threads."""

    def __init__(self, load: Load, budget: Budget) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(["twinsign.serve.reader_process"])
        self._pipe, worker_end = context.Pipe()
        self.process = context.Process(target=run_worker, args=(worker_end, load, budget), daemon=True)
        self.process.start()
        worker_end.close()
        self._budget, self._loaded = budget, False
        self.ends = False
        """Whether it takes no more tasks."""

    def ask(self, task: Task, content: bytes | bytearray) -> Any:
        """The task's result, when it is there; RequestError where it is refused, or the process fails."""
        self.ends = True  # unless its answer says otherwise: a late one would be taken for the next task's
        try:
            if not self._loaded:
                if problem := self._pipe.recv():
                    raise RequestError(
                        503, f"a reader that does not start ({problem})", "a working one", retry=RETRY_FULL
                    )
                self._loaded = True
            self._pipe.send(task)
            self._pipe.send_bytes(content)
            seconds = CLOCK_FACTOR * self._budget.seconds
            if not self._pipe.poll(seconds):
                raise RequestError(413, f"a body that is not read after {seconds:g} seconds", "a smaller one")
            result, refusal, self.ends = self._pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(JOIN_SECONDS)
            if not self._loaded:
                raise RequestError(
                    503, "a reader that ends when it starts", "a working one", retry=RETRY_FULL
                ) from error
            raise death_error(self.process.exitcode, self._budget) from error
        if refusal is not None:
            raise refusal
        return result


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
        problem = f"a body that takes more than {budget.seconds:g} seconds of processor time to read"
        return RequestError(413, problem, "a smaller body, or a server with higher limits")
    return RequestError(422, "a body that ended the process that read it", "an undamaged or a smaller body")
