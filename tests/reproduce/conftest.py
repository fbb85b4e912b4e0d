"""A tiny finished grid, and copies of it to change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.grids import Sweep, make
from helpers.made_once import made_once


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """The grid of sweeps.SWEEP, made once for all processes; tests must leave it as it is."""
    return Sweep(made_once(tmp_path_factory, "sweep", make))


@pytest.fixture
def copied(sweep: Sweep, tmp_path: Path) -> Sweep:
    """A copy of the finished grid, to change."""
    shutil.copytree(sweep.folder, tmp_path / "copy")
    return Sweep(tmp_path / "copy")
