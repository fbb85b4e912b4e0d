"""Public names that load their modules when they are first used (PEP 562), so that `import twinsign` stays fast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`, for names whose `homes` are "module" or "module:name"."""

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
