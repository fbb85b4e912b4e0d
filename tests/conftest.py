"""What all tests share: the real data's folder, quiet threads, and one Hypothesis profile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Set before anything imports numpy or torch: both read it once; a worker of pytest-xdist has one core to itself.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
os.environ.setdefault("MPLBACKEND", "agg")

# The machine may be busy, so no deadline; in CI the same examples each time, so that a change is judged alone.
settings.register_profile("twinsign", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("twinsign")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real sign poses that $TWINSIGN_DATA names; the test is skipped where it is not set."""
    value = os.environ.get("TWINSIGN_DATA")
    if not value:
        pytest.skip("TWINSIGN_DATA is not set: it names the folder of real sign poses")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"TWINSIGN_DATA={value!r} is not a folder")
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A pack and tiny finished RUNs on it (trained.Trained), made once; tests must leave them as they are."""
    from helpers.trained_runs import train_all

    return train_all(tmp_path_factory.mktemp("trained"))
