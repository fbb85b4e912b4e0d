"""Options of a server: how much it accepts, and from whom."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import numpy as np

from twinsign.errors import InputError

MEGA = 10**6


@dataclass(frozen=True)
class Limits:
    """How much a server accepts; more is refused with a status that says so.

    Args:
        body_mb: Largest JSON body, in megabytes.
        upload_mb: Largest uploaded file, in megabytes.
        intake_mb: Most megabytes held of all bodies that are being received.
        body_seconds: Longest time to receive a body.
        seconds: Longest clip.
        frames: Most frames of a clip.
        clips: Most clips of one batch.
        per_minute: Most requests per minute from one address.
        at_once: Answers computed at the same time.
        waiting: Requests that may wait for their turn.
        streams: Live streams at the same time.
        idle: Seconds after which a live stream without a frame is closed.
        yields: Seconds after which a live stream without a frame loses its place to a new one.
        start_seconds: Longest time until a live stream's first message.
        header_seconds: Longest time to receive the header of a request.
        connections: Most connections from one address.
        nodes: Most values of a JSON body or file; an object counts four times.
        persons: Most persons in a frame of a pose file.
        points: Most points of a person in a `.pose` file.
        members: Most members of an archive.
        megapixels: Most pixels of a video's stored frame, in millions.
        empty_frames: A video that shows nobody in this many first frames is refused.
        read_seconds: Most processor time for one JSON body or pose file.
        read_mb: Most memory for one JSON body or pose file, in megabytes.
        watch_seconds: Most processor time for one video.
        watch_mb: Most memory for one video, in megabytes.
        enrolled: Most recordings in the dictionary.
    """

    body_mb: float = 8.0
    upload_mb: float = 64.0
    intake_mb: float = 256.0
    body_seconds: float = 30.0
    seconds: float = 30.0
    frames: int = 1000
    clips: int = 64
    per_minute: int = 600
    at_once: int = 1
    waiting: int = 16
    streams: int = 2
    idle: float = 60.0
    yields: float = 10.0
    start_seconds: float = 10.0
    header_seconds: float = 10.0
    connections: int = 64
    nodes: int = 2_000_000
    persons: int = 16
    points: int = 2000
    members: int = 64
    megapixels: float = 9.0
    empty_frames: int = 16
    read_seconds: float = 5.0
    read_mb: float = 192.0
    watch_seconds: float = 90.0
    watch_mb: float = 768.0
    enrolled: int = 10_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (np.isfinite(value) and value > 0) and not (name == "waiting" and value == 0):
                raise InputError(f"limits.{name} {value}", "a positive number")


@dataclass(frozen=True)
class Access:
    """Who may use a server: where it listens, and the token that requests must carry where one is set."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()
    """Names of the server besides `host`, with a port where it is neither 80 nor 443."""
    proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies, whose X-Forwarded-For is believed."""
    insecure: bool = False
    """Whether other machines may use it without a token."""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is not None and (not self.token or not self.token.isascii() or self.token != self.token.strip()):
            raise InputError("a token that is empty or not plain ASCII", "letters, digits and signs")
        if not self.local and self.token is None and not self.insecure:
            hint = "Set TWINSIGN_TOKEN in the environment; --insecure serves everybody who reaches this machine."
            found, wanted = f"--host {self.host} without a token", "a token, or a --host that only this machine reaches"
            raise InputError(found, wanted, hint=hint)
        is_proxy("127.0.0.1", self.proxies)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_local(self.host)


def is_proxy(address: str, proxies: Sequence[str]) -> bool:
    """Whether an address is one of the proxies'; InputError where a proxy is not an address or network."""
    try:
        networks = [ip_network(proxy, strict=False) for proxy in proxies]
    except ValueError as error:
        raise InputError(f"--proxies {error}", "IP addresses or networks, as 10.0.0.2 or 10.0.0.0/24") from error
    with suppress(ValueError):
        return any(ip_address(address) in network for network in networks)
    return False


def is_local(host: str) -> bool:
    """Whether a host is this machine's own, which no other machine reaches."""
    with suppress(ValueError):
        return ip_address(host.strip("[]")).is_loopback
    return host == "localhost"
