"""The live stream: frames come over a websocket one by one, poses and signs go back (messages: docs/serve.md)."""

from __future__ import annotations

import asyncio
import struct
import time as clock
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from twinsign.errors import InputError
from twinsign.extract.holistic import LiveHolistic, decode_jpeg
from twinsign.pose.recording import FloatArray, Recording
from twinsign.serve import schemas
from twinsign.serve.admission import RETRY_FULL, ComputeQueue, Slot, StreamSlots
from twinsign.serve.errors import RequestError, as_request_error
from twinsign.serve.guard import check_token
from twinsign.serve.metrics import Metrics
from twinsign.serve.options import Access
from twinsign.serve.service import Service
from twinsign.streaming.stream import Sign, Stream

STAMP = struct.Struct("<d")
"""A picture's message begins with its time in seconds; the JPEG follows."""
MAX_TEXT = 2**16
"""Characters of a text message: a frame's poses have 3,000."""
MAX_NODES = 1000
"""JSON values of a text message: a frame's poses have 250."""
POLICY_VIOLATION = 1008
CLOSE_CODES = {503: 1013, 408: 1001}
"""Codes of a closed websocket by the status of the error: try again later, going away."""
Json = dict[str, Any]


class LiveStreams:
    """All live streams of a server."""

    def __init__(self, service: Service, queue: ComputeQueue, metrics: Metrics, access: Access) -> None:
        self._service, self._queue, self._metrics, self._access = service, queue, metrics, access
        self._slots = StreamSlots(access.limits)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one websocket until it closes."""
        slot = self._slots.enter(socket.client.host if socket.client else "")
        try:
            await socket.accept()
            first = await self._receive(socket, slot, self._access.limits.start_seconds)
            start = self._parse_start(first.get("text"), slot.address)
            self._slots.begin(slot)
            with self._metrics.streams.track_inprogress():
                await self._follow(socket, start, slot)
        except WebSocketDisconnect:
            pass
        except (RequestError, InputError) as error:
            refusal = as_request_error(error)
            try:
                await socket.send_json({"type": "error", **refusal.body})
                await socket.close(CLOSE_CODES.get(refusal.status, POLICY_VIOLATION))
            except (RuntimeError, WebSocketDisconnect):  # the client has gone
                pass
        finally:
            self._slots.leave(slot)

    async def _follow(self, socket: WebSocket, start: schemas.StartMessage, slot: Slot) -> None:
        session = Session(self._service, start)
        try:
            await session.load()
            await socket.send_json({"type": "ready"})
            while True:
                message = await self._receive(socket, slot, self._access.limits.idle)
                if is_end(message.get("text")):
                    for sign in await self._queue.run(session.stream.finish):
                        await self._send_sign(socket, session, sign)
                    await socket.send_json({"type": "end"})
                    await socket.close()
                    return
                try:
                    await self._answer_frame(socket, session, message)
                except (RequestError, InputError) as error:
                    await socket.send_json({"type": "error", **as_request_error(error).body})
        finally:
            session.close()

    async def _answer_frame(self, socket: WebSocket, session: Session, message: Json) -> None:
        started = clock.perf_counter()
        time, xy, score = await session.parse(message)
        signs = await self._queue.run(session.stream.push, time, xy, score)
        seconds = clock.perf_counter() - started
        self._metrics.frames.inc()
        self._metrics.frame_seconds.observe(seconds)
        frame = {"time": time, "xy": schemas.drawable(xy, score), "state": session.stream.state}
        await socket.send_json({"type": "frame", **frame, "seconds": round(seconds, schemas.DECIMALS)})
        for sign in signs:
            await self._send_sign(socket, session, sign)

    async def _send_sign(self, socket: WebSocket, session: Session, sign: Sign[Json]) -> None:
        if sign.ended:
            self._metrics.count_answer(sign.answer["sure"])
        times = {name: round(getattr(sign, name), schemas.DECIMALS) for name in ("begin", "end", "delay", "seconds")}
        poses = {"poses": session.last_poses} if sign.ended else {}
        await socket.send_json({"type": "sign", "ended": sign.ended, **times, **sign.answer, **poses})

    def _parse_start(self, text: str | None, address: str) -> schemas.StartMessage:
        if text is None:
            raise RequestError(422, "a first message of bytes", "text: a JSON object of type start")
        start = schemas.validate(schemas.StartMessage, parse_message(text))
        check_token(self._access, start.token, address, "/live")
        if start.frames == "jpeg" and not self._service.live:
            problem = self._service.blind or "an estimator that takes only whole videos"
            raise RequestError(501, problem, "a server with the extra `video`, or poses")
        return start

    async def _receive(self, socket: WebSocket, slot: Slot, seconds: float) -> Json:
        """The next message; RequestError 408 where none comes, 503 where the slot has been given to another."""
        message, lost = asyncio.ensure_future(socket.receive()), asyncio.ensure_future(slot.lost.wait())
        try:
            done, _ = await asyncio.wait((message, lost), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            if not message.done():
                message.cancel()
        if message not in done:
            if lost in done:
                raise RequestError(503, "a silent socket", "an active one: another needs its slot", retry=RETRY_FULL)
            raise RequestError(408, f"nothing for {seconds:g} seconds", "a message")
        slot.last_message = clock.monotonic()
        received = dict(message.result())
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1000))
        return received


class Session:
    """One live stream: its estimator, in a thread of its own, and where in a sign it is."""

    def __init__(self, service: Service, start: schemas.StartMessage) -> None:
        self._service, self._pictures = service, start.frames == "jpeg"
        self._thread = ThreadPoolExecutor(1, "twinsign-live")
        self._holistic: LiveHolistic | None = None
        self._stream: Stream[Json] | None = None
        self._size = start.size
        self.last_poses: Json = {}
        """The poses of the latest prediction."""

    async def load(self) -> None:
        """Load the estimator, where pictures will come."""
        if self._pictures:
            self._holistic = await self._in_thread(LiveHolistic)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    @property
    def stream(self) -> Stream[Json]:
        """The segmented stream, created with the first frame, which tells the size."""
        if self._stream is None:
            estimator = f"{self._holistic.name} {self._holistic.version}" if self._holistic else ""
            self._stream = Stream(self._predict, size=self._size, estimator=estimator)
        return self._stream

    def _predict(self, recording: Recording) -> Json:
        self.last_poses = schemas.poses_to_dict(recording)
        return self._service.predict([recording], schemas.DEFAULT_TOP, True)[0]

    async def parse(self, message: Json) -> tuple[float, FloatArray, FloatArray]:
        """Time, image fractions xy (49 2) and score (49) of a message's frame."""
        content = message.get("bytes")
        if content is None:
            return schemas.parse_frame(parse_message(str(message.get("text"))))
        if self._holistic is None:
            raise RequestError(422, "a picture", "poses, as the first message said")
        if len(content) <= STAMP.size:
            raise RequestError(422, f"{len(content)} bytes", "8 bytes of time, and a JPEG")
        time = STAMP.unpack_from(content)[0]
        if not abs(time) < schemas.MAX_SECONDS:
            raise RequestError(422, f"time {time:g}", "seconds")
        xy, score = await self._in_thread(self._estimate, self._holistic, content[STAMP.size :])
        return time, xy, score

    def _estimate(self, holistic: LiveHolistic, jpeg: bytes) -> tuple[FloatArray, FloatArray]:
        image = decode_jpeg(jpeg)
        if self._stream is None:
            self._size = (image.shape[1], image.shape[0])
        return holistic.estimate(image)

    def close(self) -> None:
        """Release the estimator."""
        if self._holistic is not None:
            self._thread.submit(self._holistic.close)
        self._thread.shutdown(wait=False)


def parse_message(text: str) -> Any:
    """The JSON of a text message; RequestError where it is too long or invalid."""
    if len(text) > MAX_TEXT:
        raise RequestError(413, f"a message of {len(text):,} characters", f"at most {MAX_TEXT:,}")
    return schemas.parse_json(text, MAX_NODES)


def is_end(text: str | None) -> bool:
    """Whether a message ends the stream."""
    return text is not None and len(text) < 40 and text.replace(" ", "") == '{"type":"end"}'
