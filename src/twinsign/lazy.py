"""Imports when they are needed, and quick ones: `import twinsign` stays fast, and a command answers soon."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__` (PEP 562), for names whose `homes` are "module" or "module:name"."""

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = homes[name].partition(":")
        value = import_module(f"twinsign.{module}")
        if attribute:
            value = getattr(value, attribute)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        own = {name for name in vars(sys.modules[package]) if name not in ("TYPE_CHECKING", "lazy_names", "os")}
        return sorted({*own, *homes})

    return get, names


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import large libraries without collecting garbage meanwhile: they make a million objects that stay."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # once: what a later call froze might be garbage
            gc.freeze()
        if collecting:
            gc.enable()
