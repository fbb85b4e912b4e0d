"""A thousand requests and more that nobody would send in good faith: none of them is an error of the server's own."""

from __future__ import annotations

import json
import random
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx
import pytest
from helpers import fuzz_targets, mutate, mutate_text, oversized_files
from helpers.server_process import launched
from helpers.trained_runs import Trained
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ROUTES = ("/predict", "/predict/batch", "/predict/file?name=a.npz", "/predict/file/poses?name=a.json", "/dictionary")
PATHS = (*ROUTES, "/", "/health", "/model", "/metrics", "/live", "/docs", "/openapi.json", "/page/main.js", "/nowhere")
METHODS = ("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get", "", "\x00", "X" * 300)
HEADERS = ("Host", "Origin", "Authorization", "Content-Type", "Content-Length", "Content-Encoding", "Upgrade", "Cookie")
HEADERS += ("Transfer-Encoding", "Connection", "X-Forwarded-For", "Expect", "Range", "If-None-Match")
HEADERS += ("Sec-WebSocket-Key", "Sec-WebSocket-Version")
VALUES = ("", "0", "-1", "1e9", "9" * 20, "chunked", "gzip", "websocket", "Upgrade", "100-continue", "[", "a" * 9000)
VALUES += ("application/json", "127.0.0.1", "http://[", "bytes=0-,5-", "Bearer ", "Bearer \xff", "\x00", "é", "close")
STATUSES = {0, 101, 200, 304, 307, 400, 403, 404, 405, 408, 409, 413, 415, 421, 422, 426, 431, 501, 507}
"""0: the line was closed."""
NAMES = ("name", "id", "top", "x")
FILES = ("twinsign.npz", "wholebody.npz", "wholebody.npy", "holistic.npz", "mmpose.json", "coco.pose")
LATE = 20


def raw_requests(rng: random.Random) -> Iterator[bytes]:
    """Requests that are hardly HTTP."""
    for _ in range(330):
        path = rng.choice(PATHS)
        if rng.random() < 0.4:
            value = "".join(chr(rng.randrange(1, 256)) for _ in range(rng.randrange(30)))
            path += ("&" if "?" in path else "?") + f"{rng.choice(NAMES)}={quote(value, safe='%&=/')}"
        if rng.random() < 0.1:
            path = "".join(chr(rng.randrange(33, 256)) for _ in range(rng.randrange(1, 60)))
        rows = [f"{rng.choice(METHODS[:4] if rng.random() < 0.8 else METHODS)} {path} HTTP/1.{rng.choice('0111119')}"]
        rows += ["Host: 127.0.0.1"] if rng.random() < 0.8 else []
        rows += [f"{rng.choice(HEADERS)}: {rng.choice(VALUES)}" for _ in range(rng.randrange(4))]
        rows += ["Connection: close"] if rng.random() < 0.7 else []
        body = bytes(rng.randrange(256) for _ in range(rng.choice([0, 0, 5, 50])))
        text = "\r\n".join(rows).encode("latin-1") + b"\r\n\r\n" + body
        yield text if rng.random() < 0.8 else bytes(rng.randrange(256) for _ in range(60)) + b"\r\n\r\n"


def status_of(client: httpx.Client, request: bytes) -> int:
    """What is answered; 0 where the line is closed or nothing comes soon."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=LATE) as line:
        try:
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
            answer = line.recv(65536)
        except OSError:
            return 0
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def changed(how: mutate.Mutator, content: bytes, rng: random.Random) -> bytes:
    """Content changed in this way, or anyhow where the mutator cannot write what it has made."""
    try:
        return how(content, rng)
    except (RecursionError, UnicodeError):
        return mutate.raw(content, rng)


def bodies(rng: random.Random, clip: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """JSON with something wrong in it."""
    short = clip | {"xy": clip["xy"][:2], "seen": clip["seen"][:2]}
    for path, body in (("/predict", short), ("/predict/batch", {"clips": [short]}), ("/dictionary", {"clip": short})):
        whole = json.dumps(body).encode()
        for _ in range(110):
            yield path, changed(mutate_text.json_text, whole, rng)


def files(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Files with something wrong in them."""
    for name in FILES:
        content, how = fuzz_targets.CLIPS[name]
        for _ in range(50):
            yield name, changed(how, content, rng)
    for persons in (0, 1, 17, 65_535):
        for version in (0, 0.1, 0.2):
            yield "a.pose", oversized_files.pose(2, persons, version=version)


def messages(rng: random.Random) -> Iterator[list[str | bytes]]:
    """What a socket of the live stream gets."""
    starts = ['{"type":"start","frames":"poses"}', "{", "[]", '{"type":"start","token":"\\ud800"}', b"\x00" * 9]
    frame = json.dumps({"time": 1, "xy": [[0.5, 0.5]] * 49}).encode()
    for _ in range(60):
        after = [changed(mutate_text.json_text, frame, rng) for _ in range(3)]
        yield [rng.choice(starts), *(one.decode("utf-8", "replace") for one in after), bytes(rng.randrange(99))]


def test_no_request_is_an_error_of_the_server(trained: Trained, clip: dict[str, Any], tmp_path: Path) -> None:
    rng, statuses = random.Random(5), Counter[int]()
    limits = ["--limits.per_minute", "1000000", "--limits.body_seconds", "3", "--limits.enrolled", "5"]
    with (
        (tmp_path / "log").open("wb") as log,
        launched(trained.finetuned, "--dictionary", str(tmp_path / "signs"), *limits, log=log.fileno()) as (
            client,
            _process,
        ),
    ):
        for request in raw_requests(rng):
            statuses[status_of(client, request)] += 1
        for path, body in bodies(rng, clip):
            answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
            statuses[answer.status_code] += 1
        for name, content in files(rng):
            statuses[client.post("/predict/file", params={"name": name}, content=content).status_code] += 1
        for sent in messages(rng):
            statuses[said(client, sent)] += 1
        assert client.get("/health").json() == {"status": "ok"}
        assert client.post("/predict", json=clip).status_code == 200
    assert statuses.total() >= 1000, statuses
    assert statuses[500] == 0, statuses
    assert set(statuses) <= STATUSES, statuses
    written = (tmp_path / "log").read_text(errors="replace")
    assert "Traceback" not in written, written[-3000:]


def said(client: httpx.Client, sent: list[str | bytes]) -> int:
    """101 where the stream answers all, or closes with a code of its own; 500 where it breaks off."""
    with connect(str(client.base_url).replace("http", "ws").rstrip("/") + "/live", open_timeout=LATE) as line:
        try:
            for one in sent:
                line.send(one)
                assert json.loads(line.recv(LATE))["type"] in ("ready", "frame", "sign", "error")
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else 1006
            return 101 if code in (1001, 1008, 1009, 1013) else 500
    return 101


@pytest.mark.parametrize("size", [10, 1000, 60_000])
def test_a_header_of_any_length(server: httpx.Client, size: int) -> None:
    request = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {'x' * size}\r\n\r\n"
    assert status_of(server, request.encode()) in (200, 400, 431)
