"""Turns: a few answers are computed at a time, a few more wait, the rest is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import to_thread

from twinsign.serve.intake import SOON, Intake
from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError

Result = TypeVar("Result")


class Turns:
    """Runs functions in threads, `at_once` of them; RefusedError 503 where `waiting` wait already. Bodies: `intake`."""

    def __init__(self, limits: Limits) -> None:
        self._free, self._most = asyncio.Semaphore(limits.at_once), limits.at_once + limits.waiting
        self.intake = Intake(limits)
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
