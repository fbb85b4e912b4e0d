"""The live stream: frames come over a websocket one by one, poses and signs go back (messages: docs/serve.md)."""

from __future__ import annotations

import asyncio
import json
import struct
import time as clock
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from twinsign.errors import InputError
from twinsign.extract.live import LiveHolistic, decode_jpeg
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray, Recording
from twinsign.recognise.stream import Sign, Stream
from twinsign.serve import bodies
from twinsign.serve.guard import check_token
from twinsign.serve.intake import as_object
from twinsign.serve.metrics import Metrics
from twinsign.serve.options import Access
from twinsign.serve.refusals import RefusedError, refusal_of
from twinsign.serve.service import DECIMALS, Service, as_json, drawable
from twinsign.serve.turns import Turns

STAMP = struct.Struct("<d")
"""A picture's message begins with its time in seconds; the JPEG follows."""
LONGEST = 1e9
"""Seconds that a stream may count to, which are 30 years."""
TOP = 5
REFUSED, BUSY, IDLE = 1008, 1013, 1001
Said = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """What the first message says: whether pictures or poses will come, of what size."""

    pictures: bool
    size: tuple[int, int] | None


class Live:
    """All live streams of a server."""

    def __init__(self, service: Service, turns: Turns, metrics: Metrics, access: Access) -> None:
        self._service, self._turns, self._metrics, self._access = service, turns, metrics, access
        self._present = self._open = 0

    async def serve(self, socket: WebSocket) -> None:
        """One stream's life."""
        await socket.accept()
        self._present += 1
        try:
            await self._live(socket)
        finally:
            self._present -= 1

    async def _live(self, socket: WebSocket) -> None:
        limits = self._access.limits
        try:
            if self._present > limits.streams + limits.waiting:
                raise RefusedError(503, f"{self._present - 1} open sockets", "fewer", retry=1)
            start = self._start(await self._text(socket))
            if self._open >= limits.streams:
                raise RefusedError(503, f"{self._open} live streams", f"at most {limits.streams}", retry=1)
        except RefusedError as refusal:
            await _end(socket, BUSY if refusal.status == 503 else REFUSED, refusal)
            return
        except (WebSocketDisconnect, TimeoutError):
            return
        self._open += 1
        self._metrics.streams.inc()
        session = _Session(self._service, start)
        try:
            await session.load()
            await socket.send_json({"type": "ready"})
            await self._follow(socket, session)
        except WebSocketDisconnect:
            pass
        except TimeoutError:
            await _end(socket, IDLE, RefusedError(408, f"nothing for {limits.idle:g} seconds", "frames"))
        except (RefusedError, InputError) as error:
            await _end(socket, REFUSED, error if isinstance(error, RefusedError) else refusal_of(error))
        finally:
            self._open -= 1
            self._metrics.streams.dec()
            session.close()

    async def _follow(self, socket: WebSocket, session: _Session) -> None:
        while True:
            message = await self._message(socket)
            if message.get("bytes") is None and session.is_end(message.get("text") or ""):
                for sign in await self._turns.run(session.finish):
                    await self._say(socket, session, sign)
                await socket.send_json({"type": "end"})
                await socket.close()
                return
            started = clock.perf_counter()
            try:
                time, xy, score = await session.pose(message)
                signs = await self._turns.run(session.stream.push, time, xy, score)
            except (RefusedError, InputError) as error:
                wrong = error if isinstance(error, RefusedError) else refusal_of(error)
                await socket.send_json({"type": "error", **wrong.body()})
                continue
            spent = clock.perf_counter() - started
            self._metrics.frames.inc()
            self._metrics.frame_seconds.observe(spent)
            await socket.send_json(
                {
                    "type": "frame",
                    "time": time,
                    "xy": drawable(xy, score),
                    "state": session.stream.state,
                    "seconds": round(spent, DECIMALS),
                }
            )
            for sign in signs:
                await self._say(socket, session, sign)

    async def _say(self, socket: WebSocket, session: _Session, sign: Sign[Said]) -> None:
        if sign.ended:
            self._metrics.answered(sign.answer["sure"])
        told = {"begin": sign.begin, "end": sign.end, "delay": sign.delay, "seconds": sign.seconds}
        told = {name: round(value, DECIMALS) for name, value in told.items()}
        poses = {"poses": session.last} if sign.ended else {}
        await socket.send_json({"type": "sign", "ended": sign.ended, **told, **sign.answer, **poses})

    def _start(self, text: str) -> Start:
        values = as_object(text)
        bodies.only_keys(values, ("type", "token", "frames", "size"))
        if values.get("type") != "start":
            raise RefusedError(422, f"a first message of type {str(values.get('type'))[:40]!r}", "start")
        check_token(self._access, bodies.as_text(values, "token"))
        kind = values.get("frames", "jpeg")
        if kind not in ("jpeg", "poses"):
            raise RefusedError(422, f"frames {str(kind)[:40]!r}", "jpeg or poses")
        if kind == "jpeg" and not self._service.live:
            why = self._service.uploads.blind or "an estimator that takes whole videos alone"
            raise RefusedError(501, why, "a server with the extra `video`, or poses")
        return Start(kind == "jpeg", bodies.as_size(values.get("size"), "size"))

    async def _message(self, socket: WebSocket) -> dict[str, Any]:
        message = await asyncio.wait_for(socket.receive(), self._access.limits.idle)
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        return dict(message)

    async def _text(self, socket: WebSocket) -> str:
        text = (await self._message(socket)).get("text")
        if text is None:
            raise RefusedError(422, "a first message of bytes", "text: a JSON object of type start")
        return str(text)


