"""Reading samples in several processes, in order; one that crashes or hangs costs its own clip alone."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from twinsign import cluster as ray_cluster
from twinsign.cluster import Answer
from twinsign.datasets.sample import Sample
from twinsign.errors import InputError
from twinsign.extract.workers import in_order, run_in_processes
from twinsign.pack.clip import StoredClip, stored_clip

SPAN = 8
"""Clips that a process is sent at once."""


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def encode_samples(
    samples: Sequence[Sample], first: int, workers: int, patience: float, cluster: str | None = None
) -> Iterator[StoredClip | str]:
    """Yield each sample from number `first` on as a clip, or the reason why it is none, in order.

    By this process (0 workers), by forked ones or by those of a Ray cluster: a clip whose process dies TRIES times, or
    is silent for `patience` seconds, has a reason.
    """
    numbers = range(first, len(samples))
    if cluster is not None:
        answers = _encode_on_cluster(samples, numbers, patience, cluster)
    elif workers == 0:
        yield from (_encode(samples[number]) for number in numbers)
        return
    else:  # forked: samples may close over opened archives, which are then shared instead of sent
        options: dict[str, Any] = {"fork": True, "queued": SPAN, "patience": patience}
        answers = in_order(run_in_processes(lambda: lambda n: _encode(samples[n]), numbers, workers, **options))
    for number, answer in zip(numbers, answers, strict=True):
        yield answer.result if answer.error is None else _unreadable(samples[number], str(answer.error))


def _encode_on_cluster(samples: Sequence[Sample], numbers: range, patience: float, address: str) -> Iterator[Answer]:
    """An answer a clip: spans of clips are sent at once, and those of a span that fails one by one."""
    spans = [numbers[start : start + SPAN] for start in range(0, len(numbers), SPAN)]
    load = partial(_cluster_encoder, samples, patience)
    with ray_cluster.connected(address):
        for span, answer in zip(spans, ray_cluster.in_order(load, spans, address), strict=True):
            if answer.error is None:
                yield from map(Answer, answer.result)
                continue
            for alone in ray_cluster.in_order(load, [[number] for number in span], address):
                yield Answer(alone.result[0]) if alone.error is None else alone


def _cluster_encoder(samples: Sequence[Sample], patience: float) -> Callable[[Sequence[int]], list[StoredClip | str]]:
    def encode(number: int) -> StoredClip | str:
        with Path(os.devnull).open("w", encoding="utf-8") as null:
            faulthandler.dump_traceback_later(patience, exit=True, file=null)  # whatever holds the interpreter
            try:
                return _encode(samples[number])
            finally:
                faulthandler.cancel_dump_traceback_later()

    return lambda numbers: [encode(number) for number in numbers]


def _encode(sample: Sample) -> StoredClip | str:
    try:
        return stored_clip(sample)
    except InputError as error:
        return str(error)
    except Exception as error:  # a reader's own fault must cost one clip, not a night's import
        return _unreadable(sample, f"a reader that failed ({type(error).__name__}: {error})")


def _unreadable(sample: Sample, reason: str) -> str:
    return str(InputError(reason, "a readable clip", file=sample.file, clip=sample.id))
