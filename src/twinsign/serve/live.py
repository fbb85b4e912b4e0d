"""The live stream: frames come over a websocket one by one, poses and signs go back (messages: docs/serve.md)."""

from __future__ import annotations

import asyncio
import json
import time as clock
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from twinsign.errors import InputError
from twinsign.recognise.stream import Sign
from twinsign.serve import bodies
from twinsign.serve.guard import check_token
from twinsign.serve.intake import as_object
from twinsign.serve.metrics import Metrics
from twinsign.serve.options import Access
from twinsign.serve.refusals import RefusedError, refusal_of
from twinsign.serve.service import DECIMALS, Service, drawable
from twinsign.serve.session import Said, Session, Start
from twinsign.serve.turns import Turns

REFUSED, BUSY, IDLE = 1008, 1013, 1001


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
        except TimeoutError:
            await _end(socket, IDLE, RefusedError(408, f"nothing for {limits.idle:g} seconds", "a first message"))
            return
        except WebSocketDisconnect:
            return
        self._open += 1
        self._metrics.streams.inc()
        session = Session(self._service, start)
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

    async def _follow(self, socket: WebSocket, session: Session) -> None:
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

    async def _say(self, socket: WebSocket, session: Session, sign: Sign[Said]) -> None:
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


async def _end(socket: WebSocket, code: int, refusal: RefusedError) -> None:
    try:
        await socket.send_text(json.dumps({"type": "error", **refusal.body()}))
        await socket.close(code)
    except (RuntimeError, WebSocketDisconnect):  # the other side has gone
        return