class _Session:
    """One stream: its estimator, in a thread of its own, and where in a sign it is."""

    def __init__(self, service: Service, start: Start) -> None:
        self._service, self._start = service, start
        self._thread = ThreadPoolExecutor(1, "twinsign-live")
        self._holistic: LiveHolistic | None = None
        self._stream: Stream[Said] | None = None
        self._size: tuple[int, int] | None = start.size
        self.last: Said = {}
        """The poses of what was named last."""

    async def load(self) -> None:
        """Load the estimator, where pictures will come."""
        if self._start.pictures:
            self._holistic = await self._here(LiveHolistic)

    async def _here(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    @property
    def stream(self) -> Stream[Said]:
        """Made with the first frame, which tells the size."""
        if self._stream is None:
            seen_by = f"{self._holistic.name} {self._holistic.version}" if self._holistic else ""
            self._stream = Stream(self._name, size=self._size, estimator=seen_by)
        return self._stream

    async def pose(self, message: Said) -> tuple[float, FloatArray, FloatArray]:
        """Time, image fractions xy (49 2) and score (49) of a message's frame."""
        content = message.get("bytes")
        if content is None:
            return _pose_of(str(message.get("text")))
        if self._holistic is None:
            raise RefusedError(422, "a picture", "poses, as the first message said")
        if len(content) <= STAMP.size:
            raise RefusedError(422, f"{len(content)} bytes", "8 bytes of time, and a JPEG")
        time = STAMP.unpack_from(content)[0]
        if not abs(time) < LONGEST:
            raise RefusedError(422, f"time {time:g}", "seconds")
        xy, score = await self._here(self._estimated, content[STAMP.size :])
        return time, xy, score

    def _estimated(self, jpeg: bytes) -> tuple[FloatArray, FloatArray]:
        if self._holistic is None:
            raise RefusedError(422, "a picture", "poses, as the first message said")
        image = decode_jpeg(jpeg)
        if self._stream is None:
            self._size = (image.shape[1], image.shape[0])
        return self._holistic.estimate(image)

    def _name(self, recording: Recording) -> Said:
        self.last = as_json(recording)
        return self._service.answers([recording], TOP, True)[0]

    def is_end(self, text: str) -> bool:
        """Whether a message says that the stream is over."""
        return text == '{"type":"end"}' or (len(text) < 40 and text.replace(" ", "") == '{"type":"end"}')

    def finish(self) -> list[Sign[Said]]:
        """What was going on when the stream ended."""
        return self.stream.finish()

    def close(self) -> None:
        """Let the estimator go."""
        if self._holistic is not None:
            self._thread.submit(self._holistic.close)
        self._thread.shutdown(wait=False)


def _pose_of(text: str) -> tuple[float, FloatArray, FloatArray]:
    values = as_object(text)
    bodies.only_keys(values, ("type", "time", "xy", "seen"))
    time: Any = values.get("time")
    if type(time) not in (int, float) or not abs(time) < LONGEST:
        raise RefusedError(422, f"time {str(time)[:40]}", "seconds")
    if "xy" not in values:
        raise RefusedError(422, "no xy", f"xy: ({JOINT_COUNT} joints, 2)")
    xy = bodies.as_numbers(values["xy"], "xy of a frame", 2, "xy")
    score = bodies.as_numbers(values["seen"], "seen", 1, "seen") if "seen" in values else bodies.finite(xy)
    return float(time), xy, score


async def _end(socket: WebSocket, code: int, refusal: RefusedError) -> None:
    try:
        await socket.send_text(json.dumps({"type": "error", **refusal.body()}))
        await socket.close(code)
    except (RuntimeError, WebSocketDisconnect):  # the other side has gone
        return
