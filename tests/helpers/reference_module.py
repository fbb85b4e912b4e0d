"""benchmarks/reference.py as a module: it is no part of the package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load() -> ModuleType:
    """The module, loaded from its file once."""
    name = "twinsign_reference"
    if name not in sys.modules:
        file = Path(__file__).resolve().parents[2] / "benchmarks" / "reference.py"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
