"""A real Ray cluster on this machine: the same results as here, nothing lost and nothing twice when a process dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers.ray_tasks import BROKEN, KILLED, REFUSED, after_dying, for_ever, squares, unfit
from helpers.recordings import recording, sample
from helpers.trained_runs import Trained
from helpers.videos import MORTAL, make_video, picture

from twinsign.cli.main import main
from twinsign.errors import InputError
from twinsign.extract.jobs import Settings, find_jobs, run_jobs
from twinsign.pack.open import Pack
from twinsign.pack.write import PackOptions, write_pack
from twinsign.ray_cluster import as_completed, connected, map_outcomes, map_tasks

pytest.importorskip("ray", reason="Ray is not installed: pip install 'twinsign[cluster]'")
pytestmark = pytest.mark.slow
TASKS = range(40)
CLUSTER = ["--cluster", "local"]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One cluster for all tests here, whose processes find these tests' modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
        with connected("local"):
            yield


def test_results_come_in_order_and_a_killed_process_costs_nothing(tmp_path: Path) -> None:
    found = list(map_tasks(partial(squares, tmp_path, False), TASKS, "local"))
    assert found == [task * task for task in TASKS]
    times = {task: len((tmp_path / str(task)).read_text().splitlines()) for task in TASKS}
    assert times.pop(KILLED) == 2
    assert set(times.values()) <= {1, 2}  # what waited in the killed process's line may be done again
    everyone = {line for task in TASKS for line in (tmp_path / str(task)).read_text().splitlines()}
    assert len(everyone) >= 2  # the killed one, and one in its place


def test_what_cannot_be_done_is_said_and_costs_itself_alone(tmp_path: Path) -> None:
    found = list(map_outcomes(partial(squares, tmp_path, True), TASKS, "local"))
    assert [answer.result for answer in found if answer.error is None] == [
        task * task for task in TASKS if task not in (KILLED, REFUSED, BROKEN)
    ]
    assert "died 2 times" in str(found[KILLED].error)
    refused = found[REFUSED].error
    assert isinstance(refused, InputError)
    assert (refused.file, refused.frame) == ("seven.txt", 3)
    assert "ZeroDivisionError: nine" in str(found[BROKEN].error)
    with pytest.raises(Exception, match=r"died 2 times|a seven|nine"):
        list(map_tasks(partial(squares, tmp_path, True), TASKS, "local"))


def test_each_task_is_told_once(tmp_path: Path) -> None:
    numbers = [number for number, _ in as_completed(partial(squares, tmp_path, False), TASKS, "local")]
    assert sorted(numbers) == list(TASKS)


def test_work_that_cannot_begin_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.onnx"):
        list(map_tasks(unfit, TASKS, "local"))
    with (tmp_path / "file").open("w") as stream, pytest.raises(InputError, match="cannot be sent"):
        list(map_tasks(partial(print, file=stream), TASKS, "local"))


def test_without_an_address_it_is_a_loop_here(tmp_path: Path) -> None:
    assert list(map_tasks(partial(squares, tmp_path, False), [1, 2, 3], None)) == [1, 4, 9]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "ray://", "nowhere"])
def test_no_cluster_there_is_said_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(InputError, match="no cluster at"), connected(address):
        pass


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"twinsign\[cluster\]"), connected("auto"):
        pass


def test_a_pack_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    words = ["pack", "synthetic", "--corpus.glosses", "5", "--corpus.signers", "5", "--out"]
    assert main([*words, str(tmp_path / "here.pack"), "--workers", "0"]) == 0
    assert main([*words, str(tmp_path / "there.pack"), *CLUSTER]) == 0
    assert (tmp_path / "here.pack").read_bytes() == (tmp_path / "there.pack").read_bytes()


def test_a_reader_that_dies_costs_its_own_clip(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = [sample(recording(rng, f"clip{number}", 3)) for number in range(20)]
    once, always = samples[4], samples[11]
    samples[4] = replace(once, read=partial(after_dying, tmp_path / "once", once.read))
    samples[11] = replace(always, read=partial(after_dying, None, always.read))
    report = write_pack(samples, tmp_path / "P.pack", options=PackOptions(cluster="local"))
    assert Pack(tmp_path / "P.pack").column("id") == [f"clip{number}" for number in range(20) if number != 11]
    assert "died 2 times" in report.unreadable["clip11"]


def test_a_reader_that_hangs_costs_its_own_clip(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = [sample(recording(rng, f"clip{number}", 3)) for number in range(10)]
    samples[2] = replace(samples[2], read=for_ever)
    report = write_pack(samples, tmp_path / "P.pack", options=PackOptions(cluster="local", patience=1.0))
    assert Pack(tmp_path / "P.pack").column("id") == [f"clip{number}" for number in range(10) if number != 2]
    assert list(report.unreadable) == ["clip2"]


def test_the_doctor_says_the_same(trained: Trained, tmp_path: Path) -> None:
    said = []
    for name, more in (("here", []), ("there", CLUSTER)):
        main(["doctor", str(trained.pack), "--json", str(tmp_path / name), *more])
        said.append((tmp_path / name).read_bytes())
    assert said[0] == said[1]


def test_embeddings_are_the_same_byte_for_byte(trained: Trained, tmp_path: Path) -> None:
    words = ["embed", "--model", str(trained.pretrained), "--data", str(trained.pack), "--out"]
    assert main([*words, str(tmp_path / "here.parquet")]) == 0
    assert main([*words, str(tmp_path / "there.parquet"), *CLUSTER]) == 0
    assert (tmp_path / "here.parquet").read_bytes() == (tmp_path / "there.parquet").read_bytes()


def test_videos_are_extracted_though_a_process_dies(tmp_path: Path) -> None:
    for number in range(4):
        make_video(tmp_path / "in" / f"{number}.mp4", 4 + number)
    make_video(tmp_path / "in" / "deadly.mp4", [picture((96, 64), red=None)] * 3)
    jobs, ticks = find_jobs([str(tmp_path / "in")], "pose"), list[tuple[int, int]]()
    outcome = run_jobs(
        jobs, tmp_path / "there", Settings(), 1, lambda *tick: ticks.append(tick), MORTAL, cluster="local"
    )
    assert [row["output"] for row in outcome.done] == [f"{number}.pose" for number in range(4)]
    (reason,) = outcome.unreadable.values()
    assert "died 2 times" in reason
    assert sum(done for done, _ in ticks) == 5
    run_jobs(jobs[:4], tmp_path / "here", Settings(), 1, loader=MORTAL)
    for number in range(4):
        one, other = ((tmp_path / place / f"{number}.pose").read_bytes() for place in ("here", "there"))
        assert one == other
    again = run_jobs(jobs[:4], tmp_path / "there", Settings(), 1, loader=MORTAL, cluster="local")
    assert len(again.before) == 4
