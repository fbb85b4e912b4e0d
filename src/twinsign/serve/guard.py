"""The door: every request passes it before anything else looks at it. Plain ASGI, for streams and sockets too."""

from __future__ import annotations

import hmac
import logging
import time as clock
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinsign.serve.options import Access, is_local
from twinsign.serve.refusals import RefusedError, readable

log = logging.getLogger("twinsign")

OPEN = ("/", "/health", "/docs", "/openapi.json")
"""Paths that need no token: they tell nothing of anyone."""
STATIC = "/page/"
SAFE = ("GET", "HEAD", "OPTIONS")
EVERYWHERE = ("0.0.0.0", "::")
"""Where a server listens that all may reach: the name of no place."""
MINUTE = 60.0
ADDRESSES = 4096
"""Addresses remembered; the one unseen for longest is forgotten first."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Hosts, origins, rates, tokens and sizes; and the headers of every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._rates = Rates(access.limits.per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it with a refusal."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except RefusedError as refusal:
            await _refuse(scope, receive, send, refusal)
            return
        if scope["type"] == "http":
            await self._app(scope, receive, _with_headers(send))
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers, path = Headers(scope=scope), str(scope["path"])
        self._check_host(headers, str((scope.get("server") or ("",))[0]))
        free = path in OPEN or path.startswith(STATIC)
        if scope["type"] == "websocket" or scope["method"] not in SAFE:
            self._check_origin(headers)
        if not free:
            address = str((scope.get("client") or ("unknown",))[0])
            self._rates.count(address)
            # A browser cannot send the header with a websocket: its first message brings the token (live.py).
            if scope["type"] == "http":
                check_token(self._access, headers.get("authorization", "").removeprefix("Bearer "), address, path)

    def _check_host(self, headers: Headers, here: str) -> None:
        """A page elsewhere may have its own name point here (DNS rebinding): only names of this server are served.

        So is the address at which the request came in, `here`: no name can be made to look like it.
        """
        hosts = headers.getlist("host")
        host = _name_of(hosts[0]) if len(hosts) == 1 else ""
        known = {_name_of(name) for name in (*self._access.names, self._access.host)} - {*EVERYWHERE}
        if not host or not (host in known or host == here.strip("[]").lower() or is_local(host)):
            raise RefusedError(421, f"host {', '.join(hosts)[:80]!r}", "localhost, or a name given as --names")

    def _check_origin(self, headers: Headers) -> None:
        """A page elsewhere may not ask in its reader's name; other programs send no Origin."""
        origin = headers.get("origin")
        if origin is None:
            return
        scheme, _, place = origin.lower().partition("://")
        own = scheme in ("http", "https") and place in (headers.get("host", "").lower(), *self._access.names)
        if not own:
            raise RefusedError(403, f"a request by a page of {origin[:80]}", "the server's own page, or a program")


def _name_of(host: str) -> str:
    """The name in NAME, NAME:PORT or [ADDRESS]:PORT, in small letters; empty where it is none of these."""
    try:
        parts = urlsplit(f"//{host}")
        plain = parts.netloc == host and "@" not in host and (parts.port is None or parts.port > 0)
        return (parts.hostname or "") if plain else ""
    except ValueError:
        return ""


def check_token(access: Access, given: str, address: str, path: str) -> None:
    """Refuse where a token is set and another, or none, was given; in a time that does not tell how near it was.

    The log has the address and path of whoever was refused, and nothing of the token.
    """
    if access.token is None:
        return
    if not hmac.compare_digest(given.encode("utf-8", "replace"), access.token.encode()):
        found = "another token" if given else "no token"
        log.warning("refused %s from %s for %s", found, readable(address), readable(path)[:100])
        raise RefusedError(
            401, found, "the header `Authorization: Bearer TOKEN` with the token the server was started with"
        )


class Rates:
    """Token buckets, one an address: `per_minute` requests, as many at once at most."""

    def __init__(self, per_minute: int) -> None:
        self._most, self._left = float(per_minute), OrderedDict[str, tuple[float, float]]()

    def count(self, address: str) -> None:
        """Count a request; RefusedError where the address has sent too many."""
        now = clock.monotonic()
        left, then = self._left.pop(address, (self._most, now))
        left = min(self._most, left + (now - then) * self._most / MINUTE)
        self._left[address] = max(left - 1, 0.0), now
        while len(self._left) > ADDRESSES:
            self._left.popitem(last=False)
        if left < 1:
            wait = max(1, round((1 - left) * MINUTE / self._most))
            found = f"more than {self._most:.0f} requests in a minute"
            raise RefusedError(429, found, f"at most {self._most:.0f}", retry=wait)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: RefusedError) -> None:
    if scope["type"] == "http":
        await refusal.response()(scope, receive, _with_headers(send))
        return
    extensions: dict[str, Any] = scope.get("extensions") or {}
    if "websocket.http.response" in extensions:
        await refusal.response()(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
