"""Rest at both ends of a clip: hands out of sight, or lowered and still."""

from __future__ import annotations

import numpy as np

from twinsign.pose.layout import HAND_WRIST, LEFT_HAND, RIGHT_HAND, SHOULDER_ELBOW_WRIST
from twinsign.pose.recording import BoolArray, FloatArray, Recording

LOWERED = 0.25
"""A wrist more than this much of the upper arm's length below its elbow is lowered."""
MOVING = 0.5
"""A wrist that covers more shoulder widths a second than this moves."""
SPAN = 0.1
"""Seconds over which a wrist's speed is measured, so that jitter is no movement."""
MARGIN = 0.2
"""Seconds kept before the first and after the last active frame."""
FPS = 25.0
"""Assumed where the frame rate is unknown."""


def active_span(recording: Recording) -> tuple[int, int]:
    """The frames [first, stop) from the first to the last active one, with a margin; all where none is active.

    Active: a hand is seen that is not lowered, or moves, or whose arm is not seen so that nothing speaks for rest.
    """
    active = _active(recording, "right", RIGHT_HAND) | _active(recording, "left", LEFT_HAND)
    frames = np.flatnonzero(active)
    if not len(frames):
        return 0, len(active)
    margin = round(MARGIN * (recording.fps or FPS))
    return max(0, int(frames[0]) - margin), min(len(active), int(frames[-1]) + 1 + margin)


def lowered(xy: FloatArray, seen: BoolArray, side: str) -> BoolArray:
    """(T): whether this hand hangs, by pixels xy (T 49 2), seen (T 49); not so where its arm is unseen."""
    shoulder, elbow, _ = SHOULDER_ELBOW_WRIST[side]
    upper_arm = np.linalg.norm(xy[:, shoulder] - xy[:, elbow], axis=-1)
    hangs = xy[:, HAND_WRIST[side], 1] - xy[:, elbow, 1] > LOWERED * upper_arm
    found: BoolArray = hangs & seen[:, shoulder] & seen[:, elbow]
    return found


def _active(recording: Recording, side: str, hand: slice) -> BoolArray:
    """(T): whether this hand is seen and not at rest."""
    xy, seen = _pixels(recording), recording.seen
    shoulder, *_ = SHOULDER_ELBOW_WRIST[side]
    other, *_ = SHOULDER_ELBOW_WRIST["left" if side == "right" else "right"]
    wrist = xy[:, HAND_WRIST[side]]
    both = seen[:, shoulder] & seen[:, other]
    width = float(np.median(np.linalg.norm(xy[both, shoulder] - xy[both, other], axis=-1))) if both.any() else 0.0
    moving = _speed(wrist, seen[:, HAND_WRIST[side]], recording.fps or FPS) > MOVING * width
    unknown = width == 0
    active: BoolArray = seen[:, hand].any(axis=1) & (~lowered(xy, seen, side) | moving | unknown)
    return active


def _speed(place: FloatArray, seen: BoolArray, fps: float) -> FloatArray:
    """(T): pixels a second between the frames half of SPAN before and after; 0 where either is unseen or outside."""
    reach = max(1, round(SPAN * fps / 2))
    speed = np.zeros(len(place), np.float32)
    if len(place) > 2 * reach:
        distance = np.linalg.norm(place[2 * reach :] - place[: -2 * reach], axis=-1)
        known = seen[2 * reach :] & seen[: -2 * reach]
        speed[reach:-reach] = np.where(known, distance * fps / (2 * reach), 0)
    return speed


def _pixels(recording: Recording) -> FloatArray:
    scale: FloatArray = np.asarray(recording.size or (1, 1), np.float32)
    return recording.xy if recording.unit == "pixel" else recording.xy * scale
