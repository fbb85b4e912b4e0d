"""What a server takes at a time: bytes of bodies, computations and live streams, each within its limits."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from anyio import to_thread
from starlette.requests import ClientDisconnect, Request

from twinsign.pose.bounds import count_nodes
from twinsign.serve.errors import RequestError
from twinsign.serve.options import MEGA, Limits

Result = TypeVar("Result")
Handler = Callable[[bytearray], Coroutine[Any, Any, Result]]
RETRY_FULL = 1
"""Seconds after which a request that found the server full may try again."""
CLIENT_GONE = 499
"""The status, which nobody reads, of a request whose client has gone."""


class BodyReader:
    """Reads the bodies of one server's requests, and has them answered."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._held = limits, 0

    async def answer_json(self, request: Request, handler: Handler[Result]) -> Result:
        """The result of `handler` on a request's body of JSON; RequestError 415 for any other content type."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise RequestError(415, f"a body of type {kind[:40] or '(none)'}", "Content-Type: application/json")
        return await self.answer(request, handler, self._limits.body_mb, is_json=True)

    async def answer(self, request: Request, handler: Handler[Result], megabytes: float, *, is_json: bool) -> Result:
        """The result of `handler` on a request's whole body; it is cancelled where the client disconnects.

        The body counts towards `limits.intake_mb` until it is answered. RequestError as soon as it grows beyond
        `megabytes`, whatever its header says, or as JSON has too many values; also where it is compressed, takes too
        long, or the bodies of other requests leave no room for it.
        """
        coding = request.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("identity", ""):
            raise RequestError(415, f"a body encoded as {coding[:40]}", "a body without Content-Encoding")
        length = request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > megabytes * MEGA:
            raise RequestError(413, f"a body of {int(length[:20]) / MEGA:.1f} MB", f"at most {megabytes:g} MB")
        content = bytearray()
        try:
            await self._receive(request, content, megabytes, is_json)
            return await _while_connected(request, handler(content))
        finally:
            self._held -= len(content)

    async def _receive(self, request: Request, content: bytearray, megabytes: float, is_json: bool) -> None:
        limits, nodes = self._limits, 0
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for chunk in request.stream():
                    content += chunk
                    self._held += len(chunk)
                    nodes += count_nodes(chunk) if is_json else 0
                    if len(content) > megabytes * MEGA:
                        raise RequestError(413, f"a body of more than {megabytes:g} MB", f"at most {megabytes:g} MB")
                    if nodes > limits.nodes:
                        raise RequestError(413, "JSON of too many values", f"at most {limits.nodes:,}")
                    if self._held > limits.intake_mb * MEGA:
                        raise RequestError(503, "too many large bodies at once", "one after another", retry=RETRY_FULL)
        except TimeoutError as error:
            problem = f"a body that is incomplete after {limits.body_seconds:g} seconds"
            raise RequestError(408, problem, "a body that is sent at once") from error
        except ClientDisconnect as error:
            raise RequestError(CLIENT_GONE, "a client that has gone", "one that waits") from error


class ComputeQueue:
    """Runs functions in threads, `limits.at_once` of them; RequestError 503 where `limits.waiting` wait already."""

    def __init__(self, limits: Limits) -> None:
        self._free, self._max_pending = asyncio.Semaphore(limits.at_once), limits.at_once + limits.waiting
        self.pending = 0

    async def run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """The function's result, once it has had its turn."""
        if self.pending >= self._max_pending:
            problem = f"{self.pending} requests running or waiting"
            raise RequestError(503, problem, f"at most {self._max_pending}", retry=RETRY_FULL)
        self.pending += 1
        try:
            async with self._free:
                return await to_thread.run_sync(work, *arguments)
        finally:
            self.pending -= 1


async def _while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The work's result; where the client disconnects, the work is cancelled and RequestError raised.

    The request's body must have been read.
    """

    async def disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(disconnect())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise RequestError(CLIENT_GONE, "a client that has gone", "one that waits")
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


class Slot:
    """One websocket: its address, when its last message came, and whether its slot was taken away."""

    def __init__(self, address: str) -> None:
        self.address, self.last_message, self.lost = address, time.monotonic(), asyncio.Event()


class StreamSlots:
    """Slots of websockets: those without a first message yet, and live streams; oldest first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._silent, self._streams = dict[Slot, None](), dict[Slot, None]()

    def enter(self, address: str) -> Slot:
        """A slot for a new websocket; where there are too many, the oldest of the commonest address is dropped."""
        while len(self._silent) >= self._limits.streams + self._limits.waiting:
            commonest = Counter(slot.address for slot in self._silent).most_common(1)[0][0]
            oldest = next(slot for slot in self._silent if slot.address == commonest)
            del self._silent[oldest]
            oldest.lost.set()
        slot = Slot(address)
        self._silent[slot] = None
        return slot

    def begin(self, slot: Slot) -> None:
        """Make it a live stream, in the place of an idle one if need be; RequestError 503 where all are busy."""
        self._silent.pop(slot, None)
        if len(self._streams) >= self._limits.streams:
            idle = min(self._streams, key=lambda stream: stream.last_message)
            if time.monotonic() - idle.last_message <= self._limits.yields:
                problem, wanted = f"{len(self._streams)} live streams", f"at most {self._limits.streams}"
                raise RequestError(503, problem, wanted, retry=RETRY_FULL)
            del self._streams[idle]
            idle.lost.set()
        self._streams[slot] = None

    def leave(self, slot: Slot) -> None:
        """Free the slot of a websocket that has closed."""
        self._silent.pop(slot, None)
        self._streams.pop(slot, None)
