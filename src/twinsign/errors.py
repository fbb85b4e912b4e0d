"""Errors that say where (file, clip, frame), what was found, what was wanted and what to do."""

from __future__ import annotations

from os import PathLike


class TwinsignError(Exception):
    """Base of every error that twinsign raises on purpose."""


class InputError(TwinsignError, ValueError):
    """Something given from outside (file, clip, option) that cannot be used."""

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
