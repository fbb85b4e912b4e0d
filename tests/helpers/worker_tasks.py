"""What the workers' tests have done in other processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from twinsign.errors import InputError

Task = tuple[str, str]


def load(folder: Path) -> Callable[[Task], object]:
    """Notes the process that loads, and gives the work."""
    (folder / f"loaded.{os.getpid()}").touch()
    return partial(work, folder)


def refuse() -> Callable[[Task], object]:
    """A load that fails."""
    raise InputError("no model", "a model")


def crash() -> Callable[[Task], object]:
    """A load with a fault of its own."""
    raise ImportError("no such library")


def work(folder: Path, task: Task) -> object:
    """Do what the task's first word says; each attempt leaves a file."""
    what, name = task
    attempt = sum(1 for _ in folder.glob(f"{name}.*"))
    (folder / f"{name}.{attempt}").touch()
    if what == "die" or (what == "die once" and not attempt):
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        os._exit(7)
    if what == "refuse":
        raise InputError("bad", "good", file=name)
    if what == "fail":
        raise RuntimeError("a bug")
    if what == "wait":
        time.sleep(600)
    return {"name": name, "process": os.getpid()}
