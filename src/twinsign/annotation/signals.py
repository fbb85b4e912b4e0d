"""What the hands do, moment by moment, whoever signs and before whatever camera: the input of segmentation.

Lowered hands count as out of sight, so that recordings with and without a body look alike. Places and speeds are in
hand lengths, and places are relative to where the hands are on average.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from twinsign.annotation.resampling import Poses
from twinsign.pose.layout import HAND_JOINTS, HAND_WRIST, INDEX, LEFT_HAND, RIGHT_HAND
from twinsign.pose.recording import BoolArray, FloatArray
from twinsign.pose.trim import lowered

RATE = 25.0
"""Moments a second."""
SIDES = {"right": RIGHT_HAND, "left": LEFT_HAND}
AROUND = 8.0
"""Seconds over which the hands' mean place and length are taken."""
REACH = 2
"""Moments before and after, between which speed is measured."""
MOST = 8.0
"""Places and speeds are cut off here."""
_TIPS = [HAND_JOINTS.index(f"{finger}_4") for finger in ("thumb", "index", "middle", "ring", "little")]
PALM = HAND_JOINTS.index("middle_1")
"""The joint of a hand that ends its palm: the middle finger's base."""
PER_HAND = 9 + len(_TIPS)
CHANNELS = 2 * PER_HAND
"""Numbers a moment."""
SHOWN, SPEED, HEIGHT = 0, 5, 2
"""Numbers of a hand's channels: whether it is in sight and raised; how fast it moves; how low it is."""


def signals(poses: Poses) -> FloatArray:
    """Signals (T CHANNELS) of poses at RATE: the right hand's channels, then the left hand's."""
    seen = poses.score > 0
    shown = {
        side: seen[:, hand].any(axis=1) & ~lowered(poses.xy, seen, side).astype(bool) for side, hand in SIDES.items()
    }
    centres = {side: _mean(poses.xy[:, hand], seen[:, hand] & shown[side][:, None]) for side, hand in SIDES.items()}
    length = _length(poses, seen)
    both = np.stack([shown[side] for side in SIDES], axis=1)
    middle = _around(np.stack([centres[side] for side in SIDES], axis=1), both)
    hands = [_hand(poses, seen, side, shown[side], (centres[side] - middle) / length[:, None]) for side in SIDES]
    return np.concatenate(hands, axis=1)


def in_sight(values: FloatArray) -> BoolArray:
    """(T) bool: whether signals (T CHANNELS) show a raised hand."""
    shown: BoolArray = np.any(values[:, [SHOWN, PER_HAND + SHOWN]] > 0, axis=1)
    return shown


def _hand(poses: Poses, seen: BoolArray, side: str, shown: BoolArray, place: FloatArray) -> FloatArray:
    """A hand's channels (T PER_HAND): shown, place, velocity, speed, change of shape, fingers, direction."""
    wrist, hand = HAND_WRIST[side], SIDES[side]
    velocity = _change(place, shown)
    points, visible = poses.xy[:, hand] - poses.xy[:, [wrist]], seen[:, hand] & shown[:, None]
    size = np.linalg.norm(points[:, PALM], axis=-1)
    usable = visible[:, 0] & visible[:, PALM] & (size > 1e-6)
    shape = np.where((visible & usable[:, None])[..., None], points / np.maximum(size, 1e-6)[:, None, None], 0)
    turning = np.abs(_change(shape.reshape(len(shape), -1), usable)).mean(axis=1)
    tips = np.linalg.norm(shape[:, _TIPS], axis=-1)
    parts = [
        shown[:, None],
        np.where(shown[:, None], place, 0),
        velocity,
        np.linalg.norm(velocity, axis=1)[:, None],
        turning[:, None],
        np.where(usable[:, None], tips, 0),
        shape[:, PALM],
    ]
    channels: FloatArray = np.clip(np.concatenate(parts, axis=1), -MOST, MOST).astype(np.float32)
    return channels


def _change(values: FloatArray, known: BoolArray) -> FloatArray:
    """Change a second (T D) between REACH moments before and after; 0 where either is unknown."""
    change = np.zeros_like(values)
    if len(values) > 2 * REACH:
        both = known[2 * REACH :] & known[: -2 * REACH]
        moved = (values[2 * REACH :] - values[: -2 * REACH]) * (RATE / (2 * REACH))
        change[REACH:-REACH] = np.where(both[:, None], moved, 0)
    return change


def _mean(xy: FloatArray, seen: BoolArray) -> FloatArray:
    """Mean place (T 2) of the seen joints (T J), 0 where none is seen."""
    weight = seen[..., None].astype(np.float32)
    mean: FloatArray = (xy * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1)
    return mean


def _around(values: FloatArray, known: BoolArray) -> FloatArray:
    """Mean (T D) of the known values (T N D), known (T N), within AROUND seconds; the mean of all where none is."""
    weight, window = known.astype(np.float64), max(1, round(AROUND * RATE))
    total = (values * weight[..., None]).sum(axis=1)
    count = weight.sum(axis=1)
    near = uniform_filter1d(count, window, mode="constant")
    mean = uniform_filter1d(total, window, axis=0, mode="constant") / np.maximum(near, 1e-6)[:, None]
    overall = total.sum(axis=0) / max(count.sum(), 1)
    around: FloatArray = np.where((near > 1e-3)[:, None], mean, overall).astype(np.float32)
    return around


def _length(poses: Poses, seen: BoolArray) -> FloatArray:
    """The hands' length (T), wrist to the middle finger's base doubled, on average around; from shoulders if unseen."""
    lengths, known = [], []
    for side, hand in SIDES.items():
        wrist, palm = HAND_WRIST[side], hand.start + PALM
        lengths.append(2 * np.linalg.norm(poses.xy[:, wrist] - poses.xy[:, palm], axis=-1))
        known.append(seen[:, wrist] & seen[:, palm] & (lengths[-1] > 1e-6))
    mean = _around(np.stack(lengths, axis=1)[..., None], np.stack(known, axis=1))[:, 0]
    if mean.max() > 0:
        return np.maximum(mean, 1e-3)
    right, left = (INDEX[f"{side}_shoulder"] for side in ("right", "left"))
    both = seen[:, right] & seen[:, left]
    width = np.linalg.norm(poses.xy[both][:, right] - poses.xy[both][:, left], axis=-1)
    return np.full(len(mean), (float(np.median(width)) if len(width) else 0.5) / 2, np.float32)
