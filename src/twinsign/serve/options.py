"""What a server takes, how much of it and from whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import numpy as np

from twinsign.errors import InputError

MEGA = 10**6


@dataclass(frozen=True)
class Limits:
    """How much a server takes; what is beyond is refused with a status that says so.

    Args:
        body_mb: Largest JSON body, in megabytes.
        upload_mb: Largest uploaded file, in megabytes.
        intake_mb: Most that is held of all bodies that are coming in, in megabytes.
        body_seconds: Longest time that a body may take to come.
        seconds: Longest clip.
        frames: Most frames of a clip.
        clips: Most clips of one batch.
        per_minute: Most requests that one address may send in a minute.
        at_once: Answers computed at the same time.
        waiting: Requests that may wait for their turn.
        streams: Live streams at the same time.
        idle: Seconds after which a live stream without a frame is closed.
        yields: Seconds after which a live stream without a frame gives its place to another that wants one.
        start_seconds: Seconds that a live stream's first message may take to come.
        header_seconds: Seconds that the header of a request may take to come.
        connections: Most connections of one address.
        nodes: Most values of a JSON body or file; an object counts four times.
        persons: Most persons in a frame of a pose file.
        points: Most points of a person in a `.pose` file.
        members: Most members of an archive.
        megapixels: Most pixels of a video's stored frame, in millions.
        empty_frames: A video that shows nobody in its first so many frames is refused.
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
    """Who may ask: where the server listens and, where one is set, the token that every request must carry."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()
    """Names besides `host` under which it may be asked for, with a port where it is another than 80 and 443."""
    proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies, whose X-Forwarded-For is believed."""
    insecure: bool = False
    """Whether others than this machine may ask without a token."""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is not None and (not self.token or not self.token.isascii() or self.token != self.token.strip()):
            raise InputError("a token that is empty or no plain ASCII", "letters, digits and signs")
        if not self.local and self.token is None and not self.insecure:
            hint = "Set TWINSIGN_TOKEN in the environment; --insecure serves everybody who reaches this machine."
            found, wanted = f"--host {self.host} without a token", "a token, or a --host of this machine alone"
            raise InputError(found, wanted, hint=hint)
        is_proxy("127.0.0.1", self.proxies)

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_local(self.host)


def is_proxy(address: str, proxies: Sequence[str]) -> bool:
    """Whether an address is among those of proxies; InputError where one of these is none."""
    try:
        networks = [ip_network(proxy, strict=False) for proxy in proxies]
    except ValueError as error:
        raise InputError(f"--proxies {error}", "IP addresses or networks, as 10.0.0.2 or 10.0.0.0/24") from error
    try:
        place = ip_address(address)
    except ValueError:
        return False
    return any(place in network for network in networks)


def is_local(host: str) -> bool:
    """Whether a host is this machine's own, that no other reaches."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
