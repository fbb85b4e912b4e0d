"""Work in several processes: one that dies costs its own task alone, and an interrupt ends them all."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from twinsign.errors import DiskFullError, InputError, TwinsignError

Task = TypeVar("Task")
Result = TypeVar("Result")

TRIES = 2
"""Attempts at a task whose process died: the system may have killed it for another's memory."""

PATIENCE = 5.0
"""Seconds that a process may take to end, before it is killed."""


def results(
    load: Callable[[], Callable[[Task], Result]], tasks: Sequence[Task], workers: int
) -> Iterator[tuple[Task, Result | str]]:
    """Each task with its result, or with the reason why there is none, as they are done.

    Every process calls `load` once for the function that does the tasks; both must pickle. Raises TwinsignError where
    `load` does, for then no task can be done, and NoRoomError where a task does.
    """
    todo, deaths = deque(range(len(tasks))), [0] * len(tasks)
    team: list[_Worker[Task]] = []
    try:
        while todo or any(worker.task is not None for worker in team):
            while len(team) < min(workers, len(todo) + sum(worker.task is not None for worker in team)):
                team.append(_Worker(load))
            for worker in team:
                if worker.task is None and todo:
                    worker.send(number := todo.popleft(), tasks[number])
            for worker in _heard(team):
                number, answer = worker.receive()
                if answer is None:
                    team.remove(worker)
                    deaths[number] += 1
                    if deaths[number] < TRIES:
                        todo.append(number)
                        continue
                    answer = worker.death()
                yield tasks[number], answer
    finally:
        for worker in team:
            worker.end()


def _heard(team: list[_Worker[Task]]) -> list[_Worker[Task]]:
    lines: dict[Any, _Worker[Task]] = {worker.line: worker for worker in team if worker.task is not None}
    return [lines[line] for line in connection.wait(list(lines))]


class _Worker(Generic[Task]):
    """A process and the number of the task it was sent and has not answered."""

    def __init__(self, load: Callable[[], Callable[[Task], Any]]) -> None:
        # Spawned: the estimators' libraries keep threads, which do not survive a fork.
        context = get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, load), daemon=True)
        self.process.start()
        theirs.close()
        self.task: int | None = None

    def send(self, number: int, task: Task) -> None:
        self.task = number
        with suppress(OSError):  # it has just died: the next wait sees its line closed
            self.line.send(task)

    def receive(self) -> tuple[int, Any]:
        """The answer to its task; None where the process died."""
        number, self.task = self.task or 0, None
        try:
            kind, answer = self.line.recv()
        except (EOFError, OSError):
            self.end()
            return number, None
        if kind == "unfit":
            raise TwinsignError(answer)
        if kind == "full":
            raise DiskFullError(answer)
        return number, answer

    def death(self) -> str:
        code = self.process.exitcode or 0
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"its process died {TRIES} times ({how}); out of memory, perhaps: try it with fewer workers"

    def end(self) -> None:
        """Let an idle process go, interrupt a busy one, kill one that does not heed it."""
        self.line.close()
        if self.task is not None:
            self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()


def _serve(line: Connection, load: Callable[[], Callable[[Any], Any]]) -> None:
    """A worker's life: it ends when the other side closes the line. What its libraries print is dropped."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that half-written files are removed
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    with suppress(EOFError, OSError):
        try:
            work = load()
        except Exception as error:
            known = isinstance(error, TwinsignError)
            line.recv()
            line.send(("unfit", str(error) if known else f"failed to start ({type(error).__name__}: {error})"))
            return
        while True:
            task = line.recv()
            try:
                line.send(("done", _answer(work, task)))
            except DiskFullError as error:
                line.send(("full", str(error)))


def _answer(work: Callable[[Any], Any], task: Any) -> Any:
    try:
        return work(task)
    except DiskFullError:
        raise
    except InputError as error:
        return str(error)
    except Exception as error:  # one video's fault must not cost a night's work
        return f"{task}: failed ({type(error).__name__}: {error})"
