"""The live stream: frames come over a websocket one by one, poses and signs go back (messages: docs/serve.md)."""

from __future__ import annotations

import asyncio
import json
import time as clock
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from twinsign.errors import InputError
from twinsign.serve import bodies
from twinsign.serve.guard import check_token
from twinsign.serve.intake import as_object
from twinsign.serve.metrics import Metrics
from twinsign.serve.options import Access
from twinsign.serve.refusals import RefusedError, refusal_of
from twinsign.serve.service import Service
from twinsign.serve.session import LONGEST_TEXT, MOST_VALUES, Said, Session, Start
from twinsign.serve.shapes import DECIMALS, drawable
from twinsign.serve.turns import Place, Places, Turns
from twinsign.streaming.stream import Sign

REFUSED, BUSY, IDLE = 1008, 1013, 1001


class Live:
    """All live streams of a server."""

    def __init__(self, service: Service, turns: Turns, metrics: Metrics, access: Access) -> None:
        self._service, self._turns, self._metrics, self._access = service, turns, metrics, access
        self._places = Places(access.limits)

    async def serve(self, socket: WebSocket) -> None:
        """One stream's life."""
        place = self._places.enter(socket.client.host if socket.client else "")
        try:
            await socket.accept()
            await self._live(socket, place)
        except WebSocketDisconnect:
            pass
        except (RefusedError, InputError) as error:
            wrong = error if isinstance(error, RefusedError) else refusal_of(error)
            await _end(socket, {503: BUSY, 408: IDLE}.get(wrong.status, REFUSED), wrong)
        finally:
            self._places.leave(place)

    async def _live(self, socket: WebSocket, place: Place) -> None:
        start = self._start(await self._text(socket, place), place.address)
        self._places.begin(place)
        self._metrics.streams.inc()
        session = Session(self._service, start)
        try:
            await session.load()
            await socket.send_json({"type": "ready"})
            await self._follow(socket, session, place)
        finally:
            self._metrics.streams.dec()
            session.close()

    async def _follow(self, socket: WebSocket, session: Session, place: Place) -> None:
        while True:
            message = await self._message(socket, place, self._access.limits.idle)
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

    def _start(self, text: str, address: str) -> Start:
        if len(text) > LONGEST_TEXT:
            raise RefusedError(413, f"a first message of {len(text):,} characters", f"at most {LONGEST_TEXT:,}")
        values = as_object(text, MOST_VALUES)
        bodies.only_keys(values, ("type", "token", "frames", "size"))
        if values.get("type") != "start":
            raise RefusedError(422, f"a first message of type {str(values.get('type'))[:40]!r}", "start")
        check_token(self._access, bodies.as_text(values, "token"), address, "/live")
        kind = values.get("frames", "jpeg")
        if kind not in ("jpeg", "poses"):
            raise RefusedError(422, f"frames {str(kind)[:40]!r}", "jpeg or poses")
        if kind == "jpeg" and not self._service.live:
            why = self._service.blind or "an estimator that takes whole videos alone"
            raise RefusedError(501, why, "a server with the extra `video`, or poses")
        return Start(kind == "jpeg", bodies.as_size(values.get("size"), "size"))

    async def _message(self, socket: WebSocket, place: Place, seconds: float) -> dict[str, Any]:
        """What comes next; RefusedError 408 where nothing does, 503 where the place is another's now."""
        coming, losing = asyncio.ensure_future(socket.receive()), asyncio.ensure_future(place.lost.wait())
        try:
            done, _ = await asyncio.wait((coming, losing), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            losing.cancel()
            if not coming.done():
                coming.cancel()
        if coming not in done:
            if losing in done:
                raise RefusedError(503, "a silent socket", "one that speaks: another needs its place", retry=1)
            raise RefusedError(408, f"nothing for {seconds:g} seconds", "a message")
        place.heard = clock.monotonic()
        message = coming.result()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        return dict(message)

    async def _text(self, socket: WebSocket, place: Place) -> str:
        text = (await self._message(socket, place, self._access.limits.start_seconds)).get("text")
        if text is None:
            raise RefusedError(422, "a first message of bytes", "text: a JSON object of type start")
        return str(text)


async def _end(socket: WebSocket, code: int, refusal: RefusedError) -> None:
    try:
        await socket.send_text(json.dumps({"type": "error", **refusal.body()}))
        await socket.close(code)
    except (RuntimeError, WebSocketDisconnect):  # the other side has gone
        return
