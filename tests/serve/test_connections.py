"""Connections that ask for nothing: they end, and never keep anybody else out."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from helpers import scripted_signer
from helpers.server_process import served
from helpers.trained_runs import Trained
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from twinsign.streaming.segmenter import Frame

HALF = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
BODY = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"
WHOLE = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextmanager
def many(client: httpx.Client, count: int, start: bytes) -> Iterator[list[socket.socket]]:
    """So many connections, each of which has sent `start`."""
    with ExitStack() as stack:
        lines = []
        for _ in range(count):
            line = stack.enter_context(
                socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=30)
            )
            line.sendall(start)
            lines.append(line)
        yield lines


def answer(line: socket.socket) -> bytes:
    """What /health answers, whole."""
    told = b""
    while not told.endswith(b"}"):
        told += line.recv(65536) or b"}"
    return told


def ended(line: socket.socket, seconds: float) -> bool:
    """Whether the other side closes within so many seconds."""
    line.settimeout(seconds)
    try:
        while line.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def asked(client: httpx.Client) -> int:
    """The status of /health by a connection of its own."""
    return httpx.get(f"{client.base_url}/health", timeout=10, trust_env=False).status_code


@pytest.fixture(scope="module")
def brisk(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server whose headers may take two seconds."""
    limits = ["--limits.header_seconds", "2", "--limits.connections", "20", "--limits.per_minute", "100000"]
    folder = str(tmp_path_factory.mktemp("brisk") / "signs")
    with served(trained.finetuned, "--dictionary", folder, *limits) as client:
        yield client


@pytest.mark.parametrize("start", [b"", HALF, b"\r\n", b"GET", BODY], ids=["none", "half", "blank", "word", "body"])
def test_hundreds_that_send_nothing_more_lock_nobody_out(brisk: httpx.Client, start: bytes) -> None:
    with many(brisk, 220, start):
        begun = time.monotonic()
        assert [asked(brisk) for _ in range(5)] == [200] * 5
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("start", [b"", HALF, b"\r\n"], ids=["none", "half", "blank"])
def test_a_header_has_a_time_limit_however_slowly_it_comes(brisk: httpx.Client, start: bytes) -> None:
    with many(brisk, 1, start) as (line,):
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 10:
                line.sendall(b"a")
                time.sleep(0.2)
        except ConnectionError:
            pass
        assert time.monotonic() - begun < 8


def test_the_next_header_on_the_same_line_has_one_too(brisk: httpx.Client) -> None:
    with many(brisk, 1, WHOLE) as (line,):
        assert b"200" in answer(line)
        line.sendall(b"GET /hea")
        assert ended(line, 8)


def test_a_slow_request_within_its_time_is_answered(brisk: httpx.Client) -> None:
    with many(brisk, 1, b"") as (line,):
        for byte in (WHOLE[:10], WHOLE[10:30], WHOLE[30:]):
            time.sleep(0.4)
            line.sendall(byte)
        assert b"200" in answer(line)
        time.sleep(0.5)
        line.sendall(WHOLE)
        assert b"200" in answer(line)


def heard(line: ClientConnection) -> dict[str, Any]:
    """The next message."""
    told: dict[str, Any] = json.loads(line.recv(30))
    return told


def message(frame: Frame) -> str:
    """A frame's poses as the stream takes them."""
    return json.dumps({"time": frame.time, "xy": frame.xy.tolist(), "seen": frame.score.tolist()})


def live(client: httpx.Client) -> ClientConnection:
    """A socket of the live stream."""
    return connect(str(client.base_url).replace("http", "ws").rstrip("/") + "/live", open_timeout=30)


def test_silent_sockets_leave_the_live_stream_to_others(brisk: httpx.Client) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(live(brisk)) for _ in range(19)]
        with live(brisk) as socket:
            socket.send(json.dumps({"type": "start", "frames": "poses"}))
            assert heard(socket) == {"type": "ready"}
            socket.send(message(scripted_signer.frame(0.0, [])))
            assert heard(socket)["type"] == "frame"
        assert "silent" in heard(silent[0])["error"]["found"]


def test_a_first_message_has_a_time_limit(trained: Trained, tmp_path: Path) -> None:
    limits = ["--limits.start_seconds", "5", "--limits.yields", "1", "--limits.streams", "1"]
    with served(trained.finetuned, "--dictionary", str(tmp_path / "signs"), *limits) as client:
        with live(client) as socket:
            assert "nothing for 5 seconds" in heard(socket)["error"]["found"]
        with live(client) as idle, live(client) as busy, live(client) as third:
            start = json.dumps({"type": "start", "frames": "poses"})
            idle.send(start)
            assert heard(idle) == {"type": "ready"}
            time.sleep(1.5)
            for line in (busy, third):
                line.send(start)
            told = {heard(busy)["type"], heard(third)["type"]}
            assert told <= {"ready", "error"}
            assert "ready" in told
            assert "silent" in heard(idle)["error"]["found"]
            with pytest.raises(ConnectionClosed):
                idle.recv(10)
