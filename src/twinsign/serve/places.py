"""Places for live streams: whoever is silent gives way to another, and many of one address first."""

from __future__ import annotations

import asyncio
import time as clock
from collections import Counter

from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError


class Place:
    """One socket's: whose it is, when it was heard last, and whether it has lost it."""

    def __init__(self, address: str) -> None:
        self.address, self.heard, self.lost = address, clock.monotonic(), asyncio.Event()


class Places:
    """Who has a place: sockets without a first message yet, and streams."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._silent, self._streams = dict[Place, None](), dict[Place, None]()

    def enter(self, address: str) -> Place:
        """A place for a socket that has said nothing yet; where there are too many, the oldest of one address goes."""
        while len(self._silent) >= self._limits.streams + self._limits.waiting:
            crowd = Counter(place.address for place in self._silent).most_common(1)[0][0]
            oldest = next(place for place in self._silent if place.address == crowd)
            del self._silent[oldest]
            oldest.lost.set()
        place = Place(address)
        self._silent[place] = None
        return place

    def begin(self, place: Place) -> None:
        """It becomes a stream; RefusedError where all that may be are busy ones."""
        self._silent.pop(place, None)
        most = self._limits.streams
        if len(self._streams) >= most:
            idle = min(self._streams, key=lambda one: one.heard)
            if clock.monotonic() - idle.heard <= self._limits.yields:
                raise RefusedError(
                    503, f"{len(self._streams)} live streams", f"at most {self._limits.streams}", retry=1
                )
            del self._streams[idle]
            idle.lost.set()
        self._streams[place] = None

    def leave(self, place: Place) -> None:
        """The socket is over."""
        self._silent.pop(place, None)
        self._streams.pop(place, None)
