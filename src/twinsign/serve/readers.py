"""Reader processes: what comes from outside is parsed and decoded there, within a budget, and can be killed there.

JSON and pose files have processes of their own beside the one for videos, so that neither waits for the other. A
process that is spent, dead or killed is replaced by a fork of one that has the modules loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeVar

from twinsign.extract.config import EstimatorConfig
from twinsign.serve.intake import SOON
from twinsign.serve.options import Limits
from twinsign.serve.reading import Reading, Task
from twinsign.serve.refusals import RefusedError
from twinsign.serve.spending import Budget, Load, reader_life, why_dead
from twinsign.serve.uploads import check_name

Result = TypeVar("Result")

SLOWER = 10
"""A task may take so many times its processor time by the clock, on a machine that is busy otherwise."""
PATIENCE = 5.0
"""Seconds that a process may take to end."""


class Readers:
    """The reader processes of one server."""

    def __init__(self, limits: Limits, estimator: EstimatorConfig, blind: str) -> None:
        self._blind, count = blind, limits.at_once
        self._threads = ThreadPoolExecutor(2 * (count + 2), "twinsign-reader")
        budgets = (Budget(limits.read_seconds, limits.read_mb), Budget(limits.watch_seconds, limits.watch_mb))
        self._poses, self._films = (
            _Lane(partial(Reading, limits, estimator, films), budget, limits.waiting, self._threads)
            for films, budget in zip((False, True), budgets, strict=True)
        )
        self._counts = (count + 1, 0 if blind else 1)  # one more, so that no single upload makes others wait

    def start(self) -> None:
        """Start the processes; they load what they need while the server begins to answer."""
        for lane, count in zip((self._poses, self._films), self._counts, strict=True):
            lane.start(count)

    @property
    def present(self) -> int:
        """Tasks at work or waiting."""
        return self._poses.present + self._films.present

    async def read(self, task: Task, content: bytes | bytearray) -> Any:
        """The task's result; RefusedError for what is wrong, too much, or takes too long. Cancelled, it is killed."""
        film = task.kind == "file" and check_name(task.name, self._blind)
        return await (self._films if film else self._poses).read(task, content)

    def close(self) -> None:
        """End all processes at once."""
        self._poses.close()
        self._films.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Lane:
    """Processes that do the same, and those who wait for them."""

    def __init__(self, load: Load, budget: Budget, waiting: int, threads: ThreadPoolExecutor) -> None:
        self._load, self._budget, self._waiting, self._threads = load, budget, waiting, threads
        self._idle = asyncio.Queue[_Process]()
        self._all = set[_Process]()
        self.present = 0

    def start(self, count: int) -> None:
        for _ in range(count):
            self._idle.put_nowait(self._new())

    def _new(self) -> _Process:
        process = _Process(self._load, self._budget)
        self._all.add(process)
        return process

    def _fit(self, process: _Process) -> _Process:
        """The process itself, or a new one where it is over, or was ended by the system meanwhile."""
        if not process.over:
            return process
        self._all.discard(process)
        return self._new()

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def read(self, task: Task, content: bytes | bytearray) -> Any:
        most = len(self._all) + self._waiting
        if self.present >= most:
            raise RefusedError(503, f"{self.present} uploads at work or waiting", f"at most {most}", retry=SOON)
        self.present += 1
        try:
            process = self._fit(await self._idle.get())
            try:
                return await self._ask(process, task, content)
            finally:
                self._idle.put_nowait(self._fit(process))
        finally:
            self.present -= 1

    async def _ask(self, process: _Process, task: Task, content: bytes | bytearray) -> Any:
        try:
            await self._in_thread(process.wait_until_loaded)
            async with asyncio.timeout(SLOWER * self._budget.seconds):
                value, refusal = await self._in_thread(process.ask, task, content)
        except BaseException as error:  # its answer, if it had one, would be taken for the next task's
            process.kill()
            if isinstance(error, TimeoutError):
                found = f"a body that is not read after {SLOWER * self._budget.seconds:g} seconds"
                raise RefusedError(413, found, "a smaller one") from error
            raise
        if refusal is not None:
            status, told = refusal
            raise RefusedError(status, told.pop("found"), told.pop("wanted"), **told)  # type: ignore[arg-type]
        return value

    def close(self) -> None:
        while not self._idle.empty():
            process = self._idle.get_nowait()
            process.dismiss()
            self._all.discard(process)
        for process in self._all:
            process.kill()


class _Process:
    """One reader process. Its methods block: they are for threads, but for `dismiss` and `kill`."""

    def __init__(self, load: Load, budget: Budget) -> None:
        # Forked from a process with one thread, which stays small: this one has torch and threads.
        context = get_context("forkserver")
        context.set_forkserver_preload(["twinsign.serve.reading"])
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=reader_life, args=(theirs, load, budget), daemon=True)
        self._process.start()
        theirs.close()
        self._budget, self._loaded, self._left = budget, False, False

    @property
    def over(self) -> bool:
        """Whether it takes no more tasks."""
        return self._left or not self._process.is_alive()

    def wait_until_loaded(self) -> None:
        """RefusedError where it cannot load what it needs."""
        if self._loaded:
            return
        why = "its process ended"
        with suppress(EOFError, OSError):
            why = self._line.recv()
        if why:
            self._left = True
            raise RefusedError(503, f"a reader that does not start ({why})", "a server that is whole", retry=SOON)
        self._loaded = True

    def ask(self, task: Task, content: bytes | bytearray) -> tuple[Any, tuple[int, dict[str, str]] | None]:
        """The task's result and its refusal, of which one is None; RefusedError where the process dies of it."""
        try:
            self._line.send(task)
            self._line.send_bytes(content)
            value, refusal, self._left = self._line.recv()
        except (EOFError, OSError) as error:
            self._left = True
            self._process.join(PATIENCE)
            raise why_dead(self._process.exitcode, self._budget) from error
        return value, refusal

    def dismiss(self) -> None:
        """Let it end by itself, where it is at no task."""
        self._left = True
        self._line.close()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._left = True
        self._process.kill()
