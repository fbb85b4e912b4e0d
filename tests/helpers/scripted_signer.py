"""A made person who raises a hand, signs and lowers it again, at any frame rate: streams whose signs are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.layout import HAND_WRIST, INDEX, JOINT_COUNT, MIRROR, RIGHT_HAND
from twinsign.streaming.segmenter import Frame

Floats = NDArray[np.float32]
RAISING = 0.3
"""Seconds from hanging to the height of the chest, and back."""
HIGH, LOW = 0.45, 0.9
"""The wrist's height in a raised and a hanging arm; the elbow is at 0.55, the shoulder at 0.35."""
BODY = {"nose": (0.5, 0.2), "right_shoulder": (0.4, 0.35), "left_shoulder": (0.6, 0.35)}
BODY |= {"right_elbow": (0.36, 0.55), "left_elbow": (0.64, 0.55)}
Times = Sequence[tuple[float, float]]


def raised(time: float, signs: Times) -> float:
    """How far up the hand is, 0 to 1: a sign's two times are when it starts to rise and when it hangs again."""
    for begin, end in signs:
        if begin < time < end:
            share = min((time - begin) / RAISING, (end - time) / RAISING, 1.0)
            return share * share * (3 - 2 * share)
    return 0.0


def frame(time: float, signs: Times, *, moves: bool = True, hanging: bool = True, side: str = "right") -> Frame:
    """The person at that time; between signs the hand is seen only if it is `hanging`; it moves once it is up."""
    xy, score = np.zeros((JOINT_COUNT, 2), np.float32), np.zeros(JOINT_COUNT, np.float32)
    for name, place in BODY.items():
        xy[INDEX[name]], score[INDEX[name]] = place, 1
    up = raised(time, signs)
    if up > 0 or hanging:
        angle = 2 * np.pi * 1.2 * time if moves else 0.0
        wrist = np.asarray([0.4, LOW + (HIGH - LOW) * up]) + up * 0.08 * np.asarray([np.cos(angle), np.sin(angle)])
        joints = np.arange(RIGHT_HAND.stop - RIGHT_HAND.start)
        hand = np.stack([0.01 * (joints % 4), -0.02 * np.ceil(joints / 4)], axis=1)
        xy[RIGHT_HAND], score[RIGHT_HAND] = wrist + hand, 1
        xy[INDEX["right_wrist"]], score[INDEX["right_wrist"]] = xy[HAND_WRIST["right"]], 1
    if side == "left":
        xy, score = (xy * [-1, 1] + [1, 0]).astype(np.float32)[list(MIRROR)], score[list(MIRROR)]
        xy[score == 0] = 0
    return Frame(time, xy, score)


def stream(seconds: float, signs: Times, fps: float = 25.0, **how: bool | str) -> list[Frame]:
    """Frames of that many seconds."""
    return [frame(number / fps, signs, **how) for number in range(round(seconds * fps))]  # type: ignore[arg-type]


def up_times(frames: Sequence[Frame]) -> list[tuple[float, float]]:
    """First and last time of each run of frames whose right hand is not below the elbow by a quarter upper arm."""
    found: list[tuple[float, float]] = []
    before = False
    for one in frames:
        elbow, shoulder = one.xy[INDEX["right_elbow"]], one.xy[INDEX["right_shoulder"]]
        limit = elbow[1] + 0.25 * np.hypot(*(elbow - shoulder))
        up = bool(one.score[RIGHT_HAND].any() and one.xy[HAND_WRIST["right"], 1] <= limit)
        if up:
            found = [*found[:-1], (found[-1][0], one.time)] if before else [*found, (one.time, one.time)]
        before = up
    return found


def without(one: Frame, *names: str) -> Frame:
    """The frame with these joints unseen."""
    score = one.score.copy()
    score[[INDEX[name] for name in names]] = 0
    return one._replace(score=score, xy=np.where(score[:, None] > 0, one.xy, np.float32(0)))
