"""Turns: a few answers are computed at a time, a few more wait, the rest is refused."""

from __future__ import annotations

import asyncio
import time as clock
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from anyio import to_thread
from starlette.requests import Request

from twinsign.serve.intake import GONE, SOON
from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError

Result = TypeVar("Result")


class Turns:
    """Runs functions in threads, `at_once` of them; RefusedError 503 where `waiting` wait already."""

    def __init__(self, limits: Limits) -> None:
        self._free, self._most = asyncio.Semaphore(limits.at_once), limits.at_once + limits.waiting
        self.present = 0

    async def run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """The function's result, once it had its turn."""
        if self.present >= self._most:
            raise RefusedError(503, f"{self.present} requests at work or waiting", f"at most {self._most}", retry=SOON)
        self.present += 1
        try:
            async with self._free:
                return await to_thread.run_sync(partial(work, *arguments))
        finally:
            self.present -= 1


async def attended(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The work's result; where the client goes away, the work is cancelled and RefusedError raised.

    The request's body must have been read.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise RefusedError(GONE, "a client that has gone", "one that waits")
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Place:
    """One socket's: whose it is, when it was heard last, and whether it has lost it."""

    def __init__(self, address: str) -> None:
        self.address, self.heard, self.lost = address, clock.monotonic(), asyncio.Event()


class Places:
    """Who has a place: sockets without a first message yet, and streams."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._silent, self._streams = dict[Place, None](), dict[Place, None]()

    def enter(self, address: str) -> Place:
        """A place for a socket that has said nothing yet; where there are too many, the oldest of one address goes."""
        while len(self._silent) >= self._limits.streams + self._limits.waiting:
            crowd = Counter(place.address for place in self._silent).most_common(1)[0][0]
            oldest = next(place for place in self._silent if place.address == crowd)
            del self._silent[oldest]
            oldest.lost.set()
        place = Place(address)
        self._silent[place] = None
        return place

    def begin(self, place: Place) -> None:
        """It becomes a stream; RefusedError where all that may be are busy ones."""
        self._silent.pop(place, None)
        most = self._limits.streams
        if len(self._streams) >= most:
            idle = min(self._streams, key=lambda one: one.heard)
            if clock.monotonic() - idle.heard <= self._limits.yields:
                raise RefusedError(
                    503, f"{len(self._streams)} live streams", f"at most {self._limits.streams}", retry=1
                )
            del self._streams[idle]
            idle.lost.set()
        self._streams[place] = None

    def leave(self, place: Place) -> None:
        """The socket is over."""
        self._silent.pop(place, None)
        self._streams.pop(place, None)
