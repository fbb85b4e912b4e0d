"""Bodies on their way in: no larger than they may be, not for ever, and not too many bytes of all requests at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.requests import Request

from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError

MEGABYTE = 10**6
SOON = 1
"""Seconds after which a request that found the server full may try again."""


class Intake:
    """Reads the bodies of one server's requests."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held, self._most = 0, int(limits.intake_mb * MEGABYTE)

    async def read(self, request: Request, megabytes: float) -> bytes:
        """The whole body; RefusedError as soon as it grows beyond the limit, whatever it says of its length.

        Also where it is compressed, takes too long, or those of other requests leave no room for it.
        """
        coding = request.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("identity", ""):
            raise RefusedError(415, f"a body encoded as {coding[:40]}", "a body as it is, without Content-Encoding")
        stated = request.headers.get("content-length", "")
        if stated.isascii() and stated.isdigit() and int(stated[:20]) > megabytes * MEGABYTE:
            raise RefusedError(413, f"a body of {int(stated[:20]) / MEGABYTE:.1f} MB", f"at most {megabytes:g} MB")
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._whole(request, megabytes)
        except TimeoutError as error:
            found = f"a body that was not there after {self._limits.body_seconds:g} seconds"
            raise RefusedError(408, found, "a body that comes at once") from error

    async def read_object(self, request: Request, megabytes: float) -> dict[str, Any]:
        """The body's JSON object; RefusedError where it is none."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise RefusedError(415, f"a body of type {kind[:40] or '(none)'}", "Content-Type: application/json")
        return as_object(await self.read(request, megabytes))

    async def _whole(self, request: Request, megabytes: float) -> bytes:
        found = bytearray()
        try:
            async for chunk in request.stream():
                found += chunk
                self._held += len(chunk)
                if len(found) > megabytes * MEGABYTE:
                    raise RefusedError(413, f"a body of more than {megabytes:g} MB", f"at most {megabytes:g} MB")
                if self._held > self._most:
                    raise RefusedError(503, "too many large bodies at once", "one after another", retry=SOON)
        finally:
            self._held -= len(found)
        return bytes(found)


def as_object(content: str | bytes) -> dict[str, Any]:
    """Text as a JSON object; RefusedError where it is none."""
    try:
        value = json.loads(content, parse_constant=_no_number)
    except RecursionError as error:
        raise RefusedError(400, "JSON nested too deep", "a JSON object") from error
    except ValueError as error:
        raise RefusedError(400, f"no JSON ({error})", "a JSON object") from error
    if not isinstance(value, dict):
        raise RefusedError(422, f"a JSON {type(value).__name__}", "a JSON object")
    return value


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON number")
