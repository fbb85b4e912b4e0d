"""Reader processes: what comes from outside is parsed and decoded there, within a budget, and can be killed there.

JSON and pose files have processes of their own beside the one for videos, so that neither waits for the other. A
process that has grown, died or been killed is replaced by a fork of one that has the modules loaded.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from multiprocessing import active_children, get_context
from typing import Any

from anyio import to_thread

from twinsign.extract.estimator import EstimatorConfig
from twinsign.serve.admission import RETRY_FULL
from twinsign.serve.errors import RequestError
from twinsign.serve.options import Limits
from twinsign.serve.reading import Reader, Task, check_name
from twinsign.serve.worker import Budget, Load, death_error, run_worker

CLOCK_FACTOR = 10
"""A task may take this multiple of its processor time by the clock, as the machine may be busy otherwise."""
JOIN_SECONDS = 5.0
"""Seconds that a process may take to end."""


class Readers:
    """The reader processes of one server."""

    def __init__(self, limits: Limits, estimator: EstimatorConfig, why_no_video: str) -> None:
        self._limits, self._why_no_video = limits, why_no_video
        budget, video_budget = (
            Budget(limits.read_seconds, limits.read_mb),
            Budget(limits.watch_seconds, limits.watch_mb),
        )
        self._poses = _Pool(partial(Reader, limits, estimator), budget)
        self._videos = _Pool(partial(Reader, limits, estimator, videos=True), video_budget)

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
        self._new, self._budget = partial(_Process, load, budget), budget
        self._idle = asyncio.Queue[_Process]()
        self._max_pending = self.pending = 0

    def start(self, count: int, waiting: int) -> None:
        self._max_pending = count + waiting
        for _ in range(count):
            self._idle.put_nowait(self._new())

    def _alive(self, process: _Process) -> _Process:
        """The process, or a new one where it has ended."""
        return self._new() if process.ended else process

    async def read(self, task: Task, content: bytes | bytearray) -> Any:
        if self.pending >= self._max_pending:
            found = f"{self.pending} uploads running or waiting"
            raise RequestError(503, found, f"at most {self._max_pending}", retry=RETRY_FULL)
        self.pending += 1
        try:
            process = self._alive(await self._idle.get())
            try:
                return await self._ask(process, task, content)
            finally:
                self._idle.put_nowait(self._alive(process))
        finally:
            self.pending -= 1

    async def _ask(self, process: _Process, task: Task, content: bytes | bytearray) -> Any:
        seconds = CLOCK_FACTOR * self._budget.seconds
        try:
            await to_thread.run_sync(process.wait_until_loaded, abandon_on_cancel=True)
            async with asyncio.timeout(seconds):
                result, refusal = await to_thread.run_sync(process.ask, task, content, abandon_on_cancel=True)
        except BaseException as error:  # its answer, if it had one, would be taken for the next task's
            process.kill()
            if isinstance(error, TimeoutError):
                raise RequestError(
                    413, f"a body that is not read after {seconds:g} seconds", "a smaller one"
                ) from error
            raise
        if refusal is not None:
            raise refusal
        return result


class _Process:
    """One reader process. `wait_until_loaded` and `ask` block, and are for threads."""

    def __init__(self, load: Load, budget: Budget) -> None:
        # Forked from a process with one thread, which stays small: this one has torch and threads.
        context = get_context("forkserver")
        context.set_forkserver_preload(["twinsign.serve.reading"])
        self._pipe, worker_end = context.Pipe()
        self._process = context.Process(target=run_worker, args=(worker_end, load, budget), daemon=True)
        self._process.start()
        worker_end.close()
        self._budget, self._loaded, self._ends = budget, False, False

    @property
    def ended(self) -> bool:
        """Whether it takes no more tasks."""
        return self._ends or not self._process.is_alive()

    def wait_until_loaded(self) -> None:
        """Return when it has loaded what it needs; RequestError 503 where it cannot."""
        if self._loaded:
            return
        problem = "its process ended"
        with suppress(EOFError, OSError):
            problem = self._pipe.recv()
        if problem:
            self._ends = True
            found = f"a reader that does not start ({problem})"
            raise RequestError(503, found, "a working installation", retry=RETRY_FULL)
        self._loaded = True

    def ask(self, task: Task, content: bytes | bytearray) -> tuple[Any, RequestError | None]:
        """The task's result or its refusal; RequestError where the process dies of it."""
        try:
            self._pipe.send(task)
            self._pipe.send_bytes(content)
            result, refusal, self._ends = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._ends = True
            self._process.join(JOIN_SECONDS)
            raise death_error(self._process.exitcode, self._budget) from error
        return result, refusal

    def kill(self) -> None:
        """End it, whatever it does."""
        self._ends = True
        self._process.kill()
