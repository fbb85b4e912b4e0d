"""Requests that mean harm, or are merely wrong: each is answered with a refusal that tells nothing of this machine."""

from __future__ import annotations

import gzip
import io
import json
import random
import socket
import struct
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from helpers.server_process import served
from helpers.trained_runs import Trained

from twinsign.pack.open import Pack
from twinsign.pose.read import write_npz

JSON = {"Content-Type": "application/json"}
FRAME = [[0.5, 0.5]] * 49
NUMBERS = (1e308, -1e308, 10**400, -(10**30), 1e-320, True, "1", "x" * 100, None, [], {}, [[]], [0.5, 0.5])
SHAPES = ((0, 49, 2), (3, 0, 2), (3, 49, 0), (3, 49, 3), (3, 48, 2), (3, 50, 2), (3, 2, 49), (49, 2), (1, 3, 49, 2))
NAMES = (
    "../../etc/passwd.npz",
    "/etc/passwd.json",
    "..\\..\\a.pose",
    "a\x00.npz",
    "." * 300 + ".npz",
    "%2e%2e%2fa.json",
)
NAMES += ("a.npz/../../b.npy", "a.pkl", "a.exe", "", "a", "a.m3u8")
PATHS = ("/page/../app.py", "/page/..%2f..%2fapp.py", "/page/%2e%2e/app.py", "/page//etc/passwd")
PATHS += ("/page/....//app.py", "/page/main.js%00.txt", "/page/", "/page")
HUGE = ("(10**12, 49, 2)", "(1000000000000, 49, 2)", "(2000000000, 49, 2)", "(-1, 49, 2)", "(3, 49, 2)", "()")
KINDS = ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
HEAD = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
FILES = 4


def harmless(answer: httpx.Response, *statuses: int) -> None:
    """A refusal of the server's own, which names no file of this machine."""
    assert answer.status_code in (statuses or range(400, 500)), (answer.status_code, answer.text[:300])
    told = answer.json()["error"]
    assert told["found"], answer.text
    assert told["wanted"], answer.text
    for secret in (tempfile.gettempdir(), "twinsign-", "Traceback", "site-packages", "upload."):
        assert secret not in answer.text, answer.text


def odd_clips(clip: dict[str, Any]) -> Iterator[Any]:
    """Bodies of /predict with one thing odd."""
    for value in NUMBERS:
        yield clip | {"xy": value}
        yield clip | {"xy": [[value] * 49] * 3}
        yield clip | {"xy": [[[value, 0.5], *FRAME[1:]]] * 3}
        yield clip | {"seen": value}
        yield clip | {"seen": [[value] * 49] * len(clip["xy"])}
        for name in ("fps", "size", "unit", "id", "top", "detailed"):
            yield clip | {name: value}
        yield {"clips": [clip | {"xy": value}]}
        yield value
    for shape in SHAPES:
        yield {"xy": np.full(shape, 0.5).tolist()}
    for side in (0, -1, 10**9, 2.5, "640"):
        yield clip | {"size": [side, 480]}
        yield clip | {"size": [side, 480], "unit": "pixel"}
    yield {"xy": [FRAME, FRAME[:48]]}
    yield {"xy": [["x" * 200_000, *[0.5] * 48], *[[0.5] * 49] * 70]}
    yield {"xy": [[[None, None]] * 49] * 3}
    yield clip | {"seen": [[0] * 49] * len(clip["xy"])}


def test_odd_values_never_break_it(server: httpx.Client, clip: dict[str, Any]) -> None:
    fine, count = 0, 0
    for body in odd_clips(clip):
        answer = server.post("/predict", content=json.dumps(body), headers=JSON)
        count += 1
        if answer.status_code == 200:  # a further id, a whole number of frames a second, a null in xy
            fine += 1
            assert answer.json()["guesses"]
            assert all(0 <= one["confidence"] <= 1 for one in answer.json()["guesses"])
        else:
            harmless(answer)
    assert count > 150
    assert fine < 30


@pytest.mark.parametrize("text", ["[" * 50_000, '{"xy":' * 20_000, '{"xy":' + "[" * 900 + "]" * 900 + "}", "1" * 5000])
def test_deep_and_long_json(server: httpx.Client, text: str) -> None:
    for path in ("/predict", "/predict/batch", "/dictionary"):
        harmless(server.post(path, content=text, headers=JSON))


@pytest.mark.parametrize("kind", KINDS)
def test_other_content_types(server: httpx.Client, clip: dict[str, Any], kind: str) -> None:
    harmless(server.post("/predict", content=json.dumps(clip), headers={"Content-Type": kind}), 415)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, gzip", "x" * 500])
