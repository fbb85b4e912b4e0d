"""The live stream of a real server: poses; pictures where MediaPipe is; hostile frames; how many, whose, how long."""

from __future__ import annotations

import importlib.util
import io
import json
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from helpers import scripted_signer
from helpers.server_process import served
from helpers.trained_runs import Trained
from helpers.videos import film
from PIL import Image as Pictures
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from twinsign.extract.holistic import LiveHolistic, decode_jpeg
from twinsign.extract.video import open_video
from twinsign.pose.clip_file import ClipFile
from twinsign.streaming.segmenter import Frame

Json = dict[str, Any]
SIGHTED = importlib.util.find_spec("mediapipe") is not None
PATIENCE = 60
LARGEST = 1_000_000
GARBAGE = ("", "{", "[]", "null", "1e999", "\x00", '{"time": 1}', '{"time": "now", "xy": []}', "[" * 9999)
GARBAGE += tuple(
    json.dumps(one)
    for one in (
        {"time": 10**400, "xy": [[0.5, 0.5]] * 49},
        {"time": 1e300, "xy": [[0.5, 0.5]] * 49},
        {"time": True, "xy": [[0.5, 0.5]] * 49},
        {"time": 1, "xy": [[0.5, 0.5]] * 48},
        {"time": 1, "xy": [[0.5]] * 49},
        {"time": 1, "xy": [[0.5, "x"]] * 49},
        {"time": 1, "xy": [[0.5, 1e308]] * 49},
        {"time": 1, "xy": [[0.5, 10**400]] * 49},
        {"time": 1, "xy": [[0.5, 0.5]] * 49, "seen": [2] * 49},
        {"time": 1, "xy": [[0.5, 0.5]] * 49, "seen": [-1] * 49},
        {"time": 1, "xy": [[0.5, 0.5]] * 49, "seen": [1] * 48},
        {"time": 1, "xy": [[0.5, 0.5]] * 49, "colour": "red"},
        {"time": -5, "xy": [[0.5, 0.5]] * 49},
    )
)


@contextmanager
def opened(client: httpx.Client, **start: Any) -> Iterator[ClientConnection]:
    """A socket on which a stream was asked for."""
    address = str(client.base_url).replace("http", "ws").rstrip("/") + "/live"
    with connect(address, max_size=None, open_timeout=PATIENCE) as socket:
        socket.send(json.dumps({"type": "start", **start}))
        yield socket


def heard(socket: ClientConnection) -> Json:
    message: Json = json.loads(socket.recv(PATIENCE))
    return message


def closed(socket: ClientConnection) -> int:
    """The code with which the server closes; nothing more may come before."""
    with pytest.raises(ConnectionClosed) as error:
        socket.recv(PATIENCE)
    return error.value.rcvd.code if error.value.rcvd else 0


def message(frame: Frame) -> str:
    return json.dumps({"time": frame.time, "xy": frame.xy.tolist(), "seen": frame.score.tolist()})


def answered(socket: ClientConnection, sent: str | bytes) -> Json:
    """What comes back next."""
    socket.send(sent)
    return heard(socket)


def finished(socket: ClientConnection) -> list[Json]:
    """All that comes until the end."""
    socket.send('{"type":"end"}')
    messages = [heard(socket)]
    while messages[-1]["type"] != "end":
        messages.append(heard(socket))
    assert closed(socket) == 1000
    return messages[:-1]


def test_poses_are_named_as_they_come(server: httpx.Client) -> None:
    frames = scripted_signer.stream(9, [(1.0, 2.4), (3.6, 5.2), (6.4, 9.9)])
    with opened(server, frames="poses", size=[640, 480]) as socket:
        assert heard(socket) == {"type": "ready"}
        for frame in frames:
            socket.send(message(frame))
        messages = finished(socket)
    shown = [one for one in messages if one["type"] == "frame"]
    assert [one["time"] for one in shown] == [frame.time for frame in frames]
    np.testing.assert_allclose(shown[50]["xy"][0], frames[50].xy[0], atol=1e-4)
    assert shown[0]["xy"][21] is None
    assert {one["state"] for one in shown} >= {"rest", "signing"}
    ended = [one for one in messages if one["type"] == "sign" and one["ended"]]
    assert len(ended) == 3
    assert any(one["type"] == "sign" and not one["ended"] for one in messages)
    for sign in ended:
        assert len(sign["guesses"]) == 4
        assert sign["votes"]
        again = server.post("/predict", json={"xy": _points(sign["poses"]), "size": [640, 480]}).json()
        assert {one["gloss"] for one in again["guesses"]} == {one["gloss"] for one in sign["guesses"]}
        assert again["guesses"][0]["confidence"] == pytest.approx(sign["guesses"][0]["confidence"], abs=0.02)
    assert "twinsign_live_streams 0.0" in server.get("/metrics").text


def _points(poses: Json) -> list[list[list[float | None]]]:
    return [[joint or [None, None] for joint in frame] for frame in poses["xy"]]


def test_wrong_frames_are_refused_one_by_one_and_the_stream_goes_on(server: httpx.Client) -> None:
    frames = scripted_signer.stream(2, [(0.2, 1.8)])
    with opened(server, frames="poses") as socket:
        heard(socket)
        for number, frame in enumerate(frames):
            wrong = [*GARBAGE, b"\x00" * 100][number % (len(GARBAGE) + 1)]
            if number:
                refused = answered(socket, wrong)
                while refused["type"] == "sign":
                    refused = heard(socket)
                assert refused["type"] == "error", wrong[:99]
                assert {"found", "wanted"} <= set(refused["error"])
            socket.send(message(frame))
            while heard(socket)["type"] != "frame":
                pass
        assert [one["ended"] for one in finished(socket) if one["type"] == "sign"][-1]


