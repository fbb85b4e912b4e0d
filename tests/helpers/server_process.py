"""A real server: `twinsign serve` in a process of its own, on a free port of this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2 as httpx

from helpers.warm_process import WarmProcess

PATIENCE = 240
Server = WarmProcess | subprocess.Popen[bytes]


@contextmanager
def served(model: Path, *options: str, **env: str) -> Iterator[httpx.Client]:
    """A client of a server of this RUN; the server ends with the block."""
    with launched(model, *options, **env) as (client, _process):
        yield client


@contextmanager
def launched(
    model: Path, *options: str, log: int | None = None, file_bytes: int | None = None, cold: bool = False, **env: str
) -> Iterator[tuple[httpx.Client, Server]]:
    """The same with its process, whose output goes to `log`; it can write no file larger than `file_bytes`.

    `cold`: started from nothing, so that all its memory is its own.
    """
    with socket.socket() as free, tempfile.TemporaryFile() as told:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        words = ["serve", "--model", str(model), "--port", str(port), *options]
        free.close()
        out = told.fileno() if log is None else log
        env = {"COLUMNS": "200", "XDG_CACHE_HOME": os.devnull, **env}  # what was fetched before must decide nothing
        process: Server
        if cold:
            command = [sys.executable, "-m", "twinsign", *words]
            process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **env})
        else:
            process = WarmProcess(words, out, env, file_bytes)
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
        try:
            await_answer(client, process, out)
            yield client, process
        finally:
            client.close()
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def await_answer(client: httpx.Client, process: Server, log: int) -> None:
    """Ask for the server's health until it answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            client.get("/health")
            return
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no server: {Path(f'/proc/self/fd/{log}').read_bytes()!r}") from None
            time.sleep(0.05)


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
