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
    """The result or the error that a process ended with, and when."""

    rank: int
    result: Any = None
    error: BaseException | None = None
    when: float = field(default_factory=time.monotonic)

    def order(self) -> tuple[int, float]:
        """Return a rank by which the most telling error comes first: losing contact to other processes says little."""
        if isinstance(self.error, ConnectionError):
            return 3, self.when
        kinds = ((KilledError, 1), (StoppedError, 2), (TwinsignError, 0), (OSError, 0))
        return next((number for kind, number in kinds if isinstance(self.error, kind)), 3), self.when


@dataclass
class WorkerGroup:
    """Processes that fail, stop and end as one."""

    processes: list[BaseProcess] = field(default_factory=list)
    receivers: list[connection.Connection] = field(default_factory=list)
    results: dict[int, WorkerResult] = field(default_factory=dict)
    stop_signal: int | None = None
    """The signal that reached the parent process."""

    def start(self, variables: Mapping[str, str], call: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Start one more process, with these environment variables."""
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_serve, args=(sender, len(self.processes), variables, call, args, kwargs))
        process.start()
        sender.close()
        self.processes.append(process)
        self.receivers.append(receiver)
        if self.stop_signal is not None:
            process.terminate()

    @contextmanager
    def signals_passed_on(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM ask every process to save and end; a second Ctrl-C ends them at once."""

        def ask(number: int, _: Any) -> None:
            if number == signal.SIGINT and self.stop_signal is not None:
                raise KeyboardInterrupt
            self.stop_signal = number
            for process in self.processes:
                process.terminate()

        in_main_thread = threading.current_thread() is threading.main_thread()
        handlers = {number: signal.signal(number, ask) for number in STOPS if in_main_thread}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def result(self) -> Any:
        """Return what the first process returned, once all have ended, or raise the most telling error."""
        deadline: float | None = None
        while waiting := {receiver: rank for rank, receiver in enumerate(self.receivers) if rank not in self.results}:
            ready = connection.wait(list(waiting), None if deadline is None else max(0, deadline - time.monotonic()))
            for receiver in ready:
                if isinstance(receiver, connection.Connection):
                    self.results[waiting[receiver]] = self._receive(waiting[receiver], receiver)
            failed = [result.order()[0] for result in self.results.values() if result.error is not None]
            if failed and (not ready or min(failed) == 0):
                break
            if failed and deadline is None:
                deadline = time.monotonic() + GRACE
        errors = [result for result in self.results.values() if result.error is not None]
        if errors:
            raise self._to_raise(min(errors, key=WorkerResult.order))
        return self.results[0].result

    def end(self) -> None:
        """Kill the processes that are left."""
        for process in self.processes:
            process.kill()
            process.join()

    def _receive(self, rank: int, receiver: connection.Connection) -> WorkerResult:
        try:
            result: WorkerResult = pickle.loads(receiver.recv_bytes())
        except (EOFError, ConnectionError):
            self.processes[rank].join()
            code = self.processes[rank].exitcode or 0
            cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            why = " (the system does that when memory runs out)" if code == -signal.SIGKILL else ""
            message = f"process {rank} of {len(self.processes)} was ended by {cause}{why}"
            return WorkerResult(
                rank, error=KilledError(f"{message}; the same command resumes from the last checkpoint")
            )
        return result

    def _to_raise(self, result: WorkerResult) -> BaseException:
        if self.stop_signal is not None and result.order()[0] > 0:
            errors = [other.error for other in self.results.values()]
            steps = [error.step for error in errors if isinstance(error, StoppedError)]
            return StoppedError(self.stop_signal, steps[0] if steps else None)
        return result.error or RuntimeError("an error without a message")


def _serve(
    sender: connection.Connection,
    rank: int,
    variables: Mapping[str, str],
    call: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> None:
    """Run the call in a new process and send what it returned or raised."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent passes it on, once.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(variables)
    try:
        result = WorkerResult(rank, result=call(*args, **kwargs))
    except BaseException as error:
        result = WorkerResult(rank, error=_portable(error, rank))
    sender.send_bytes(pickle.dumps(result))
    sender.close()
    if result.error is None and dist.is_initialized():
        dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    if result.error is not None:
        os._exit(1)  # An orderly exit could wait for partners that are gone.


def _portable(error: BaseException, rank: int) -> BaseException:
    """The error where it is ours or the system's; of any other its traceback, as no other process could show it."""
    if isinstance(error, TwinsignError | OSError | KeyboardInterrupt):
        return error
    return RuntimeError(f"process {rank} failed:\n{''.join(traceback.format_exception(error))}")


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)
