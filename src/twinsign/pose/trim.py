"""The part of a clip in which hands are active: neither out of sight, nor lowered and still."""

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


def active_span(recording: Recording, margin: float = MARGIN) -> tuple[int, int]:
    """The frames [first, stop) from the first to the last active one, with a margin in seconds; all if none is active.

    Active: a hand is seen that is not lowered, or moves, or whose arm is not seen so that nothing speaks for rest.
    """
    frames = np.flatnonzero(_active(recording, "right", RIGHT_HAND) | _active(recording, "left", LEFT_HAND))
    if not len(frames):
        return 0, len(recording.xy)
    around = round(margin * (recording.fps or FPS))
    return max(0, int(frames[0]) - around), min(len(recording.xy), int(frames[-1]) + 1 + around)


def lowered(xy: FloatArray, seen: BoolArray, side: str) -> BoolArray:
    """(T) bool: whether this hand hangs, by pixels xy (T 49 2) and seen (T 49); False where its arm is unseen."""
    shoulder, elbow, _ = SHOULDER_ELBOW_WRIST[side]
    upper_arm = np.linalg.norm(xy[:, shoulder] - xy[:, elbow], axis=-1)
    below = xy[:, HAND_WRIST[side], 1] - xy[:, elbow, 1] > LOWERED * upper_arm
    hangs: BoolArray = below & seen[:, shoulder] & seen[:, elbow]
    return hangs


def _active(recording: Recording, side: str, hand: slice) -> BoolArray:
    """(T) bool: whether this hand is seen and not at rest."""
    xy, seen, wrist = recording.xy, recording.seen, HAND_WRIST[side]
    if recording.unit == "fraction":
        xy = xy * np.asarray(recording.size or (1, 1), np.float32)
    right, left = (SHOULDER_ELBOW_WRIST[name][0] for name in ("right", "left"))
    shoulders = xy[seen[:, right] & seen[:, left]]
    widths = np.linalg.norm(shoulders[:, right] - shoulders[:, left], axis=-1)
    width = float(np.median(widths)) if len(widths) else 0.0
    moving = _speed(xy[:, wrist], seen[:, wrist], recording.fps or FPS) > MOVING * width
    active: BoolArray = seen[:, hand].any(axis=1) & (~lowered(xy, seen, side) | moving | (width == 0))
    return active


def _speed(xy: FloatArray, seen: BoolArray, fps: float) -> FloatArray:
    """(T): pixels a second between the frames half of SPAN before and after; 0 where either is unseen or outside."""
    reach = max(1, round(SPAN * fps / 2))
    speed = np.zeros(len(xy), np.float32)
    if len(xy) > 2 * reach:
        distance = np.linalg.norm(xy[2 * reach :] - xy[: -2 * reach], axis=-1)
        speed[reach:-reach] = np.where(seen[2 * reach :] & seen[: -2 * reach], distance * fps / (2 * reach), 0)
    return speed
