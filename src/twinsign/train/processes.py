"""The processes of one training on this machine: started, watched and ended together."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from torch import distributed as dist

from twinsign.errors import StoppedError, TwinsignError
from twinsign.train.tasks import STOPS

GRACE = 5.0
"""Seconds that the others have to say what they know after a process has failed."""


class KilledError(TwinsignError):
    """A process was ended from outside."""


@dataclass
class WorkerResult:
    """What a process said at its end, and when: a result or an error."""

    rank: int
    result: Any = None
    error: BaseException | None = None
    when: float = field(default_factory=time.monotonic)

    def order(self) -> tuple[int, float]:
        """The lower, the more an error explains: one that loses its partners says little."""
        if isinstance(self.error, ConnectionError):
            return 3, self.when
        kinds = ((KilledError, 1), (StoppedError, 2), (TwinsignError, 0), (OSError, 0))
        return next((number for kind, number in kinds if isinstance(self.error, kind)), 3), self.when


@dataclass
class Team:
    """Processes that fail, stop and end as one."""

    processes: list[BaseProcess] = field(default_factory=list)
    ears: list[connection.Connection] = field(default_factory=list)
    said: dict[int, WorkerResult] = field(default_factory=dict)
    asked: int | None = None
    """The signal that reached the starter."""

    def start(self, variables: Mapping[str, str], call: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """One process more, with these environment variables."""
        context = multiprocessing.get_context("spawn")
        ear, mouth = context.Pipe(duplex=False)
        process = context.Process(target=_serve, args=(mouth, len(self.processes), variables, call, args, kwargs))
        process.start()
        mouth.close()
        self.processes.append(process)
        self.ears.append(ear)
        if self.asked is not None:
            process.terminate()

    @contextmanager
    def signals_passed_on(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM ask every process to save and end; a second Ctrl-C ends them at once."""

        def ask(number: int, _: Any) -> None:
            if number == signal.SIGINT and self.asked is not None:
                raise KeyboardInterrupt
            self.asked = number
            for process in self.processes:
                process.terminate()

        mine = threading.current_thread() is threading.main_thread()
        before = {one: signal.signal(one, ask) for one in STOPS if mine}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def result(self) -> Any:
        """What the first process returned, once all have ended; else the error that explains most."""
        deadline: float | None = None
        while waiting := {ear: rank for rank, ear in enumerate(self.ears) if rank not in self.said}:
            ready = connection.wait(list(waiting), None if deadline is None else max(0, deadline - time.monotonic()))
            for ear in ready:
                if isinstance(ear, connection.Connection):
                    self.said[waiting[ear]] = self._hear(waiting[ear], ear)
            failed = [one.order()[0] for one in self.said.values() if one.error is not None]
            if failed and (not ready or min(failed) == 0):
                break
            if failed and deadline is None:
                deadline = time.monotonic() + GRACE
        errors = [one for one in self.said.values() if one.error is not None]
        if errors:
            raise self._explained(min(errors, key=WorkerResult.order))
        return self.said[0].result

    def end(self) -> None:
        """End whoever is left."""
        for process in self.processes:
            process.kill()
            process.join()

    def _hear(self, rank: int, ear: connection.Connection) -> WorkerResult:
        try:
            said: WorkerResult = pickle.loads(ear.recv_bytes())
        except (EOFError, ConnectionError):
            self.processes[rank].join()
            code = self.processes[rank].exitcode or 0
            way = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            why = " (the system does that when memory runs out)" if code == -signal.SIGKILL else ""
            found = f"process {rank} of {len(self.processes)} was ended by {way}{why}"
            return WorkerResult(rank, error=KilledError(f"{found}; the same command goes on from the last checkpoint"))
        return said

    def _explained(self, said: WorkerResult) -> BaseException:
        if self.asked is not None and said.order()[0] > 0:
            steps = [one.error.step for one in self.said.values() if isinstance(one.error, StoppedError)]
            return StoppedError(self.asked, steps[0] if steps else None)
        return said.error or RuntimeError("an error that says nothing")


def _serve(
    mouth: connection.Connection,
    rank: int,
    variables: Mapping[str, str],
    call: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> None:
    """A process's whole life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the starter passes it on, once.
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    os.environ.update(variables)
    try:
        said = WorkerResult(rank, result=call(*args, **kwargs))
    except BaseException as error:
        said = WorkerResult(rank, error=_portable(error, rank))
    mouth.send_bytes(pickle.dumps(said))
    mouth.close()
    if said.error is None and dist.is_initialized():
        dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    if said.error is not None:
        os._exit(1)  # An orderly exit could wait for partners that are gone.


def _portable(error: BaseException, rank: int) -> BaseException:
    """The error where it is ours or the system's; of any other its traceback, as no other process could show it."""
    if isinstance(error, TwinsignError | OSError | KeyboardInterrupt):
        return error
    return RuntimeError(f"process {rank} failed:\n{''.join(traceback.format_exception(error))}")


def _end_with_the_starter() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)
