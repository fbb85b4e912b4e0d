"""A real server: `twinsign serve` in a process of its own, on a free port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2 as httpx

PATIENCE = 120


@contextmanager
def served(model: Path, *options: str, **env: str) -> Iterator[httpx.Client]:
    """A client of a server of this RUN; the server ends with the block."""
    with launched(model, *options, **env) as (client, _process):
        yield client


@contextmanager
def launched(
    model: Path, *options: str, log: int = subprocess.PIPE, file_bytes: int | None = None, **env: str
) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """The same with its process, whose output goes to `log`; it can write no file larger than `file_bytes`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "twinsign", "serve", "--model", str(model), "--port", str(port), *options]
    if file_bytes is not None:  # a full disk, as far as the server can tell
        start = f"import resource, os, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({file_bytes},) * 2)"
        words = [sys.executable, "-c", f"{start}; os.execv(sys.argv[1], sys.argv[1:])", *words]
    # No cache: what this machine fetched before must not decide who estimates poses.
    fixed = {"COLUMNS": "200", "XDG_CACHE_HOME": os.devnull}
    process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **fixed, **env})
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                client.get("/health")
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"no server: {process.communicate()[0]!r}") from None
                time.sleep(0.2)
        yield client, process
    finally:
        client.close()
        process.terminate()
        process.communicate(timeout=30)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(status.parent.name))
    members = [pid]
    for one in members:
        members += children.get(one, [])
    return members


def megabytes(pid: int) -> float:
    """Memory of a process and its descendants, shared pages counted once."""
    total = 0
    for one in family(pid):
        with suppress(OSError):
            rows = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total / 1024


class Watch:
    """How long /health takes and how much memory a server has, while the block is at work."""

    def __init__(self, client: httpx.Client, pid: int) -> None:
        self._address, self._pid, self._over = str(client.base_url), pid, threading.Event()
        self.delays, self.grown = list[float](), 0.0
        self._threads = [threading.Thread(target=work) for work in (self._ask, self._weigh)]

    def __enter__(self) -> Watch:
        self._before = megabytes(self._pid)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._address, timeout=60, trust_env=False) as client:
            while not (self._over.is_set() and self.delays):
                begun = time.monotonic()
                assert client.get("/health").status_code == 200
                self.delays.append(time.monotonic() - begun)
                time.sleep(0.01)

    def _weigh(self) -> None:
        while not self._over.is_set():
            self.grown = max(self.grown, megabytes(self._pid) - self._before)
            time.sleep(0.02)

    @property
    def slow(self) -> float:
        """The time that 19 of 20 answers of /health took at most."""
        return sorted(self.delays)[int(0.95 * (len(self.delays) - 1))]
