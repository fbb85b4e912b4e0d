"""Counts for Prometheus: requests, answers, frames, streams. No content, no address."""

from __future__ import annotations

import time as clock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histograms, in seconds."""


class Metrics:
    """One server's counters, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        labels = ["route", "status"]
        self.requests = Counter("twinsign_requests", "Requests by route and status.", labels, registry=registry)
        self.seconds = Histogram(
            "twinsign_request_seconds", "Time to an answer.", ["route"], buckets=BUCKETS, registry=registry
        )
        self.answers = Counter(
            "twinsign_answers", "Predictions, by whether they are sure.", ["sure"], registry=registry
        )
        self.frames = Counter("twinsign_live_frames", "Frames of live streams.", registry=registry)
        self.frame_seconds = Histogram(
            "twinsign_live_frame_seconds", "Time of a live frame.", buckets=BUCKETS, registry=registry
        )
        self.streams = Gauge("twinsign_live_streams", "Live streams that are open.", registry=registry)
        self.waiting = Gauge("twinsign_waiting", "Requests that are running or waiting.", registry=registry)

    def count_answer(self, sure: bool) -> None:
        """Count a prediction."""
        self.answers.labels("yes" if sure else "no").inc()


class RequestCounter:
    """ASGI middleware that counts every HTTP request, refused ones too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it with its status."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, clock.perf_counter()

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            # The route's own pattern: labels of paths that clients choose would have no end.
            route = str(getattr(scope.get("route"), "path", "other"))
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(clock.perf_counter() - started)
