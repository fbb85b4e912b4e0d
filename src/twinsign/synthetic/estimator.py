"""A simulated pose estimator: jitter, joints that jump away, hands lost for a few frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.layout import HANDS, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.synthetic.lexicon import Array
from twinsign.synthetic.signers import SyntheticConfig

MARGIN = 0.1
"""Distance outside the image, in image fractions, up to which estimators place a trunk joint."""
FAST = 0.15
"""Speed in hand lengths a frame that doubles a hand's chance of being lost: motion blur."""
IN_IMAGE_SHARE = 0.6
"""Least share of a hand's joints inside the image for which the hand is detected."""


def smooth_noise(rng: np.random.Generator, frames: int, width: int, spacing: float) -> Array:
    """Slowly varying noise (frames width) of about unit spread, interpolated from a draw every `spacing` frames."""
    values = rng.normal(size=(int(np.ceil(frames / spacing)) + 2, width))
    position = np.arange(frames) / spacing
    low, share = position.astype(int), (position % 1.0)[:, None]
    share = share * share * (3 - 2 * share)
    return np.asarray(values[low] * (1 - share) + values[low + 1] * share)


def _detected(
    rng: np.random.Generator, xy: Array, hand: Array, length: float, active: Array, config: SyntheticConfig
) -> NDArray[np.bool_]:
    """Frames (T) that show a hand, given its joints (T 21 2) in shorter image sides `xy` and image fractions `hand`."""
    speed = np.hypot(*np.diff(xy[:, 0], axis=0, prepend=xy[:1, 0]).T) / length
    # Losses start with a chance that grows with the speed, and last for geometrically distributed numbers of frames.
    frame, chance = np.arange(len(speed)), np.minimum(config.loss_rate * (1 + speed / FAST), 1.0)
    ends = frame + rng.geometric(1 / max(config.loss_frames, 1.0), size=len(speed))
    lost = np.maximum.accumulate(np.where(rng.random(len(speed)) < chance, ends, 0)) > frame
    resting = (active < 0.25) & (rng.random() < config.rest_unseen)
    inside = ((hand > 0) & (hand < 1)).all(axis=-1).mean(axis=-1) >= IN_IMAGE_SHARE
    return np.asarray(inside & ~lost & ~resting)


def estimate(
    rng: np.random.Generator,
    true: Array,
    size: tuple[int, int],
    lengths: tuple[float, float],
    active: dict[str, Array],
    config: SyntheticConfig,
) -> tuple[Array, Array]:
    """Estimated image fractions (T 49 2) and scores (T 49) of true image fractions (T 49 2).

    `lengths`: of a hand and the shoulders, in shorter image sides; `active`: for each side (T) in [0, 1], 0 at rest.
    """
    frames, shape = len(true), min(size) / np.array(size)
    square = true / shape
    slow = smooth_noise(rng, frames, 2 * JOINT_COUNT, 6.0).reshape(frames, JOINT_COUNT, 2)
    noise = (rng.normal(size=(frames, JOINT_COUNT, 2)) + slow) * config.jitter
    noise[:, HANDS] *= lengths[0]
    noise[:, TRUNK] *= lengths[1]
    xy = square + noise
    score = rng.uniform(0.7, 1.0, size=(frames, JOINT_COUNT))
    for _ in range(rng.poisson(config.burst_rate)):
        joint, start, run = rng.integers(HANDS.stop), rng.integers(frames), 1 + rng.geometric(0.4)
        xy[start : start + run, joint] += rng.normal(size=2) * 0.5 * lengths[0]
        score[start : start + run, joint] = rng.uniform(0.3, 0.8)
    seen = np.asarray(((true > -MARGIN) & (true < 1 + MARGIN)).all(axis=-1))
    for side, joints in (("right", RIGHT_HAND), ("left", LEFT_HAND)):
        detected = _detected(rng, square[:, joints], true[:, joints], lengths[0], active[side], config)
        seen[:, joints] = detected[:, None]
    score[~seen] = 0.0
    return xy * shape, score
