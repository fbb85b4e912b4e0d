"""Signs in a stream of frames, as they come: a guess while a sign goes on, the answer when it has ended.

    stream = Stream(recogniser.predict)
    for time, xy, score in frames:
        for sign in stream.push(time, xy, score):
            print(sign.ended, sign.answer)

An answer comes `SigningConfig.gone` seconds after the hands are down, `pause` after raised hands are held, and the
time of one prediction later (docs/serve.md).
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from twinsign.errors import InputError
from twinsign.pose.layout import JOINT_COUNT
from twinsign.pose.recording import FloatArray, Recording
from twinsign.streaming.segmenter import Ended, Frame, Signing, SigningConfig, State

Answer = TypeVar("Answer")
EVERY = 0.4
"""Seconds between guesses while a sign goes on."""
UNEVEN = 0.05
"""Frames whose gaps differ by more than this share from their median are at unequal times."""


@dataclass(frozen=True)
class Sign(Generic[Answer]):
    """What was said of the frames from `begin` to `end`, in the stream's seconds: a guess, or the answer (`ended`)."""

    answer: Answer
    begin: float
    end: float
    ended: bool
    delay: float
    """The stream's seconds from `end` to the frame that showed that the sign had ended."""
    seconds: float
    """What the prediction took."""


class Stream(Generic[Answer]):
    """Signs of one signer: `name` says what a Recording shows; frames come through `push`, in order.

    xy are image fractions; `size` (width, height) is the image's, in pixels.
    """

    def __init__(
        self,
        name: Callable[[Recording], Answer],
        config: SigningConfig | None = None,
        *,
        size: tuple[int, int] | None = None,
        estimator: str = "",
        every: float = EVERY,
    ) -> None:
        self._name, self._size, self._estimator, self._every = name, size, estimator, every
        self._signing = Signing(config or SigningConfig(), size)
        self._count, self._guessed = 0, -np.inf

    @property
    def state(self) -> State:
        """What the hands do: rest, held (raised and still) or signing."""
        return self._signing.state

    def push(self, time: float, xy: ArrayLike, score: ArrayLike) -> list[Sign[Answer]]:
        """Take the frame at `time` in seconds, image fractions xy (49 2), score (49), 0 = unseen.

        InputError where a frame is none, or time does not go on.
        """
        frame = _checked(time, xy, score)
        ended = self._signing.push(frame)
        if ended is not None:
            return self._answered(ended, frame.time, ended=True)
        begin = self._signing.begin
        if begin is not None and frame.time - max(begin, self._guessed) >= self._every:
            self._guessed = frame.time
            return self._answered(Ended(self._signing.so_far(), begin, frame.time), frame.time, ended=False)
        return []

    def finish(self) -> list[Sign[Answer]]:
        """The stream is over: the answer to a sign that had not ended. Another stream may follow."""
        ended = self._signing.finish()
        self._guessed = -np.inf
        return [] if ended is None else self._answered(ended, ended.end, ended=True)

    def _answered(self, what: Ended, now: float, *, ended: bool) -> list[Sign[Answer]]:
        self._count += ended
        recording = evened(what.frames, f"sign {self._count}" if ended else "so far", self._size, self._estimator)
        started = clock.perf_counter()
        answer = self._name(recording)
        spent = clock.perf_counter() - started
        return [Sign(answer, what.begin, what.end, ended, now - what.end, spent)]


def longest_sign(recording: Recording, fps: float, config: SigningConfig | None = None) -> Recording | None:
    """The longest sign that the live segmenter finds in a recording, as it would be named; None where it finds none.

    `fps`: frames a second where the recording does not say.
    """
    one = recording.fractions()
    stream = Stream(lambda sign: sign, config, size=one.size, estimator=one.estimator, every=np.inf)
    signs = []
    for frame, (xy, score) in enumerate(zip(one.xy, one.score, strict=True)):
        signs += stream.push(frame / (one.fps or fps), xy, score)
    ended = [sign for sign in [*signs, *stream.finish()] if sign.ended]
    return max(ended, key=lambda sign: sign.end - sign.begin).answer if ended else None


def evened(frames: Sequence[Frame], id: str, size: tuple[int, int] | None, estimator: str = "") -> Recording:
    """Frames at unequal times as a Recording at their median rate, by linear interpolation.

    Frames at equal times stay what they are, so that a video's answer is that of its pose file.
    Between a seen and a missing joint nothing is interpolated: the nearer of the two frames decides.
    """
    times = np.asarray([frame.time for frame in frames], np.float64)
    xy, score = (np.stack([getattr(frame, name) for frame in frames]) for name in ("xy", "score"))
    gaps = np.diff(times)
    gap = float(np.median(gaps)) if len(gaps) else 0.0
    fps = 1 / gap if gap > 0 else None
    if len(gaps) and np.abs(gaps - gap).max() > UNEVEN * gap:
        steps = np.linspace(times[0], times[-1], max(2, round((times[-1] - times[0]) / gap) + 1))
        xy, score = _at(steps, times, xy, score)
    return Recording(id, xy, score, size=size, fps=fps, estimator=estimator)


def _at(
    steps: np.ndarray[tuple[int], np.dtype[np.float64]],
    times: np.ndarray[tuple[int], np.dtype[np.float64]],
    xy: FloatArray,
    score: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    high = np.clip(np.searchsorted(times, steps), 1, len(times) - 1)
    low = high - 1
    weight = ((steps - times[low]) / (times[high] - times[low]))[:, None].astype(np.float32)
    both = (score[low] > 0) & (score[high] > 0)
    share = np.where(both, weight, (weight >= 0.5).astype(np.float32))
    mixed: FloatArray = xy[low] + share[..., None] * (xy[high] - xy[low])
    nearer: FloatArray = score[low] + share * (score[high] - score[low])
    return mixed, nearer


def _checked(time: float, xy: ArrayLike, score: ArrayLike) -> Frame:
    points, scores = np.asarray(xy, np.float32), np.asarray(score, np.float32)
    if not np.isfinite(time):
        raise InputError(f"a frame at {time} s", "a time in seconds")
    if points.shape != (JOINT_COUNT, 2) or scores.shape != (JOINT_COUNT,):
        raise InputError(
            f"a frame of shapes {points.shape}, {scores.shape}", f"({JOINT_COUNT}, 2) and ({JOINT_COUNT},)"
        )
    one = Recording("frame", points[None], scores[None])  # checks what a recording has to be
    return Frame(float(time), one.xy[0], one.score[0])
