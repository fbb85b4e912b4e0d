"""Turns: a few answers are computed at a time, a few more wait, the rest is refused."""

from __future__ import annotations

import asyncio
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
