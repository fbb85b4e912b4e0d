"""When a sign begins and ends, by the movement of the hands, frame by frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from twinsign.errors import InputError
from twinsign.pose.layout import HAND_JOINTS, HAND_WRIST, LEFT_HAND, RIGHT_HAND, SHOULDER_ELBOW_WRIST
from twinsign.pose.recording import FloatArray
from twinsign.pose.rest import lowered

SIDES = {"right": RIGHT_HAND, "left": LEFT_HAND}
SPAN = 0.1
"""Seconds over which speed is measured, so that jitter is no movement."""
PALMS = 4.0
"""Shoulder width over the length of a palm (wrist to the middle finger's base), where no shoulders are seen."""
MIDDLE_BASE = HAND_JOINTS.index("middle_1")
CLOSEST = 1 / 120
"""Frames that follow one another faster, in seconds, are left out."""
State = Literal["rest", "held", "signing"]


@dataclass(frozen=True)
class SigningConfig:
    """When a sign begins and ends; times in seconds, speeds in shoulder widths a second (docs/serve.md)."""

    moving: float = 0.7
    """A raised hand this fast begins a sign."""
    still: float = 0.25
    """Hands slower than this are held."""
    gone: float = 0.4
    """A sign ends when no hand was raised and in sight for so long."""
    pause: float = 0.7
    """A sign ends when raised hands were held for so long."""
    longest: float = 5.0
    """A sign ends after so long in any case."""
    shortest: float = 0.3
    """Less is no sign."""
    lowering: float = 0.7
    """After a held hand, less that ends with the hands down is no sign: they were lowered."""
    lead: float = 0.2
    """What is kept of the time before a sign."""
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


class Ended(NamedTuple):
    """A sign that ended: its frames, a little more at both ends, and when it began and ended in seconds."""

    frames: list[Frame]
    begin: float
    end: float


class Signing:
    """Follows one signer: `push` every frame; gives a sign once it has ended.

    Only frames that a sign may still need are kept.
    """

    def __init__(self, config: SigningConfig, size: tuple[int, int] | None = None) -> None:
        self.config, self._scale = config, np.asarray(size or (1, 1), np.float32)
        self.state: State = "rest"
        self.begin: float | None = None
        """When the present sign began; None between signs."""
        self._frames = deque[Frame]()
        self._up = self._moved = -np.inf
        self._after_hold = False
        self._width: float | None = None

    def push(self, frame: Frame) -> Ended | None:
        """Take the next frame: the sign that it ended, if any.

        InputError where time does not go on.
        """
        if self._frames and not frame.time > self._frames[-1].time:
            raise InputError(f"a frame at {frame.time} s after one at {self._frames[-1].time} s", "times that rise")
        if self._frames and frame.time - self._frames[-1].time < CLOSEST:
            return None
        if self._frames and frame.time - self._frames[-1].time > self.config.stall:
            ended = self.finish()
            self._look(frame)
            return ended
        return self._look(frame)

    def finish(self) -> Ended | None:
        """The stream is over: the sign that had not ended, if any; all else is forgotten."""
        ended = self._end(self._frames[-1].time, lowering=False) if self.begin is not None else None
        self._frames.clear()
        self.state, self._up, self._moved, self._after_hold = "rest", -np.inf, -np.inf, False
        return ended

    def so_far(self) -> list[Frame]:
        """The frames of the present sign; none between signs."""
        return [] if self.begin is None else self._between(self.begin - self.config.lead, np.inf)

    def _look(self, frame: Frame) -> Ended | None:
        was_up = bool(self._frames) and self._frames[-1].time == self._up
        self._frames.append(frame)
        now, config = frame.time, self.config
        raised = [side for side in SIDES if self._raised(side)]
        speed = max((self._speed(side) for side in raised), default=0.0)
        if raised:
            self._up = now
        if speed > config.still:
            self._moved = now
        appears = bool(raised) and not was_up and self.state == "rest"
        ended: Ended | None = None
        if self.begin is None:
            if speed > config.moving or appears:
                self.begin, self._moved = now, now
                self._after_hold = self.state == "held"
        elif now - self._up >= config.gone:
            ended = self._end(self._up, lowering=True)
        elif raised and now - self._moved >= config.pause:
            ended = self._end(self._moved, lowering=False)
        elif now - self.begin >= config.longest:
            ended = self._end(now, lowering=False)
        self._settle(now)
        return ended

    def _settle(self, now: float) -> None:
        if self.begin is not None:
            self.state = "signing"
        else:
            self.state = "held" if now - self._up < self.config.gone else "rest"
        needed = now - max(self.config.lead, SPAN) - CLOSEST if self.begin is None else self.begin - self.config.lead
        while len(self._frames) > 1 and self._frames[1].time <= needed:
            self._frames.popleft()

    def _end(self, end: float, *, lowering: bool) -> Ended | None:
        begin = self.begin if self.begin is not None else end
        least = self.config.lowering if lowering and self._after_hold else self.config.shortest
        self.begin = None
        if end - begin < least:
            return None
        return Ended(self._between(begin - self.config.lead, end + self.config.lead), begin, end)

    def _between(self, begin: float, end: float) -> list[Frame]:
        return [frame for frame in self._frames if begin <= frame.time <= end]

    def _raised(self, side: str) -> bool:
        """Whether the last frame shows this hand, not hanging."""
        xy, score = self._frames[-1].xy * self._scale, self._frames[-1].score
        return bool((score[SIDES[side]] > 0).any() and not lowered(xy[None], score[None] > 0, side)[0])

    def _speed(self, side: str) -> float:
        """Mean speed of this hand's joints over the last SPAN, in shoulder widths a second; 0 where unknown."""
        last = self._frames[-1]
        before = next((one for one in reversed(self._frames) if last.time - one.time >= SPAN), None)
        width = self._shoulder_width(last, side)
        if before is None or not width:
            return 0.0
        hand = SIDES[side]
        both = (last.score[hand] > 0) & (before.score[hand] > 0)
        if not both.any():
            return 0.0
        far = np.linalg.norm((last.xy[hand] - before.xy[hand])[both] * self._scale, axis=-1).mean()
        return float(far) / width / (last.time - before.time)

    def _shoulder_width(self, frame: Frame, side: str) -> float | None:
        """In the unit of pixels; the last one known where the shoulders are out of sight, else by the palm."""
        pair = [SHOULDER_ELBOW_WRIST[one][0] for one in SIDES]
        if (frame.score[pair] > 0).all():
            self._width = float(np.linalg.norm((frame.xy[pair[0]] - frame.xy[pair[1]]) * self._scale))
        if self._width:
            return self._width
        wrist = HAND_WRIST[side]
        palm = [wrist, wrist + MIDDLE_BASE]
        if (frame.score[palm] > 0).all():
            return PALMS * float(np.linalg.norm((frame.xy[palm[0]] - frame.xy[palm[1]]) * self._scale))
        return None
