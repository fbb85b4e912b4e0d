"""Counts for Prometheus: requests, answers, frames, streams. No content, no address."""

from __future__ import annotations

import time as clock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """One server's counters, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        kept = self.registry
        self.requests = Counter(
            "twinsign_requests", "Requests by route and status.", ["route", "status"], registry=kept
        )
        self.seconds = Histogram(
            "twinsign_request_seconds", "Time to an answer.", ["route"], buckets=SECONDS, registry=kept
        )
        self.answers = Counter("twinsign_answers", "Signs named, by how sure.", ["sure"], registry=kept)
        self.frames = Counter("twinsign_live_frames", "Frames of live streams.", registry=kept)
        self.frame_seconds = Histogram("twinsign_live_frame_seconds", "A live frame.", buckets=SECONDS, registry=kept)
        self.streams = Gauge("twinsign_live_streams", "Live streams that are open.", registry=kept)
        self.waiting = Gauge("twinsign_waiting", "Requests at work or waiting.", registry=kept)

    def answered(self, sure: bool) -> None:
        """Count an answer."""
        self.answers.labels("yes" if sure else "no").inc()


class Counted:
    """Counts every HTTP request, refused ones too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it with its status."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, clock.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            # The route's own pattern: paths of strangers would make labels without end.
            route = str(getattr(scope.get("route"), "path", "other"))
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(clock.perf_counter() - started)
