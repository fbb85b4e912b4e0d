"""Signs in a stream of frames: guesses during a sign, the answer when it has ended.

    stream = Stream(recogniser.predict)
    for time, xy, score in frames:
        for sign in stream.push(time, xy, score):
            print(sign.ended, sign.answer)

An answer comes `SegmenterConfig.gone` seconds after the hands are down, `pause` after raised hands are held, and the
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
from twinsign.pose.recording import Recording
from twinsign.pose.resampling import interpolate
from twinsign.streaming.segmenter import Frame, Segment, Segmenter, SegmenterConfig, State

Answer = TypeVar("Answer")
GUESS_SECONDS = 0.4
"""Seconds between guesses during a sign."""
MAX_UNEVENNESS = 0.05
"""Frames whose gaps differ by more than this share from their median are resampled."""


@dataclass(frozen=True)
class Sign(Generic[Answer]):
    """The prediction for the frames from `begin` to `end`, in the stream's seconds: a guess, or the final answer."""

    answer: Answer
    begin: float
    end: float
    ended: bool
    delay: float
    """The stream's seconds from `end` to the frame that showed that the sign had ended."""
    seconds: float
    """What the prediction took."""


class Stream(Generic[Answer]):
    """The signs of one signer, whose frames come through `push` in order; `predict` answers a Recording.

    Coordinates are image fractions; `size` (width, height) is the image's, in pixels; `every` is the time between
    guesses in seconds.
    """

    def __init__(
        self,
        predict: Callable[[Recording], Answer],
        config: SegmenterConfig | None = None,
        *,
        size: tuple[int, int] | None = None,
        estimator: str = "",
        every: float = GUESS_SECONDS,
    ) -> None:
        self._predict, self._size, self._estimator, self._every = predict, size, estimator, every
        self._segmenter = Segmenter(config or SegmenterConfig(), size)
        self._count, self._guessed_at = 0, -np.inf

    @property
    def state(self) -> State:
        """What the hands do: rest, held (raised and still) or signing."""
        return self._segmenter.state

    def push(self, time: float, xy: ArrayLike, score: ArrayLike) -> list[Sign[Answer]]:
        """Take the frame at `time` in seconds, image fractions xy (49 2), score (49), 0 = unseen.

        The signs that it ended, or a guess. Raises InputError on other shapes, bad numbers and times that do not rise.
        """
        frame = _check_frame(time, xy, score)
        segment = self._segmenter.push(frame)
        if segment is not None:
            return [self._answer(segment, frame.time, ended=True)]
        begin = self._segmenter.begin
        if begin is not None and frame.time - max(begin, self._guessed_at) >= self._every:
            self._guessed_at = frame.time
            segment = Segment(self._segmenter.so_far(), begin, frame.time)
            return [self._answer(segment, frame.time, ended=False)]
        return []

    def finish(self) -> list[Sign[Answer]]:
        """End the stream: the answer to a sign that had not ended. Another stream may follow."""
        segment = self._segmenter.finish()
        self._guessed_at = -np.inf
        return [] if segment is None else [self._answer(segment, segment.end, ended=True)]

    def _answer(self, segment: Segment, now: float, *, ended: bool) -> Sign[Answer]:
        self._count += ended
        id = f"sign {self._count}" if ended else "so far"
        recording = resample(segment.frames, id, self._size, self._estimator)
        started = clock.perf_counter()
        answer = self._predict(recording)
        seconds = clock.perf_counter() - started
        return Sign(answer, segment.begin, segment.end, ended, now - segment.end, seconds)


def longest_sign(recording: Recording, fps: float, config: SegmenterConfig | None = None) -> Recording | None:
    """The longest sign that the segmenter finds in a recording, as a stream would predict it; None if it finds none.

    `fps`: frames a second where the recording does not state them.
    """
    recording = recording.fractions()
    stream = Stream(lambda sign: sign, config, size=recording.size, estimator=recording.estimator, every=np.inf)
    signs = []
    for frame, (xy, score) in enumerate(zip(recording.xy, recording.score, strict=True)):
        signs += stream.push(frame / (recording.fps or fps), xy, score)
    signs += stream.finish()
    return max(signs, key=lambda sign: sign.end - sign.begin).answer if signs else None


def resample(frames: Sequence[Frame], id: str, size: tuple[int, int] | None, estimator: str = "") -> Recording:
    """Frames at unequal times as a Recording at their median rate, by linear interpolation.

    Frames at equal times are left as they are, so that a video's answer is that of its pose file. Between a seen and an
    unseen joint nothing is interpolated: the nearer of the two frames decides.
    """
    times = np.asarray([frame.time for frame in frames], np.float64)
    xy, score = (np.stack([getattr(frame, name) for frame in frames]) for name in ("xy", "score"))
    gaps = np.diff(times)
    gap = float(np.median(gaps)) if len(gaps) else 0.0
    fps = 1 / gap if gap > 0 else None
    if len(gaps) and np.abs(gaps - gap).max() > MAX_UNEVENNESS * gap:
        steps = np.linspace(times[0], times[-1], max(2, round((times[-1] - times[0]) / gap) + 1))
        xy, score = interpolate(xy, score, times, steps)
    return Recording(id, xy, score, size=size, fps=fps, estimator=estimator)


def _check_frame(time: float, xy: ArrayLike, score: ArrayLike) -> Frame:
    points, scores = np.asarray(xy, np.float32), np.asarray(score, np.float32)
    if not np.isfinite(time):
        raise InputError(f"a frame at {time} s", "a time in seconds")
    if points.shape != (JOINT_COUNT, 2) or scores.shape != (JOINT_COUNT,):
        problem = f"a frame of shapes {points.shape}, {scores.shape}"
        raise InputError(problem, f"({JOINT_COUNT}, 2) and ({JOINT_COUNT},)")
    recording = Recording("frame", points[None], scores[None])  # checks its numbers
    return Frame(float(time), recording.xy[0], recording.score[0])
