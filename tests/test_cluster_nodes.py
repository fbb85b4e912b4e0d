"""A Ray cluster of two nodes, one of which is lost while both are at work."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
from helpers.ray_tasks import gated

from twinsign.ray_cluster import map_tasks

pytest.importorskip("ray", reason="Ray is not installed: pip install 'twinsign[cluster]'")
TASKS = range(4)
PATIENCE = 120


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own, of its nodes' logs
def test_a_lost_machine_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    other = nodes.add_node(num_cpus=1)

    def lose() -> None:
        deadline = time.monotonic() + PATIENCE
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        begun = [int(mark.suffix[1:]) for mark in tmp_path.iterdir()]
        nodes.remove_node(other, allow_graceful=False)
        while all(Path(f"/proc/{process}").exists() for process in begun) and time.monotonic() < deadline:
            time.sleep(0.05)
        (tmp_path / "open").touch()

    losing = Thread(target=lose)
    try:
        losing.start()
        assert list(map_tasks(partial(gated, tmp_path), TASKS, nodes.address)) == list(TASKS)
        losing.join(PATIENCE)
        begun = [mark.name.split(".")[0] for mark in tmp_path.glob("*.*")]
        assert sorted(begun.count(str(task)) for task in TASKS) == [1, 1, 1, 2]
    finally:
        (tmp_path / "open").touch()
        nodes.shutdown()
