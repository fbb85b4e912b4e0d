"""Benchmarks made of real clips: joined into long recordings of which it is known where each sign begins and ends.

Coarticulation, the way in which a sign changes beside others, is not in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from twinsign.annotation.resampling import Poses, frame_times, poses_of, resample, steps
from twinsign.annotation.signals import PALM
from twinsign.annotation.spans import Span
from twinsign.errors import InputError
from twinsign.pose.corruptions import mirror_camera
from twinsign.pose.layout import HAND_WRIST, HANDS, JOINT_COUNT
from twinsign.pose.recording import Recording
from twinsign.pose.trim import FPS, active_span

HAND_LENGTH = 0.1
"""Length of a palm that all clips are scaled to, in heights of the picture."""
CENTRE = (0.5, 0.55)
"""Where the hands are on average."""
REST = (0.5, 2.0)
"""Rests before the first sign and after the last one, in seconds, where there are none between."""


@dataclass(frozen=True)
class JoinConfig:
    """How clips are joined; times in seconds."""

    rest: tuple[float, float] | None = (0.5, 2.0)
    """Range of the rests between signs; None: one sign fades into the next."""
    fade: float = 0.2
    """Time in which the hands go from one sign's end to the next one's begin, where there is no rest."""
    trim: float = 0.0
    """Largest share of a sign that is cut off at either end, where there is no rest."""
    speed: float = 1.0
    """Signs are played up to so many times as fast or slow."""
    mirror: float = 0.0
    """Probability that a recording is mirrored."""
    fps: tuple[float, ...] = (15.0, 25.0, 30.0, 50.0)
    """Frame rates, one of which each recording gets."""

    def __post_init__(self) -> None:
        if not 0 <= self.trim < 0.5 or self.fade <= 0 or self.speed < 1 or not self.fps or min(self.fps) <= 0:
            wanted = "trim in [0, 0.5), fade above 0, speed 1 or more, frame rates above 0"
            raise InputError(f"{self}", wanted)


class Sign(NamedTuple):
    """A clip to join: the poses of its sign alone at FPS, and its gloss."""

    poses: Poses
    gloss: str


def load_sign(recording: Recording, gloss: str) -> Sign | None:
    """A clip's sign, scaled and placed like all others; None where it shows no hand, or too few frames."""
    first, stop = active_span(recording, margin=0)
    poses, times = poses_of(recording), frame_times(recording)
    poses = Poses(poses.xy[first:stop], poses.score[first:stop])
    poses = resample(poses, times[: stop - first], steps((stop - first) / (recording.fps or FPS), FPS))
    seen = poses.score > 0
    palms = [
        np.linalg.norm(poses.xy[:, wrist] - poses.xy[:, wrist + PALM], axis=-1)[seen[:, wrist] & seen[:, wrist + PALM]]
        for wrist in HAND_WRIST.values()
    ]
    palm = float(np.median(np.concatenate(palms))) if sum(map(len, palms)) else 0.0
    if palm < 1e-6 or len(poses.xy) < 5:
        return None
    middle = np.median(poses.xy[:, HANDS][seen[:, HANDS]], axis=0)
    xy = (poses.xy - middle) * (HAND_LENGTH / palm) + np.asarray(CENTRE, np.float32)
    return Sign(Poses(np.where(seen[..., None], xy, 0).astype(np.float32), poses.score), gloss)


def join(
    signs: Sequence[Sign], config: JoinConfig, random: Generator, id: str = "joined"
) -> tuple[Recording, list[Span]]:
    """One recording of these signs in this order, and where each is; the same for the same state of `random`."""
    pieces, spans, frames = [_rest(config, random)], list[Span](), 0
    frames = len(pieces[0].xy)
    for number, sign in enumerate(signs):
        poses = _vary(sign.poses, config, random)
        if config.rest is None and number:
            fade = max(1, min(round(config.fade * FPS), len(pieces[-1].xy) // 2, len(poses.xy) // 2))
            before, mixed, poses = _cross_fade(pieces.pop(), poses, fade)
            pieces += [before, mixed]
            begin = frames - fade + fade / 2  # the middle of the fade
            spans[-1] = spans[-1]._replace(end=begin / FPS)
        else:
            if number:
                pieces.append(_rest(config, random))
                frames += len(pieces[-1].xy)
            begin = float(frames)
        pieces.append(poses)
        frames += len(poses.xy)
        spans.append(Span(begin / FPS, frames / FPS, sign.gloss))
    pieces.append(_rest(config, random))
    whole = Poses(*(np.concatenate([piece[part] for piece in pieces]) for part in (0, 1)))
    mirrored = mirror_camera(Recording(id, *whole), config.mirror, random)
    whole = Poses(mirrored.xy, mirrored.score)
    fps = float(random.choice(config.fps))
    moments = steps(len(whole.xy) / FPS, fps)
    whole = resample(whole, np.arange(len(whole.xy)) / FPS, moments)
    return Recording(id, whole.xy, whole.score, fps=fps), spans


def _rest(config: JoinConfig, random: Generator) -> Poses:
    """Frames in which nothing is seen."""
    count = max(1, round(random.uniform(*(config.rest or REST)) * FPS))
    return Poses(np.zeros((count, JOINT_COUNT, 2), np.float32), np.zeros((count, JOINT_COUNT), np.float32))


def _vary(poses: Poses, config: JoinConfig, random: Generator) -> Poses:
    """A sign faster or slower, and without its ends, as far as the config says."""
    if config.rest is None and config.trim:
        first, last = (int(random.uniform(0, config.trim) * len(poses.xy)) for _ in range(2))
        poses = Poses(*(part[first : len(part) - last] for part in poses))
    if config.speed == 1:
        return poses
    factor = config.speed ** random.uniform(-1, 1)
    times = np.arange(len(poses.xy)) / FPS
    return resample(poses, times, steps(len(times) / factor / FPS, FPS) * factor)


def _cross_fade(before: Poses, after: Poses, count: int) -> tuple[Poses, Poses, Poses]:
    """What is left of both, and between them `count` frames in which the first fades into the second."""
    weight = ((np.arange(count) + 0.5) / count).astype(np.float32)[:, None]
    (xy, score), (next_xy, next_score) = ((part[-count:] for part in before), (part[:count] for part in after))
    share = np.where((score > 0) & (next_score > 0), weight, (weight >= 0.5).astype(np.float32))
    mixed = Poses(xy + share[..., None] * (next_xy - xy), score + share * (next_score - score))
    return Poses(*(part[:-count] for part in before)), mixed, Poses(*(part[count:] for part in after))
