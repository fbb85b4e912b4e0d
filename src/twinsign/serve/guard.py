"""The guard: ASGI middleware that every request and websocket passes before anything else looks at it."""

from __future__ import annotations

import hmac
import logging
import time
from collections import OrderedDict
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinsign.serve.errors import RequestError, escape
from twinsign.serve.options import Access, is_local

log = logging.getLogger("twinsign")

OPEN_PATHS = ("/", "/health", "/docs", "/openapi.json")
"""Paths that need no token, beside the page's files: they tell nothing about anyone."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
WILDCARD_HOSTS = ("0.0.0.0", "::")
"""Addresses of a server that listens on all of its machine's."""
MAX_ADDRESSES = 4096
"""Addresses whose rates are remembered; the one unseen for longest is forgotten first."""
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
    """Checks hosts, origins, rates and tokens, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._rates = RateLimiter(access.limits.per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it with a refusal."""
        app = self._app
        if scope["type"] in ("http", "websocket"):
            try:
                self._check(scope)
            except RequestError as error:
                app = error.response()
        await app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)

    def _check(self, scope: Scope) -> None:
        headers, path = Headers(scope=scope), str(scope["path"])
        self._check_host(headers, str((scope.get("server") or ("",))[0]))
        if scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS:
            self._check_origin(headers)
        if path not in OPEN_PATHS and not path.startswith("/page/"):
            address = str((scope.get("client") or ("unknown",))[0])
            self._rates.count(address)
            # A browser cannot send the header with a websocket: its first message brings the token (live.py).
            if scope["type"] == "http":
                check_token(self._access, headers.get("authorization", "").removeprefix("Bearer "), address, path)

    def _check_host(self, headers: Headers, server_address: str) -> None:
        """Refuse names that are not this server's: another site may point its own name here (DNS rebinding).

        `server_address`, at which the request came in, is accepted: no name can look like it.
        """
        hosts = headers.getlist("host")
        host = _host_name(hosts[0]) if len(hosts) == 1 else ""
        names = {_host_name(name) for name in (*self._access.names, self._access.host)} - {*WILDCARD_HOSTS}
        names.add(server_address.strip("[]").lower())
        if not host or not (host in names or is_local(host)):
            raise RequestError(421, f"host {', '.join(hosts)[:80]!r}", "localhost, or a name given as --names")

    def _check_origin(self, headers: Headers) -> None:
        """Refuse pages of other sites, which would act in their reader's name; programs send no Origin."""
        origin = headers.get("origin")
        if origin is None:
            return
        scheme, _, host = origin.lower().partition("://")
        if scheme not in ("http", "https") or host not in (headers.get("host", "").lower(), *self._access.names):
            raise RequestError(403, f"a request by a page of {origin[:80]}", "the server's own page, or a program")


def _host_name(host: str) -> str:
    """The name in NAME, NAME:PORT or [ADDRESS]:PORT, in lower case; empty where it is none of these."""
    try:
        parts = urlsplit(f"//{host}")
        valid = parts.netloc == host and "@" not in host and (parts.port is None or parts.port > 0)
        return (parts.hostname or "") if valid else ""
    except ValueError:
        return ""


def check_token(access: Access, token: str, address: str, path: str) -> None:
    """RequestError 401 where a token is set and `token` is not it; in a time that does not tell how near it was.

    The log has the address and path, and nothing of the token.
    """
    if access.token is None or hmac.compare_digest(token.encode("utf-8", "replace"), access.token.encode()):
        return
    problem = "another token" if token else "no token"
    log.warning("refused %s from %s for %s", problem, escape(address), escape(path)[:100])
    wanted = "the header `Authorization: Bearer TOKEN` with the token the server was started with"
    raise RequestError(401, problem, wanted)


class RateLimiter:
    """Token buckets, one an address: `per_minute` requests, all of which may come at once."""

    def __init__(self, per_minute: int) -> None:
        self._capacity, self._buckets = float(per_minute), OrderedDict[str, tuple[float, float]]()

    def count(self, address: str) -> None:
        """Count a request; RequestError 429 where the address has sent too many."""
        now, per_second = time.monotonic(), self._capacity / 60
        left, since = self._buckets.pop(address, (self._capacity, now))
        left = min(self._capacity, left + (now - since) * per_second)
        self._buckets[address] = max(left - 1, 0.0), now
        while len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if left < 1:
            problem = f"more than {self._capacity:.0f} requests in a minute"
            wait = max(1, round((1 - left) / per_second))
            raise RequestError(429, problem, f"at most {self._capacity:.0f}", retry=wait)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
