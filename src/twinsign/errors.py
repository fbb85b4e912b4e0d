"""Errors that name file, clip and frame, what was found, what was wanted and what to do."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable
from os import PathLike
from typing import Any


class TwinsignError(Exception):
    """Base class of twinsign's errors."""


class StoppedError(TwinsignError):
    """A signal stopped a training, which is saved up to `step` (None: up to its last checkpoint)."""

    def __init__(self, by: int, step: int | None = None) -> None:
        self.by, self.step = by, step
        where = "from its last checkpoint" if step is None else f"after step {step}"
        super().__init__(f"stopped by {signal.Signals(by).name}; the same command resumes {where}")

    def __reduce__(self) -> tuple[type[StoppedError], tuple[int, int | None]]:
        return StoppedError, (self.by, self.step)


class DiskFullError(TwinsignError):
    """The disk is full: work stops, and files written before are whole."""


class InputError(TwinsignError, ValueError):
    """Input (a file, clip or option) that cannot be used.

    Examples:
        >>> import twinsign as ts
        >>> try:
        ...     ts.read("absent.pose")
        ... except ts.InputError as error:
        ...     print(error.file, error.found, error.wanted, sep=" | ")
        absent.pose | no such file | a whole .pose file
    """

    def __init__(
        self,
        found: str,
        wanted: str,
        *,
        file: str | PathLike[str] | None = None,
        clip: str | None = None,
        frame: int | None = None,
        hint: str = "",
    ) -> None:
        self.found, self.wanted, self.hint = found, wanted, hint
        self.file, self.clip, self.frame = file, clip, frame
        places = [str(file)] if file is not None else []
        places += [f"clip {clip!r}"] if clip is not None else []
        places += [f"frame {frame}"] if frame is not None else []
        where = ", ".join(places) + ": " if places else ""
        super().__init__(f"{where}found {found}; wanted {wanted}." + (f" {hint}" if hint else ""))

    def __reduce__(self) -> tuple[Callable[[], InputError], tuple[Any, ...]]:
        names = ("found", "wanted", "file", "clip", "frame", "hint")
        return functools.partial(type(self), **{name: getattr(self, name) for name in names}), ()


class InUseError(InputError):
    """A folder that another process is writing."""


class TooLargeError(InputError):
    """Content beyond a bound: more frames, persons, pixels or values than its reader accepts."""
