"""Connections: a header has a time limit, an address has so many, and idle ones make room for new ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from twinsign.serve.options import Access, is_proxy

CONNECTIONS = 200
"""Connections at the same time."""
SPARE = 8
"""So many fewer are let in: the server answers 503 when CONNECTIONS are open."""
CLOSING = 2.0
"""Seconds that the other side of a websocket may take to say that it has closed."""
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connections:
    """Everybody who is connected, oldest first."""

    def __init__(self, access: Access) -> None:
        self._most, self._proxies = access.limits.connections, access.proxies
        self._open: dict[Any, str] = {}

    def enter(self, protocol: Any) -> bool:
        """Let a new one in, in the place of an old one where need be; False where all others are at work."""
        address = str((protocol.client or ("",))[0])
        if not is_proxy(address, self._proxies) and Counter(self._open.values())[address] >= self._most:
            same = [one for one, other in self._open.items() if other == address]
            if not self._drop(same):
                return False
        if len(self._open) >= CONNECTIONS - SPARE:
            self._drop(list(self._open))
        self._open[protocol] = address
        return True

    def leave(self, protocol: Any) -> None:
        """It is over."""
        self._open.pop(protocol, None)

    def _drop(self, among: list[Any]) -> bool:
        """End the oldest that waits for nothing, else the oldest whose request is still coming."""
        for idle in (lambda one: one.idle, lambda one: one.coming):
            oldest = next(filter(idle, among), None)
            if oldest is not None:
                self.leave(oldest)
                oldest.transport.abort()
                return True
        return False


def protocols(access: Access) -> tuple[type[asyncio.Protocol], type[asyncio.Protocol]]:
    """The HTTP and websocket protocols of one server."""
    present = Connections(access)

    class Http(_Http):
        connections_of_all, header_seconds = present, access.limits.header_seconds

    class Socket(_Socket):
        connections_of_all = present

    return Http, Socket


class _Http(H11Protocol):
    connections_of_all: Connections
    header_seconds: float
    _deadline: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is asked: no whole header, or an answer that the other side does not read."""
        return self.cycle is None or self.cycle.response_complete or self.flow.write_paused

    @property
    def coming(self) -> bool:
        """Whether the request's body is not there yet."""
        return self.cycle is not None and self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.connections_of_all.enter(self):
            self._expect_header()
        else:
            transport.write(BUSY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of_all.leave(self)
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._expect_nothing()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self.connections_of_all.leave(self)
        self._expect_nothing()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        self._expect_header()
        super().on_response_complete()

    def _expect_header(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(self.header_seconds, self.transport.abort)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Socket(WebSocketsSansIOProtocol):
    connections_of_all: Connections
    coming = False

    @property
    def idle(self) -> bool:
        """Whether it only waits for the other side to say that it has closed."""
        return bool(self.close_sent)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.close_timeout = CLOSING
        if not self.connections_of_all.enter(self):
            cast(asyncio.Transport, transport).abort()

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of_all.leave(self)
        super().connection_lost(exc)