@pytest.mark.parametrize("first", [*GARBAGE[:6], '{"type":"end"}', '{"type":"start","more":1}', b"\xff\xd8", "true"])
def test_a_first_message_that_starts_nothing_is_told_why(server: httpx.Client, first: str | bytes) -> None:
    address = str(server.base_url).replace("http", "ws").rstrip("/") + "/live"
    with connect(address, open_timeout=PATIENCE) as socket:
        socket.send(first)
        assert heard(socket)["type"] == "error"
        assert closed(socket) == 1008


def test_too_large_a_message_ends_its_stream_alone(server: httpx.Client) -> None:
    with opened(server, frames="poses") as other, opened(server, frames="poses") as socket:
        heard(socket)
        heard(other)
        socket.send(b"\x00" * (LARGEST + 1))
        assert closed(socket) == 1009
        assert answered(other, message(scripted_signer.frame(0.0, [])))["type"] == "frame"


def test_no_more_streams_at_once_than_may_be(server: httpx.Client) -> None:
    with opened(server, frames="poses") as first, opened(server, frames="poses") as second:
        assert [heard(socket)["type"] for socket in (first, second)] == ["ready", "ready"]
        with opened(server, frames="poses") as third:
            assert "at most 2" in heard(third)["error"]["wanted"]
            assert closed(third) == 1013
        first.close()
        deadline = time.monotonic() + PATIENCE
        while True:
            with opened(server, frames="poses") as again:
                if heard(again)["type"] == "ready" or time.monotonic() > deadline:
                    break
        assert time.monotonic() < deadline


def test_tokens_silence_and_sockets_that_say_nothing(trained: Trained, tmp_path: Path) -> None:
    limits = ["--limits.idle", "2", "--limits.waiting", "1", "--limits.streams", "1"]
    with served(trained.finetuned, "--token", "secret", "--dictionary", str(tmp_path / "signs"), *limits) as client:
        for token in ({}, {"token": "wrong"}, {"token": ""}):
            with opened(client, frames="poses", **token) as socket:
                assert "token" in heard(socket)["error"]["found"]
                assert closed(socket) == 1008
        with opened(client, frames="poses", token="secret") as socket:
            assert heard(socket)["type"] == "ready"
            assert "nothing for 2 seconds" in heard(socket)["error"]["found"]
            assert closed(socket) == 1001
        address = str(client.base_url).replace("http", "ws").rstrip("/") + "/live"
        with connect(address) as first, connect(address), connect(address) as third:
            assert "silent" in heard(first)["error"]["found"]
            assert closed(first) == 1013
            third.send(json.dumps({"type": "start", "frames": "poses", "token": "secret"}))
            assert heard(third) == {"type": "ready"}
        assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.skipif(SIGHTED, reason="MediaPipe is there")
def test_pictures_without_mediapipe_are_refused_with_what_is_missing(server: httpx.Client) -> None:
    with opened(server, frames="jpeg") as socket:
        error = heard(socket)["error"]
        assert "mediapipe" in error["found"].lower()
        assert "video" in error["wanted"]
        assert closed(socket) == 1008
    model = server.get("/model").json()
    assert (model["live"], model["video"]) == (False, False)
    assert "mediapipe" in model["why_no_video"].lower()


@pytest.mark.slow
@pytest.mark.skipif(not SIGHTED, reason="needs the extra `video`: run `make video`")
def test_pictures_of_a_video_come_back_as_skeletons_and_a_sign(server: httpx.Client, tmp_path: Path) -> None:
    path, here, found = film(tmp_path), LiveHolistic(), list[Json]()
    with open_video(ClipFile(path)) as video:
        jpegs = [_jpeg(image) for image in video.frames()]
        times = [float(shown or 0) for shown in video.times]
    with opened(server, frames="jpeg") as socket:
        assert heard(socket) == {"type": "ready"}
        for bad in (b"", b"short", b"\x00" * 200, struct.pack("<d", np.nan) + jpegs[0], jpegs[0]):
            assert answered(socket, bad)["type"] == "error"
        for shown, jpeg in zip(times, jpegs, strict=True):
            socket.send(struct.pack("<d", shown) + jpeg)
            found.append(heard(socket))
            while found[-1]["type"] != "frame":
                found.append(heard(socket))
            xy, score = here.estimate(decode_jpeg(jpeg))
            assert [point is not None for point in found[-1]["xy"]] == list(score > 0)
            seen = [point for point in found[-1]["xy"] if point is not None]
            np.testing.assert_allclose(np.reshape(seen, (-1, 2)), xy[score > 0], atol=1e-4)
        found += finished(socket)
    here.close()
    signs = [one for one in found if one["type"] == "sign" and one["ended"]]
    if path.name == "made.mp4":
        assert not signs
        return
    assert len(signs) == 1
    assert len(signs[0]["guesses"]) == 4
    assert signs[0]["poses"]["size"] == [736, 414]
    assert 0 <= signs[0]["begin"] < signs[0]["end"] <= times[-1]


def _jpeg(image: Any) -> bytes:
    file = io.BytesIO()
    Pictures.fromarray(image).save(file, "JPEG", quality=80)
    return file.getvalue()
