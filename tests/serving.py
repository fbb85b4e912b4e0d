"""A real server: `twinsign serve` in a process of its own, on a free port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx

PATIENCE = 120


@contextmanager
def served(model: Path, *options: str) -> Iterator[httpx.Client]:
    """A client of a server of this RUN; the server ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "twinsign", "serve", "--model", str(model), "--port", str(port), *options]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "COLUMNS": "200"}
    )
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                client.get("/health")
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"no server: {process.communicate()[0].decode()}") from None
                time.sleep(0.2)
        yield client
    finally:
        client.close()
        process.terminate()
        process.communicate(timeout=30)
