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

LONGEST = """
extract/test_journey test_kills test_real_data runs/test_convert cli/commands/test_demo train/test_distributed_runs
inference/test_export train/test_launch nn/test_compile train/test_resume cli/test_main train/test_protocols
reproduce/test_grid serve/test_budgets serve/test_connections
serve/test_access train/test_stops serve/test_fuzz inference/test_one_door inference/test_shift serve/test_films
serve/test_live extract/test_holistic extract/test_holistic_live test_tutorial test_dist test_cluster_nodes
test_ray_cluster test_site test_terminal nn/test_baselines serve/test_hostile test_full_disk runs/test_recipe
reproduce/test_results reproduce/test_pictures
"""
"""Files of tests/ that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first: one that came last would keep a process busy while the others have none to do."""
    places = {name: number for number, name in enumerate(LONGEST.split())}
    folder = Path(__file__).parent
    items.sort(key=lambda item: places.get(str(item.path.relative_to(folder).with_suffix("")), len(places)))


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
