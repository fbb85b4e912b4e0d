"""Tasks in several processes of this machine: one that dies or hangs costs its own task alone."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from typing import Any

from twinsign.errors import TwinsignError
from twinsign.ray_cluster import Answer, Load, Result, Task

TRIES = 2
"""Attempts at a task whose process died: the system may have killed it for another's memory."""
AHEAD = 1024
"""Tasks that may be done before the first unfinished one: memory stays bounded behind a slow task."""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in_processes(
    load: Load[Task, Result],
    tasks: Sequence[Task],
    workers: int,
    *,
    fork: bool = False,
    queued: int = 1,
    patience: float | None = None,
) -> Iterator[tuple[int, Answer]]:
    """Yield each task's number and its result, or the error it ended with, in order of completion.

    Every process calls `load` once for the function that does the tasks, and is sent up to `queued` of them ahead. A
    task whose process dies TRIES times, or is silent for `patience` seconds, ends with an error. `fork`: processes are
    forked, so that `load` need not pickle, instead of spawned. Raises TwinsignError where `load` fails.
    """
    retries, start, deaths = deque[int](), 0, Counter[int]()  # tasks from number `start` on were not sent yet
    team: list[_Worker] = []
    try:
        while retries or start < len(tasks) or any(worker.tasks for worker in team):
            unsent = len(retries) + len(tasks) - start
            while len(team) < min(workers, unsent + sum(bool(worker.tasks) for worker in team)):
                team.append(_Worker(load, fork, [worker.line for worker in team]))
            first = min([start, *retries, *(number for worker in team for number in worker.tasks)])
            for worker in team:
                while len(worker.tasks) < queued and (retries or start < min(len(tasks), first + AHEAD)):
                    number = retries.popleft() if retries else start
                    start = max(start, number + 1)
                    worker.send(number, tasks[number])
            for worker, answer in _receive(team, patience):
                number = worker.tasks.popleft()
                if worker.line.closed:
                    team.remove(worker)
                    retries.extendleft(reversed(worker.tasks))
                if answer is None:
                    deaths[number] += 1
                    if deaths[number] < TRIES:
                        retries.appendleft(number)
                        continue
                    answer = Answer(error=worker.death())
                yield number, answer
    finally:
        for worker in team:
            worker.end(kill=fork)


def in_order(answers: Iterable[tuple[int, Answer]]) -> Iterator[Answer]:
    """The answers in the order of their tasks' numbers."""
    done: dict[int, Answer] = {}
    first = 0
    for number, answer in answers:
        done[number] = answer
        while first in done:
            yield done.pop(first)
            first += 1


def _receive(team: list[_Worker], patience: float | None) -> list[tuple[_Worker, Answer | None]]:
    """Wait for the busy workers: those that answered with their answers, those that died with None, and the silent."""
    lines: dict[Any, _Worker] = {worker.line: worker for worker in team if worker.tasks}
    received: list[tuple[_Worker, Answer | None]] = []
    for line in connection.wait(list(lines), timeout=patience and min(1.0, patience)):
        worker = lines.pop(line)
        try:
            failed_to_load, answer = worker.line.recv()
        except (EOFError, OSError):
            worker.end()
            received.append((worker, None))
            continue
        if failed_to_load:
            raise answer.error
        worker.heard = time.monotonic()
        received.append((worker, answer))
    for worker in lines.values():
        if patience and time.monotonic() - worker.heard > patience:
            worker.end(kill=True)
            received.append((worker, Answer(error=TwinsignError(f"no answer within {patience:g} s"))))
    return received


class _Worker:
    """A process, the numbers of the tasks it has not answered yet, and when it was last heard of."""

    def __init__(self, load: Load[Task, Result], fork: bool, parent_lines: Sequence[Connection]) -> None:
        context: Any = get_context("fork" if fork else "spawn")
        self.line, remote = context.Pipe()
        inherited = [self.line, *parent_lines] if fork else []
        self.process = context.Process(target=_serve, args=(remote, load, inherited), daemon=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
            self.process.start()
        remote.close()
        self.tasks = deque[int]()
        self.heard = time.monotonic()

    def send(self, number: int, task: object) -> None:
        if not self.tasks:
            self.heard = time.monotonic()
        self.tasks.append(number)
        with suppress(OSError):  # it has just died: the next wait sees its line closed
            self.line.send(task)

    def end(self, kill: bool = False) -> None:
        """Let an idle process end, interrupt a busy one, kill one that takes longer than 5 seconds, or at once."""
        self.line.close()
        if not kill:
            if self.tasks:
                self.process.terminate()
            self.process.join(5.0)
        self.process.kill()
        self.process.join()

    def death(self) -> TwinsignError:
        code = self.process.exitcode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return TwinsignError(f"its process died {TRIES} times ({how}); out of memory, perhaps: try fewer workers")


def _serve(line: Connection, load: Load[Any, Any], inherited: Sequence[Connection]) -> None:
    """The loop of a worker process, which ends when the parent closes the line or dies.

    `inherited`: a forked process's copies of the parent's lines. A spawned one drops what its libraries print.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if inherited:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        for parent_line in inherited:
            parent_line.close()
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that half-written files are removed
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
    with suppress(EOFError, OSError):
        try:
            work = load()
        except Exception as error:
            line.recv()
            line.send((True, Answer(error=_as_twinsign_error(error, "failed to start"))))
            return
        while True:
            task = line.recv()
            try:
                answer = Answer(work(task))
            except Exception as error:  # a bug in one task must not end the others
                answer = Answer(error=_as_twinsign_error(error, f"{task}: failed"))
            line.send((False, answer))


def _as_twinsign_error(error: Exception, what: str) -> TwinsignError:
    return error if isinstance(error, TwinsignError) else TwinsignError(f"{what} ({type(error).__name__}: {error})")
