"""What a pose estimator makes of true joints: jitter, joints that jump away, hands lost for a few frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.layout import HANDS, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.synthetic.lexicon import Array
from twinsign.synthetic.signers import SyntheticConfig

Bools = NDArray[np.bool_]
MARGIN = 0.1
"""How far outside the image, in image fractions, estimators still place a trunk joint."""
FAST = 0.15
"""Speed in hand lengths a frame that doubles a hand's chance of being lost: motion blur."""
IN_IMAGE_SHARE = 0.6
"""A hand with fewer of its joints than this inside the image is not found."""


def smooth_noise(rng: np.random.Generator, frames: int, width: int, frames_apart: float) -> Array:
    """Slowly varying noise (frames width) of about unit spread: normal draws every `frames_apart` frames, joined."""
    knots = int(np.ceil(frames / frames_apart)) + 2
    values = rng.normal(size=(knots, width))
    at = np.arange(frames) / frames_apart
    low, share = at.astype(int), (at % 1.0)[:, None]
    share = share * share * (3 - 2 * share)
    return np.asarray(values[low] * (1 - share) + values[low + 1] * share)


def _runs(rng: np.random.Generator, chance: Array, mean_frames: float) -> Bools:
    """Frames (T,) inside runs that start with the chance of each frame and last geometrically many frames."""
    at = np.arange(len(chance))
    ends = at + rng.geometric(1 / max(mean_frames, 1.0), size=len(chance))
    starts = rng.random(len(chance)) < chance
    return np.asarray(np.maximum.accumulate(np.where(starts, ends, 0)) > at)


def _hand_seen(
    rng: np.random.Generator, xy: Array, hand: Array, length: float, active: Array, config: SyntheticConfig
) -> Bools:
    """Frames (T,) in which a hand, its joints at `hand` (T 21 2) in the image and `xy` in shorter sides, is found."""
    path = np.diff(xy[:, 0], axis=0, prepend=xy[:1, 0])
    speed = np.hypot(path[:, 0], path[:, 1]) / length
    lost = _runs(rng, np.minimum(config.loss_rate * (1 + speed / FAST), 1.0), config.loss_frames)
    resting = (active < 0.25) & (rng.random() < config.rest_unseen)
    inside = ((hand > 0) & (hand < 1)).all(axis=-1).mean(axis=-1) >= IN_IMAGE_SHARE
    return np.asarray(inside & ~lost & ~resting)


def _jitter(rng: np.random.Generator, frames: int, hand: float, shoulders: float, config: SyntheticConfig) -> Array:
    slow = smooth_noise(rng, frames, 2 * JOINT_COUNT, 6.0).reshape(frames, JOINT_COUNT, 2)
    noise = (rng.normal(size=(frames, JOINT_COUNT, 2)) + slow) * config.jitter
    noise[:, HANDS] *= hand
    noise[:, TRUNK] *= shoulders
    return np.asarray(noise)


def estimate(
    rng: np.random.Generator,
    true: Array,
    size: tuple[int, int],
    lengths: tuple[float, float],
    active: dict[str, Array],
    config: SyntheticConfig,
) -> tuple[Array, Array]:
    """Estimated image fractions (T 49 2) and scores (T 49) of true image fractions (T 49 2).

    `lengths`: of a hand and the shoulders, in shorter image sides; `active`: by side, (T,) in [0, 1], 0 = at rest.
    """
    frames, shape = len(true), min(size) / np.array(size)
    square = true / shape
    xy = square + _jitter(rng, frames, *lengths, config)
    score = rng.uniform(0.7, 1.0, size=(frames, JOINT_COUNT))
    for _ in range(rng.poisson(config.burst_rate)):
        joint, start, run = rng.integers(HANDS.stop), rng.integers(frames), 1 + rng.geometric(0.4)
        xy[start : start + run, joint] += rng.normal(size=2) * 0.5 * lengths[0]
        score[start : start + run, joint] = rng.uniform(0.3, 0.8)
    seen = np.asarray(((true > -MARGIN) & (true < 1 + MARGIN)).all(axis=-1))
    for side, joints in (("right", RIGHT_HAND), ("left", LEFT_HAND)):
        found = _hand_seen(rng, square[:, joints], true[:, joints], lengths[0], active[side], config)
        seen[:, joints] = found[:, None]
    score[~seen] = 0.0
    return xy * shape, score
