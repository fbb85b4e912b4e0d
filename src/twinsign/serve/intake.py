"""Bodies on their way in: no larger than they may be, not for ever, and not too many bytes of all requests at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import ClientDisconnect, Request

from twinsign.pose.bounds import count_nodes
from twinsign.serve.options import MEGA, Limits
from twinsign.serve.refusals import RefusedError

SOON = 1
"""Seconds after which a request that found the server full may try again."""
GONE = 499
"""The status, which nobody reads, of a request whose client has gone."""


class Intake:
    """Reads the bodies of one server's requests."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held, self._most = 0, int(limits.intake_mb * MEGA)

    @asynccontextmanager
    async def body(self, request: Request, megabytes: float, *, is_json: bool) -> AsyncIterator[bytearray]:
        """The whole body, counted among those that are held until the block ends.

        RefusedError as soon as it grows beyond the limit, whatever it says of its length, or as JSON has too many
        values; also where it is compressed, takes too long, or those of other requests leave no room for it.
        """
        coding = request.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("identity", ""):
            raise RefusedError(415, f"a body encoded as {coding[:40]}", "a body as it is, without Content-Encoding")
        stated = request.headers.get("content-length", "")
        if stated.isascii() and stated.isdigit() and int(stated[:20]) > megabytes * MEGA:
            raise RefusedError(413, f"a body of {int(stated[:20]) / MEGA:.1f} MB", f"at most {megabytes:g} MB")
        content = bytearray()
        try:
            try:
                async with asyncio.timeout(self._limits.body_seconds):
                    await self._read(request, content, megabytes, is_json)
            except TimeoutError as error:
                found = f"a body that was not there after {self._limits.body_seconds:g} seconds"
                raise RefusedError(408, found, "a body that comes at once") from error
            except ClientDisconnect as error:
                raise RefusedError(GONE, "a client that has gone", "one that waits") from error
            yield content
        finally:
            self._held -= len(content)

    @asynccontextmanager
    async def json_body(self, request: Request) -> AsyncIterator[bytearray]:
        """The body of a request that says that it is JSON; RefusedError where it says something else."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise RefusedError(415, f"a body of type {kind[:40] or '(none)'}", "Content-Type: application/json")
        async with self.body(request, self._limits.body_mb, is_json=True) as content:
            yield content

    async def _read(self, request: Request, content: bytearray, megabytes: float, is_json: bool) -> None:
        nodes = 0
        async for chunk in request.stream():
            content += chunk
            self._held += len(chunk)
            nodes += count_nodes(chunk) if is_json else 0
            if len(content) > megabytes * MEGA:
                raise RefusedError(413, f"a body of more than {megabytes:g} MB", f"at most {megabytes:g} MB")
            if nodes > self._limits.nodes:
                raise RefusedError(413, "JSON of too many values", f"at most {self._limits.nodes:,}")
            if self._held > self._most:
                raise RefusedError(503, "too many large bodies at once", "one after another", retry=SOON)


def as_object(content: str | bytes, nodes: int) -> dict[str, Any]:
    """Text as a JSON object of at most so many `nodes`; RefusedError where it is none."""
    counted = count_nodes(content.encode("utf-8", "replace") if isinstance(content, str) else content)
    if counted > nodes:
        raise RefusedError(413, "JSON of too many values", f"at most {nodes:,}")
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
