"""What a cluster's processes are given to do in tests: these must be importable there, too."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from twinsign.errors import InputError
from twinsign.pose.recording import Recording

KILLED, REFUSED, BROKEN = 5, 7, 9
"""Tasks whose process is killed, which are refused, and which fail."""


def squares(marks: Path, always: bool) -> Callable[[int], int]:
    """Squares; the process that does KILLED dies: the first time, or always. Who did what stands in `marks`."""

    def work(task: int) -> int:
        with (marks / str(task)).open("a", encoding="utf-8") as mark:
            mark.write(f"{os.getpid()}\n")
        first = len((marks / str(task)).read_text(encoding="utf-8").splitlines()) == 1
        if task == KILLED and (first or always):
            os.kill(os.getpid(), signal.SIGKILL)
        if task == REFUSED and always:
            raise InputError("a seven", "another number", file="seven.txt", frame=3)
        if task == BROKEN and always:
            raise ZeroDivisionError("nine")
        time.sleep(0.01 * (task % 3))  # so that results come out of order
        return task * task

    return work


def unfit() -> Callable[[int], int]:
    """Cannot begin."""
    raise InputError("no model", "a model", file="model.onnx")


def after_dying(mark: Path | None, read: Callable[[], Recording]) -> Recording:
    """Read after this process was killed, which `mark` remembers; without one it is killed each time."""
    if mark is None or not mark.exists():
        if mark is not None:
            mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return read()


def for_ever() -> Recording:
    """Never comes back."""
    while True:
        time.sleep(60)


def gated(folder: Path) -> Callable[[int], int]:
    """Gives a task back once there is a file `open`; who began what stands in `folder`."""

    def work(task: int) -> int:
        (folder / f"{task}.{os.getpid()}").touch()
        deadline = time.monotonic() + 120
        while not (folder / "open").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        return task

    return work
