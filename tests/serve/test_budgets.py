"""Uploads that would hold a server: refused at once or stopped, while the server answers others."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from helpers import oversized_files
from helpers.server_process import Watch, family, launched
from helpers.trained_runs import Trained

JSON = {"Content-Type": "application/json"}
SOON, SMALL, PROMPT = 20.0, 200.0, 2.0
"""Seconds and megabytes that a hostile upload may take, and seconds for /health meanwhile; ten times and more of what
idle machines take (docs/results.md), which a busy one may need, and far less than an upload that is not stopped."""
FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a.pose": (lambda: oversized_files.pose(20, 65_535), "65,535 persons"),
    "b.pose": (lambda: oversized_files.pose(3, 40_000, version=0.1), "40,000 persons"),
    "c.pose": (lambda: oversized_files.pose(3, 40_000, version=0), "40,000 persons"),
    "d.pose": (lambda: oversized_files.pose(2, 1, points=20_000), "20,000 points"),
    "e.pose": (lambda: oversized_files.pose(5000, 1), "5,000 frames"),
    "a.npz": (lambda: oversized_files.archive(30_000), "30,000 archive members"),
    "a.json": (lambda: oversized_files.nested(63_000_000), "too many values"),
}


@pytest.fixture(scope="module")
def large(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, int]]:
    """A server with the limits that it has by itself, and its process."""
    folder = str(tmp_path_factory.mktemp("budgets") / "signs")
    with launched(trained.finetuned, "--dictionary", folder, "--limits.per_minute", "100000", cold=True) as (
        client,
        process,
    ):
        client.post("/predict", json={"xy": []})
        yield client, process.pid


@pytest.mark.parametrize("name", FILES)
def test_files_that_stand_for_much_work(large: tuple[httpx.Client, int], name: str) -> None:
    (client, pid), (make, found) = large, FILES[name]
    content = make()
    with Watch(client, pid) as watch:
        begun = time.monotonic()
        answer = client.post("/predict/file", params={"name": name}, content=content)
        spent = time.monotonic() - begun
    assert answer.status_code == 413, answer.text
    assert found in answer.json()["error"]["found"]
    assert spent < SOON
    assert watch.grown < SMALL
    assert watch.slow < PROMPT


def heavy(values: int) -> bytes:
    """A body of /predict that takes about a microsecond a value to read, and is wrong at its end."""
    return b'{"xy":[' + b"[[0.123456,0.654321]]," * (values // 4) + b"[]]}"


@pytest.fixture(scope="module")
def patient(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, int]]:
    """A server that takes large bodies, and a second of processor time for each."""
    limits = ["--limits.body_mb", "192", "--limits.nodes", "100000000", "--limits.frames", "100000000"]
    limits += ["--limits.read_seconds", "1", "--limits.read_mb", "4000", "--limits.per_minute", "100000"]
    folder = str(tmp_path_factory.mktemp("patient") / "signs")
    with launched(trained.finetuned, "--dictionary", folder, *limits) as (client, process):
        yield client, process.pid


def test_more_than_its_processor_time_ends_a_body_alone(
    patient: tuple[httpx.Client, int], clip: dict[str, Any]
) -> None:
    client, pid = patient
    with Watch(client, pid) as watch:
        answer = client.post("/predict", content=heavy(30_000_000), headers=JSON)
    assert answer.status_code == 413, answer.text
    found = answer.json()["error"]["found"]  # a starved machine reaches the limit of waiting first
    assert "1 seconds of processor time" in found or "not read after" in found
    assert watch.slow < PROMPT
    assert client.post("/predict", json=clip).status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_crash_leaves_no_core_file(patient: tuple[httpx.Client, int]) -> None:
    limits = Path(f"/proc/{patient[1]}/limits").read_text()
    (row,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert row.split()[4:6] == ["0", "0"]


def test_what_nobody_waits_for_is_stopped(trained: Trained, clip: dict[str, Any], tmp_path: Path) -> None:
    limits = ["--limits.body_mb", "64", "--limits.nodes", "100000000", "--limits.frames", "100000000"]
    limits += ["--limits.read_seconds", "60", "--limits.read_mb", "8000", "--limits.per_minute", "100000"]
    with launched(trained.finetuned, "--dictionary", str(tmp_path / "signs"), *limits) as (client, process):
        client.post("/predict", json=clip)
        before, body = set(family(process.pid)), heavy(10_000_000)
        head = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as raw:
            raw.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            wait_for(lambda: "twinsign_waiting 1.0" in client.get("/metrics").text)
        wait_for(lambda: "twinsign_waiting 0.0" in client.get("/metrics").text)
        assert before - set(family(process.pid)), "its process has been ended"
        assert client.post("/predict", json=clip).status_code == 200
    wait_for(lambda: not [pid for pid in before if Path(f"/proc/{pid}").exists()])


def test_a_reader_that_the_system_ends_is_replaced(patient: tuple[httpx.Client, int], clip: dict[str, Any]) -> None:
    client, pid = patient
    assert client.post("/predict", json=clip).status_code == 200
    for _ in range(2):
        readers = [one for one in family(pid) if Path(f"/proc/{one}/stat").read_text().split()[3] != str(pid)]
        for one in readers[1:]:
            os.kill(one, signal.SIGKILL)
            wait_for(lambda one=one: not alive(one))
        assert client.post("/predict", json=clip).status_code == 200


def alive(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what: Callable[[], bool], seconds: float = 10) -> None:
    """Ask again and again."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_more_than_its_memory_ends_a_body_alone(trained: Trained, clip: dict[str, Any], tmp_path: Path) -> None:
    limits = ["--limits.body_mb", "64", "--limits.nodes", "100000000", "--limits.frames", "100000000"]
    limits += ["--limits.read_seconds", "60", "--limits.read_mb", "100"]
    with launched(trained.finetuned, "--dictionary", str(tmp_path / "signs"), *limits, cold=True) as (client, process):
        with Watch(client, process.pid) as watch:
            answer = client.post("/predict", content=heavy(10_000_000), headers=JSON)
        assert answer.status_code in (413, 422), answer.text
        assert watch.grown < 300
        assert client.post("/predict", json=clip).status_code == 200


def test_a_long_answer_does_not_hold_the_others(large: tuple[httpx.Client, int], tmp_path: Path) -> None:
    import numpy as np

    client, pid = large
    np.savez(tmp_path / "a.npz", xy=np.random.default_rng(0).uniform(0, 1, (1000, 49, 2)).astype(np.float32))
    with Watch(client, pid) as watch:
        for _ in range(3):
            answer = client.post("/predict/file/poses?name=a.npz", content=(tmp_path / "a.npz").read_bytes())
            assert answer.status_code == 200
            assert len(json.loads(answer.content)["poses"]["xy"]) == 1000
    assert watch.slow < PROMPT
