"""One live stream: its estimator, in a thread of its own, and where in a sign it is."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinsign.extract.holistic import LiveHolistic, decode_jpeg
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.plausible import FARTHEST
from twinsign.pose.recording import FloatArray, Recording
from twinsign.serve import bodies
from twinsign.serve.intake import as_object
from twinsign.serve.refusals import RefusedError
from twinsign.serve.service import Service
from twinsign.serve.shapes import as_json
from twinsign.streaming.stream import Sign, Stream

STAMP = struct.Struct("<d")
"""A picture's message begins with its time in seconds; the JPEG follows."""
LONGEST = 1e9
"""Seconds that a stream may count to, which are 30 years."""
TOP = 5
LONGEST_TEXT = 2**16
"""Characters of a message of text: a frame's poses have 3,000."""
MOST_VALUES = 1000
"""JSON values of a message: a frame's poses have 250."""
Said = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """What the first message says: whether pictures or poses will come, of what size."""

    pictures: bool
    size: tuple[int, int] | None


class Session:
    """One stream: its estimator, in a thread of its own, and where in a sign it is."""

    def __init__(self, service: Service, start: Start) -> None:
        self._service, self._start = service, start
        self._thread = ThreadPoolExecutor(1, "twinsign-live")
        self._holistic: LiveHolistic | None = None
        self._stream: Stream[Said] | None = None
        self._size: tuple[int, int] | None = start.size
        self.last: Said = {}
        """The poses of what was named last."""

    async def load(self) -> None:
        """Load the estimator, where pictures will come."""
        if self._start.pictures:
            self._holistic = await self._here(LiveHolistic)

    async def _here(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    @property
    def stream(self) -> Stream[Said]:
        """Made with the first frame, which tells the size."""
        if self._stream is None:
            seen_by = f"{self._holistic.name} {self._holistic.version}" if self._holistic else ""
            self._stream = Stream(self._name, size=self._size, estimator=seen_by)
        return self._stream

    async def pose(self, message: Said) -> tuple[float, FloatArray, FloatArray]:
        """Time, image fractions xy (49 2) and score (49) of a message's frame."""
        content = message.get("bytes")
        if content is None:
            return _pose_of(str(message.get("text")))
        if self._holistic is None:
            raise RefusedError(422, "a picture", "poses, as the first message said")
        if len(content) <= STAMP.size:
            raise RefusedError(422, f"{len(content)} bytes", "8 bytes of time, and a JPEG")
        time = STAMP.unpack_from(content)[0]
        if not abs(time) < LONGEST:
            raise RefusedError(422, f"time {time:g}", "seconds")
        xy, score = await self._here(self._estimated, content[STAMP.size :])
        return time, xy, score

    def _estimated(self, jpeg: bytes) -> tuple[FloatArray, FloatArray]:
        if self._holistic is None:
            raise RefusedError(422, "a picture", "poses, as the first message said")
        image = decode_jpeg(jpeg)
        if self._stream is None:
            self._size = (image.shape[1], image.shape[0])
        return self._holistic.estimate(image)

    def _name(self, recording: Recording) -> Said:
        self.last = as_json(recording)
        return self._service.answers([recording], TOP, True)[0]

    def is_end(self, text: str) -> bool:
        """Whether a message says that the stream is over."""
        return text == '{"type":"end"}' or (len(text) < 40 and text.replace(" ", "") == '{"type":"end"}')

    def finish(self) -> list[Sign[Said]]:
        """What was going on when the stream ended."""
        return self.stream.finish()

    def close(self) -> None:
        """Let the estimator go."""
        if self._holistic is not None:
            self._thread.submit(self._holistic.close)
        self._thread.shutdown(wait=False)


def _pose_of(text: str) -> tuple[float, FloatArray, FloatArray]:
    if len(text) > LONGEST_TEXT:
        raise RefusedError(413, f"a message of {len(text):,} characters", f"at most {LONGEST_TEXT:,}")
    values = as_object(text, MOST_VALUES)
    bodies.only_keys(values, ("type", "time", "xy", "seen"))
    time: Any = values.get("time")
    if type(time) not in (int, float) or not abs(time) < LONGEST:
        raise RefusedError(422, f"time {str(time)[:40]}", "seconds")
    if "xy" not in values:
        raise RefusedError(422, "no xy", f"xy: ({JOINT_COUNT} joints, 2)")
    xy = bodies.as_numbers(values["xy"], "xy of a frame", 2, "xy")
    score = bodies.as_numbers(values["seen"], "seen", 1, "seen") if "seen" in values else bodies.finite(xy)
    if not (np.abs(xy[np.isfinite(xy)]) <= FARTHEST).all():
        raise RefusedError(422, "a joint very far away", f"image fractions up to {FARTHEST:g}")
    return float(time), xy, score
