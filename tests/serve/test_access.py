"""Who may ask: hosts, origins, proxies, tokens; and what refusals and logs may not tell."""

from __future__ import annotations

import json
import socket
import tempfile
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from helpers.server_process import launched, served
from helpers.trained_runs import Trained
from websockets.sync.client import connect

from twinsign.cli.main import main

JSON = {"Content-Type": "application/json"}
STRANGE = ("elsewhere.example", "127.0.0.1.elsewhere.example", "localhost.elsewhere.example", "[", "[::1", "]", "a b")
STRANGE += ("127.0.0.1:99999999", "127.0.0.1:x", "u@127.0.0.1", "", "\xff", "x" * 5000, "127.0.0.1/", "127.0.0.1#", "0")
ORIGINS = ("https://elsewhere.example", "null", "[", "http://[", "http://[::1", "file://", "\xff", "http://127.0.0.1:1")
ORIGINS += ("http://127.0.0.1@elsewhere.example", "", "http://" + "x" * 5000)


def raw(client: httpx.Client, text: str) -> tuple[int, str]:
    """Status and all that comes back for a request as it is."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=30) as line:
        line.sendall(text.encode("latin-1"))
        answer = b"".join(iter(lambda: line.recv(65536), b"")).decode("utf-8", "replace")
    return int(answer.split(" ", 2)[1]), answer


@pytest.mark.parametrize("host", STRANGE)
@pytest.mark.parametrize("options", [(), ("--host", "0.0.0.0", "--token", "secret")], ids=["local", "open"])
def test_only_the_servers_own_names_are_served(
    servers: dict[tuple[str, ...], httpx.Client], options: tuple[str, ...], host: str
) -> None:
    client = servers[options]
    for path in ("/health", "/", "/model"):
        status, answer = raw(client, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        assert status in (400, 421), answer[:300]


@pytest.fixture(scope="module")
def servers(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server for this machine alone, and one for others."""
    folder, more = str(tmp_path_factory.mktemp("access") / "signs"), ["--limits.per_minute", "100000"]
    outside = ("--host", "0.0.0.0", "--token", "secret")
    names = ("--names", "signs.example", "signs.example:8443")
    with (
        served(trained.finetuned, "--dictionary", folder, *more) as local,
        served(trained.finetuned, "--dictionary", folder, *outside, *names, *more) as beyond,
    ):
        yield {(): local, outside: beyond}


