"""Connections: a header has a time limit, an address has a maximum, and idle ones make room for new ones."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from twinsign.serve.options import Access, is_proxy

MAX_CONNECTIONS = 200
"""Connections at the same time."""
SPARE = 8
"""Places that are kept free: uvicorn answers 503 when MAX_CONNECTIONS are open."""
CLOSE_SECONDS = 2.0
"""Seconds that a client may take to confirm that a websocket is closed."""
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Connections:
    """All open connections, oldest first."""

    def __init__(self, access: Access) -> None:
        self._max_per_address, self._proxies = access.limits.connections, access.proxies
        self._open: dict[Any, str] = {}

    def enter(self, protocol: Any) -> bool:
        """Add a connection, in the place of an idle one if need be; False where all of its address are busy."""
        address = str((protocol.client or ("",))[0])
        same = [peer for peer, peer_address in self._open.items() if peer_address == address]
        full = len(same) >= self._max_per_address and not is_proxy(address, self._proxies)
        if full and not self._drop(same):
            return False
        if len(self._open) >= MAX_CONNECTIONS - SPARE:
            self._drop(list(self._open))
        self._open[protocol] = address
        return True

    def leave(self, protocol: Any) -> None:
        """Remove a connection that has closed."""
        self._open.pop(protocol, None)

    def _drop(self, protocols: list[Any]) -> bool:
        """Abort the oldest idle connection, else the oldest whose request is incomplete; False where none is either."""
        candidates = [peer for peer in protocols if peer.idle] or [peer for peer in protocols if peer.incomplete]
        if candidates:
            self.leave(candidates[0])
            candidates[0].transport.abort()
        return bool(candidates)


def protocols(access: Access) -> tuple[type[asyncio.Protocol], type[asyncio.Protocol]]:
    """The HTTP and websocket protocols of one server."""
    shared = {"connections_of_server": Connections(access), "header_seconds": access.limits.header_seconds}
    return type("Http", (_Http,), shared), type("Socket", (_Socket,), shared)


class _Registered(asyncio.Protocol):
    """Enters and leaves the server's connections."""

    connections_of_server: Connections

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections_of_server.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():  # type: ignore[attr-defined]
            super().data_received(data)


class _Http(_Registered, H11Protocol):
    header_seconds: float
    _deadline: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether no whole header has come, or the client does not read its answer."""
        return self.cycle is None or self.cycle.response_complete or self.flow.write_paused

    @property
    def incomplete(self) -> bool:
        """Whether the request's body is still coming."""
        return self.cycle is not None and self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.connections_of_server.enter(self):
            self._expect_header(True)
        else:
            transport.write(UNAVAILABLE)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_header(False)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        cycle = self.cycle
        super().handle_events()
        if self.cycle is not cycle:
            self._expect_header(False)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self.connections_of_server.leave(self)
        self._expect_header(False)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        self._expect_header(True)
        super().on_response_complete()

    def _expect_header(self, expected: bool) -> None:
        """Start the time limit of the next header, or stop it."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self.header_seconds, self.transport.abort) if expected else None


class _Socket(_Registered, WebSocketsSansIOProtocol):
    incomplete = False

    @property
    def idle(self) -> bool:
        """Whether only the client's confirmation of the close is awaited."""
        return bool(self.close_sent)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.close_timeout = CLOSE_SECONDS
        if not self.connections_of_server.enter(self):
            transport.abort()
