"""What a server takes, how much of it and from whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

import numpy as np

from twinsign.errors import InputError


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
    """Names besides `host` under which browsers may reach it, as behind a proxy."""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is not None and (not self.token or not self.token.isascii() or self.token != self.token.strip()):
            raise InputError("a token that is empty or no plain ASCII", "letters, digits and signs")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_local(self.host)


def is_local(host: str) -> bool:
    """Whether a host is this machine's own, that no other reaches."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