def test_names_and_addresses_of_an_open_server(servers: dict[tuple[str, ...], httpx.Client]) -> None:
    client = next(client for options, client in servers.items() if options)
    port = client.base_url.port
    for host in ("signs.example", "SIGNS.example", "signs.example:8443", f"127.0.0.1:{port}", f"localhost:{port}"):
        assert raw(client, f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")[0] == 200, host
    head = "POST /predict HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\nAuthorization: Bearer secret\r\n"
    for origin, host, status in (
        ("https://signs.example", "signs.example", 415),
        ("https://signs.example", "127.0.0.1", 415),
        ("https://signs.example:8443", "signs.example", 415),
        ("https://signs.example:9000", "signs.example", 403),
        ("ftp://signs.example", "signs.example", 403),
    ):
        assert raw(client, f"{head}Host: {host}\r\nOrigin: {origin}\r\n\r\n")[0] == status, (origin, host)


@pytest.mark.parametrize("origin", ORIGINS)
def test_strange_origins_are_refused(server: httpx.Client, origin: str) -> None:
    head = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n"
    status, answer = raw(server, f"{head}Origin: {origin}\r\n\r\n")
    assert status in (400, 403), answer[:300]
    with pytest.raises(Exception, match=r"40[03]|rejected|HTTP"):
        connect(str(server.base_url).replace("http", "ws") + "/live", additional_headers={"Origin": origin})


def test_an_open_server_wants_a_token(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "mybox"):
        assert main(["serve", "--model", str(trained.finetuned), "--host", host]) == 2
        assert "--insecure" in capsys.readouterr().err
    assert main(["serve", "--model", str(trained.finetuned), "--proxies", "nobody"]) == 2
    assert "--proxies" in capsys.readouterr().err


def spoofed(client: httpx.Client, count: int) -> int:
    """How many of so many requests, each said to come from elsewhere, are too many."""
    token = {"Authorization": "Bearer right"}
    answers = [client.get("/model", headers=token | {"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(count)]
    assert {one.status_code for one in answers} <= {200, 429}
    return sum(one.status_code == 429 for one in answers)


def test_forwarded_addresses_are_believed_of_named_proxies_alone(trained: Trained, tmp_path: Path) -> None:
    options = ["--host", "0.0.0.0", "--insecure", "--proxies", "127.0.0.0/8", "--limits.per_minute", "6"]
    with served(trained.finetuned, *options, "--dictionary", str(tmp_path / "signs")) as client:
        assert spoofed(client, 12) == 0
        for odd in ("", "x" * 5000, "\xff", ",,,,", "[", "127.0.0.1, 127.0.0.1"):
            head = f"GET /model HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Forwarded-For: {odd}\r\n\r\n"
            assert raw(client, head)[0] in (200, 429)


def test_refused_tokens_are_logged_without_the_token(trained: Trained, tmp_path: Path) -> None:
    wrong = ("Bearer hunter2hunter2", "hunter2hunter2", "Bearer \xff\xfehunter2hunter2", "Basic hunter2hunter2")
    log = tmp_path / "log"
    with (
        log.open("wb") as stream,
        launched(
            trained.finetuned,
            "--token",
            "right",
            "--limits.per_minute",
            "30",
            "--dictionary",
            str(tmp_path / "signs"),
            log=stream.fileno(),
        ) as (client, _process),
    ):
        for value in wrong:
            head = f"GET /model HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: {value}\r\n\r\n"
            assert raw(client, head)[0] == 401
        for token in ("hunter2hunter2", "\ud800hunter2", "\x00", "x" * 500, 5, None, {"a": 1}, "é"):
            with connect(str(client.base_url).replace("http", "ws").rstrip("/") + "/live") as line:
                line.send(json.dumps({"type": "start", "frames": "poses", "token": token}))
                assert json.loads(line.recv(30))["type"] == "error"
        assert spoofed(client, 40) > 5, "no proxy is named: one address has sent them all"
    written = log.read_text(errors="replace")
    assert written.count("refused another token from 127.0.0.1") >= 5
    assert "hunter2" not in written
    assert "right" not in written
    assert "Traceback" not in written


def test_refusals_name_no_place_process_or_machine(server: httpx.Client, clip: dict[str, Any]) -> None:
    secrets = {tempfile.gettempdir(), str(Path.cwd()), socket.gethostname(), "process ", "Traceback", "site-packages"}
    asked = [
        server.get("/nowhere"),
        server.get("/dictionary/poses?id=nobody"),
        server.delete("/dictionary?name=nobody"),
        server.post("/predict/file?name=a.npz", content=b"PK\x03\x04"),
        server.post("/predict/file?name=a.pose", content=b"\x00" * 99),
        server.post("/predict/file?name=a.json", content=b"{"),
        server.post("/predict", content=b"\xff\xfe", headers=JSON),
        server.post("/predict", content=json.dumps(clip | {"id": "\ud800"}), headers=JSON),
        server.post("/predict?top=%ff"),
        server.get("/predict"),
    ]
    for answer in asked:
        assert 400 <= answer.status_code < 500, answer.text
        assert not [secret for secret in secrets if secret in answer.text], answer.text


@pytest.mark.parametrize("unit", ["fraction", "pixel"])
def test_coordinates_that_are_no_places(server: httpx.Client, clip: dict[str, Any], unit: str) -> None:
    for far in (1e30, -1e30, 1e7):
        xy = [[list(joint) for joint in frame] for frame in clip["xy"]]
        xy[0] = [[far, far]] * 49
        whole = [[[far, far]] * 49] * len(xy)
        for body in (xy, whole):
            answer = server.post("/predict", json=clip | {"xy": body, "unit": unit, "size": [640, 480]})
            assert answer.status_code == 422, answer.text
            answer = server.post("/dictionary", json={"gloss": "a", "clip": clip | {"xy": body, "unit": unit}})
            assert answer.status_code == 422, answer.text
