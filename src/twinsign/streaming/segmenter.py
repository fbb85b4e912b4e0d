"""When a sign begins and ends, by the movement of the hands, frame by frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from twinsign.errors import InputError
from twinsign.pose.layout import HAND_JOINTS, HAND_WRIST, LEFT_HAND, RIGHT_HAND, SHOULDER_ELBOW_WRIST
from twinsign.pose.recording import FloatArray
from twinsign.pose.trim import lowered

SIDES = {"right": RIGHT_HAND, "left": LEFT_HAND}
SPAN = 0.1
"""Seconds over which speed is measured, so that jitter is no movement."""
PALMS = 4.0
"""Shoulder width over the length of a palm (wrist to the middle finger's base), where no shoulders are seen."""
MIN_GAP = 1 / 120
"""Frames that follow another sooner, in seconds, are left out."""
State = Literal["rest", "held", "signing"]


@dataclass(frozen=True)
class SegmenterConfig:
    """When a sign begins and ends; times in seconds, speeds in shoulder widths a second (docs/serve.md)."""

    moving: float = 0.7
    """A raised hand this fast begins a sign."""
    still: float = 0.25
    """Slower hands are held."""
    gone: float = 0.4
    """A sign ends when no hand was raised and in sight for this long."""
    pause: float = 0.7
    """A sign ends when raised hands were held for this long."""
    longest: float = 5.0
    """A sign ends after this long in any case."""
    shortest: float = 0.3
    """Anything shorter is not a sign."""
    lowering: float = 0.7
    """The same after a held hand, if it ends with the hands down: they were only lowered."""
    lead: float = 0.2
    """The time that is kept before and after a sign."""
    stall: float = 1.0
    """A longer gap between frames ends a sign."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} {value}", "a positive number")


class Frame(NamedTuple):
    """A moment in seconds, image fractions xy (49 2), score (49), 0 = unseen."""

    time: float
    xy: FloatArray
    score: FloatArray


class Segment(NamedTuple):
    """A sign: its frames, with `lead` at both ends, and when it began and ended in seconds."""

    frames: list[Frame]
    begin: float
    end: float


class Segmenter:
    """Follows one signer: `push` takes every frame and returns a sign once it has ended.

    Only frames that a sign may still need are kept.
    """

    def __init__(self, config: SegmenterConfig, size: tuple[int, int] | None = None) -> None:
        self.config, self._scale = config, np.asarray(size or (1, 1), np.float32)
        self.state: State = "rest"
        self.begin: float | None = None
        """When the present sign began; None between signs."""
        self._frames = deque[Frame]()
        self._raised_at = self._moved_at = -np.inf
        self._after_hold = False
        self._width: float | None = None

    def push(self, frame: Frame) -> Segment | None:
        """Take the next frame; the sign that it ended, if any. InputError if its time does not exceed the last one."""
        last = self._frames[-1].time if self._frames else -np.inf
        if not frame.time > last:
            raise InputError(f"a frame at {frame.time} s after one at {last} s", "times that rise")
        if frame.time - last < MIN_GAP:
            return None
        stalled = self.finish() if frame.time - last > self.config.stall else None
        return self._advance(frame) or stalled

    def finish(self) -> Segment | None:
        """End the stream; the sign that had not ended, if any. The next frame begins another stream."""
        segment = self._end(self._frames[-1].time) if self.begin is not None else None
        self._frames.clear()
        self.state, self._raised_at, self._moved_at, self._after_hold = "rest", -np.inf, -np.inf, False
        return segment

    def so_far(self) -> list[Frame]:
        """The frames of the present sign; none between signs."""
        return [] if self.begin is None else self._between(self.begin - self.config.lead, np.inf)

    def _advance(self, frame: Frame) -> Segment | None:
        was_raised = bool(self._frames) and self._frames[-1].time == self._raised_at
        self._frames.append(frame)
        now, config = frame.time, self.config
        raised = [side for side in SIDES if self._is_raised(side)]
        speed = max((self._speed(side) for side in raised), default=0.0)
        if raised:
            self._raised_at = now
        if speed > config.still:
            self._moved_at = now
        segment: Segment | None = None
        if self.begin is None:
            appears = bool(raised) and not was_raised and self.state == "rest"
            if speed > config.moving or appears:
                self.begin, self._moved_at = now, now
                self._after_hold = self.state == "held"
        elif now - self._raised_at >= config.gone:
            segment = self._end(self._raised_at, config.lowering if self._after_hold else config.shortest)
        elif raised and now - self._moved_at >= config.pause:
            segment = self._end(self._moved_at)
        elif now - self.begin >= config.longest:
            segment = self._end(now)
        if self.begin is not None:
            self.state, needed = "signing", self.begin - config.lead
        else:
            self.state = "held" if now - self._raised_at < config.gone else "rest"
            needed = now - max(config.lead, SPAN) - MIN_GAP
        while len(self._frames) > 1 and self._frames[1].time <= needed:
            self._frames.popleft()
        return segment

    def _end(self, end: float, shortest: float | None = None) -> Segment | None:
        """End the present sign; None if it is shorter than `shortest`, by default the config's."""
        begin, self.begin = end if self.begin is None else self.begin, None
        if end - begin < (shortest or self.config.shortest):
            return None
        return Segment(self._between(begin - self.config.lead, end + self.config.lead), begin, end)

    def _between(self, begin: float, end: float) -> list[Frame]:
        return [frame for frame in self._frames if begin <= frame.time <= end]

    def _is_raised(self, side: str) -> bool:
        """Whether the last frame shows this hand, not hanging."""
        xy, seen = self._frames[-1].xy * self._scale, self._frames[-1].score > 0
        return bool(seen[SIDES[side]].any() and not lowered(xy[None], seen[None], side)[0])

    def _speed(self, side: str) -> float:
        """Mean speed of this hand's joints over the last SPAN, in shoulder widths a second; 0 where unknown."""
        last, hand = self._frames[-1], SIDES[side]
        width = self._shoulder_width(last, side)
        before = next((frame for frame in reversed(self._frames) if last.time - frame.time >= SPAN), None)
        if before is None or not width:
            return 0.0
        seen = (last.score[hand] > 0) & (before.score[hand] > 0)
        if not seen.any():
            return 0.0
        distance = np.linalg.norm((last.xy[hand] - before.xy[hand])[seen] * self._scale, axis=-1).mean()
        return float(distance) / width / (last.time - before.time)

    def _shoulder_width(self, frame: Frame, side: str) -> float | None:
        """In pixels; the last that was seen where the shoulders are out of sight, else by the palm, else None."""
        self._width = self._distance(frame, *(arm[0] for arm in SHOULDER_ELBOW_WRIST.values())) or self._width
        wrist = HAND_WRIST[side]
        return self._width or PALMS * self._distance(frame, wrist, wrist + HAND_JOINTS.index("middle_1"))

    def _distance(self, frame: Frame, first: int, second: int) -> float:
        """Between two joints, in pixels; 0 where one is unseen."""
        if not (frame.score[first] > 0 and frame.score[second] > 0):
            return 0.0
        return float(np.linalg.norm((frame.xy[first] - frame.xy[second]) * self._scale))