def test_compressed_bodies_are_not_unpacked(server: httpx.Client, coding: str) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    harmless(server.post("/predict", content=bomb, headers=JSON | {"Content-Encoding": coding}), 415)
    harmless(server.post("/predict/file?name=a.json", content=bomb, headers={"Content-Encoding": coding}), 415)


def test_chunks_without_a_length_are_counted(server: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 50_000

    with suppress(httpx.TransportError):  # the refusal came, and the connection was closed, before all was sent
        harmless(server.post("/predict", content=endless(), headers=JSON), 413)
    assert server.get("/health").status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_names_lead_nowhere(server: httpx.Client, name: str) -> None:
    for path in ("/predict/file", "/predict/file/poses"):
        answer = server.post(path, params={"name": name}, content=b"ffconcat version 1.0\nfile /etc/passwd\n")
        harmless(answer, 415, 422, 501)
        assert "root:" not in answer.text
    harmless(server.get("/dictionary/poses", params={"id": name}), 404)
    harmless(server.delete("/dictionary", params={"name": name}), 404, 422)


@pytest.mark.parametrize("path", PATHS)
def test_the_page_is_all_that_is_served(server: httpx.Client, path: str) -> None:
    with socket.create_connection((server.base_url.host, server.base_url.port or 80), timeout=60) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split(b" ", 2)[1] in (b"400", b"404", b"307", b"405"), answer[:200]
    assert b"import" not in answer


def files(trained: Trained, folder: Path) -> dict[str, bytes]:
    """Whole files of the forms that are taken."""
    recording = Pack(trained.pack).recording(3)
    write_npz(recording, folder / "a.npz")
    np.save(folder / "a.npy", recording.xy[:40])
    from helpers.videos import DotFinder, picture
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody

    made = DotFinder().estimate([picture((96, 64))] * 9, (96, 64))
    with (folder / "a.pose").open("wb") as stream:
        body = NumPyPoseBody(25, np.asarray(made.body.data.data), np.asarray(made.body.confidence))
        Pose(made.header, body).write(stream)
    (folder / "a.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": [0.5] * 75}]}))
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_damaged_files(server: httpx.Client, trained: Trained, tmp_path: Path) -> None:
    rng, count = random.Random(0), 0
    for name, whole in files(trained, tmp_path).items():
        for _ in range(40):
            content = bytearray(whole)
            for _ in range(rng.choice([1, 1, 4, 64])):
                content[rng.randrange(min(len(content), 4000))] = rng.randrange(256)
            content = content[: rng.choice([len(content), len(content), rng.randrange(len(content))])]
            answer = server.post("/predict/file", params={"name": name}, content=bytes(content))
            count += 1
            if answer.status_code != 200:
                harmless(answer)
    assert count == FILES * 40


def test_files_that_claim_to_be_huge(server: httpx.Client) -> None:
    def npy(shape: str, kind: str = "<f4") -> bytes:
        head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
        head += b" " * (63 - (len(head) + 10) % 64) + b"\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + b"\x00" * 100

    def npz(content: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xy.npy", content)
            archive.writestr("score.npy", content)
        return file.getvalue()

    for shape in HUGE:
        for kind in ("<f4", "|O", "<U100000000"):
            for name, content in (("a.npy", npy(shape, kind)), ("a.npz", npz(npy(shape, kind)))):
                harmless(server.post("/predict/file", params={"name": name}, content=content), 413, 422)
    harmless(server.post("/predict/file?name=a.npz", content=npz(b"\x00" * 60_000_000)), 413)
    harmless(server.post("/predict/file?name=a.json", content=b"[" * 900_000), 422, 400)


def test_slow_bodies_many_at_once_and_no_room(trained: Trained, clip: dict[str, Any], tmp_path: Path) -> None:
    limits = ["--limits.body_seconds", "2", "--limits.waiting", "1", "--limits.per_minute", "100000"]
    with served(
        trained.finetuned, "--dictionary", str(tmp_path / "signs"), "--limits.intake_mb", "4", *limits
    ) as client:
        with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as raw:
            raw.sendall(HEAD.encode())
            assert b" 408 " in raw.recv(65536)
        harmless(client.post("/predict/file?name=a.npz", content=b"\x00" * 5_000_000), 503)
        codes, many = list[int](), {"clips": [clip] * 3}

        def ask() -> None:
            answer = httpx.post(f"{client.base_url}/predict/batch", json=many, timeout=60, trust_env=False)
            if answer.status_code != 200:
                harmless(answer, 503)
                assert int(answer.headers["retry-after"]) > 0
            codes.append(answer.status_code)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(codes) == 8
        assert {200, 503} == set(codes)
        assert client.post("/predict", json=clip).status_code == 200
    assert not (tmp_path / "signs").exists()
