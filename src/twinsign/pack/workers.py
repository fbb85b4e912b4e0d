"""Reading samples in several processes, in order; one that crashes or hangs costs its own clip alone."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from pathlib import Path

from twinsign.cluster import connected, map_outcomes
from twinsign.datasets.sample import Sample
from twinsign.errors import InputError
from twinsign.pack.clip import StoredClip, stored_clip

SPAN = 8
"""Clips a process is sent at once."""
AHEAD = 1024
"""Clips that may be read before the first unfinished one: memory stays bounded behind a slow clip."""
TRIES = 2
"""Attempts at a clip whose process died: the system may have killed it for another's memory."""
Outcome = StoredClip | str
"""An encoded clip, or the reason why there is none."""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def outcomes(samples: Sequence[Sample], first: int, workers: int, patience: float) -> Iterator[Outcome]:
    """What became of each sample from number `first` on, in order, whatever the number of workers.

    0 workers: in this process. Else a clip whose process dies twice, or is silent for `patience` seconds, has a reason.
    """
    if workers == 0 or first >= len(samples):
        yield from (_outcome(samples[number]) for number in range(first, len(samples)))
        return
    team = _Team(samples, first, patience)
    try:
        team.grow(min(workers, len(samples) - first))
        for number in range(first, len(samples)):
            while number not in team.done:
                team.work(number)
            yield team.done.pop(number)
    finally:
        team.dismiss()


def outcomes_on_cluster(samples: Sequence[Sample], first: int, address: str, patience: float) -> Iterator[Outcome]:
    """The same by the processes of a Ray cluster; a clip whose process dies or hangs twice has a reason."""
    spans = [range(start, min(start + SPAN, len(samples))) for start in range(first, len(samples), SPAN)]
    load = partial(_reading, samples, patience)
    with connected(address):
        for span, answer in zip(spans, map_outcomes(load, spans, address), strict=True):
            if answer.error is None:
                yield from answer.result
                continue
            for number, alone in zip(span, map_outcomes(load, [[one] for one in span], address), strict=True):
                sample = samples[number]
                lost = InputError(str(alone.error), "a readable clip", file=sample.file, clip=sample.id)
                yield str(lost) if alone.error else alone.result[0]


def _reading(samples: Sequence[Sample], patience: float) -> Callable[[Sequence[int]], list[Outcome]]:
    def patiently(number: int) -> Outcome:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            faulthandler.dump_traceback_later(patience, exit=True, file=nowhere)  # whatever holds the interpreter
            try:
                return _outcome(samples[number])
            finally:
                faulthandler.cancel_dump_traceback_later()

    return lambda numbers: [patiently(number) for number in numbers]


def _outcome(sample: Sample) -> Outcome:
    try:
        return stored_clip(sample)
    except InputError as error:
        return str(error)
    except Exception as error:  # a reader's own fault must cost one clip, not a night's import
        reason = f"a reader that failed ({type(error).__name__}: {error})"
        return str(InputError(reason, "a readable clip", file=sample.file, clip=sample.id))


class _Worker:
    """A process, the clips it was sent and has not answered, and when it was last heard of."""

    def __init__(self, samples: Sequence[Sample], others: list[_Worker]) -> None:
        # Forked: samples may close over opened archives, which are then shared instead of sent.
        context = get_context("fork")
        self.line, theirs = context.Pipe()
        mine = [self.line, *(other.line for other in others)]
        self.process = context.Process(target=_serve, args=(theirs, mine, samples), daemon=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
            self.process.start()
        theirs.close()
        self.clips: deque[int] = deque()
        self.heard = time.monotonic()

    def send(self, clips: list[int]) -> None:
        self.clips.extend(clips)
        self.heard = time.monotonic()
        with suppress(OSError):  # it has just died: the next wait sees its line closed
            self.line.send(clips)

    def end(self) -> int | None:
        """Kill it; its exit code."""
        self.process.kill()
        self.process.join()
        self.line.close()
        return self.process.exitcode


def _serve(line: Connection, parents: list[Connection], samples: Sequence[Sample]) -> None:
    """A worker's life: it ends when the importing process closes the line, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    for other in parents:
        other.close()
    with suppress(EOFError, OSError):
        while True:
            for number in line.recv():
                line.send(_outcome(samples[number]))


class _Team:
    def __init__(self, samples: Sequence[Sample], first: int, patience: float) -> None:
        self.samples, self.patience, self.next = samples, patience, first
        self.done: dict[int, Outcome] = {}
        self.again: list[list[int]] = []
        self.deaths: Counter[int] = Counter()
        self.workers: list[_Worker] = []

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.workers.append(_Worker(self.samples, self.workers))

    def dismiss(self) -> None:
        for worker in self.workers:
            worker.end()

    def work(self, wanted: int) -> None:
        """Hand out clips, wait for an answer, and replace whom it took too long or who died."""
        for worker in self.workers:
            if not worker.clips and (clips := self._clips(wanted)):
                worker.send(clips)
        lines = {worker.line: worker for worker in self.workers}
        for line in connection.wait(list(lines), timeout=min(1.0, self.patience)):
            worker = lines[line]  # type: ignore[index]  # wait() also takes sockets and handles
            try:
                outcome = worker.line.recv()
            except (EOFError, OSError):
                self._lost(worker)
            else:
                self.done[worker.clips.popleft()] = outcome
                worker.heard = time.monotonic()
        for worker in list(self.workers):
            if worker.clips and time.monotonic() - worker.heard > self.patience:
                self._lost(worker, silent=True)

    def _clips(self, wanted: int) -> list[int]:
        if self.again:
            return self.again.pop()
        after = min(self.next + SPAN, len(self.samples), wanted + AHEAD)
        clips, self.next = list(range(self.next, after)), max(self.next, after)
        return clips

    def _lost(self, worker: _Worker, silent: bool = False) -> None:
        """Its first unanswered clip is to blame; the others it held are read by someone else."""
        code = worker.end()
        self.workers.remove(worker)
        self.grow(1)
        if not worker.clips:
            return
        clip, rest = worker.clips[0], list(worker.clips)[1:]
        self.deaths[clip] += 1
        if rest:
            self.again.append(rest)
        if not silent and self.deaths[clip] < TRIES:
            self.again.append([clip])
            return
        sample = self.samples[clip]
        found = f"no answer from its reader within {self.patience:g} s" if silent else _death(code)
        hint = "" if silent else "Out of memory, perhaps: try it with fewer --workers."
        self.done[clip] = str(InputError(found, "a readable clip", file=sample.file, clip=sample.id, hint=hint))


def _death(code: int | None) -> str:
    how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
    return f"a reader whose process died {TRIES} times ({how})"
