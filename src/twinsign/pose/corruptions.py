"""Perturbations of recordings at a chosen strength: noise, lost joints, hands and frames, other cameras.

Each is a pure function of a recording in image fractions, a level and a generator; level 0 changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from twinsign.pose.layout import HANDS, LEFT_HAND, MIRROR, RIGHT_HAND
from twinsign.pose.recording import BoolArray, FloatArray, Recording


class Perturbation(NamedTuple):
    """A way to degrade recordings: how, what a level means, and the levels that are tried."""

    apply: Callable[[Recording, float, np.random.Generator], Recording]
    unit: str
    levels: tuple[float, ...]


def add_noise(recording: Recording, level: float, random: np.random.Generator) -> Recording:
    """Independent normal noise on every joint, its deviation `level` of the image's longer side."""
    width, height = recording.size or (1, 1)
    steps = random.normal(size=recording.xy.shape) * level * max(width, height) / np.array([width, height])
    return replace(recording, xy=(recording.xy + steps).astype(np.float32))


def drop_joints(recording: Recording, level: float, random: np.random.Generator) -> Recording:
    """Every joint of every frame unseen with probability `level`."""
    return _hide(recording, random.random(recording.score.shape) < level)


def drop_hands(recording: Recording, level: float, random: np.random.Generator) -> Recording:
    """Each hand wholly unseen in a frame with probability `level`; the trunk stays."""
    lost = np.zeros(recording.score.shape, bool)
    for hand in (RIGHT_HAND, LEFT_HAND):
        lost[:, hand] = (random.random(len(lost)) < level)[:, None]
    return _hide(recording, lost)


def drop_frames(recording: Recording, level: float, random: np.random.Generator) -> Recording:
    """Every frame left out with probability `level`; at least one is kept."""
    draws = random.random(len(recording.xy))
    kept = draws >= level
    kept[draws.argmax()] = True
    return replace(recording, xy=recording.xy[kept], score=recording.score[kept])


def slow_camera(recording: Recording, level: float, random: np.random.Generator) -> Recording:
    """A camera whose frame rate is lower by the share `level`: at 0.75, one frame in four."""
    count = max(1, round(len(recording.xy) * (1 - level)))
    kept = np.linspace(0, len(recording.xy) - 1, count).round().astype(int)
    fps = None if recording.fps is None else recording.fps * (1 - level) or None
    return replace(recording, xy=recording.xy[kept], score=recording.score[kept], fps=fps)


def rotate(recording: Recording, level: float, random: np.random.Generator) -> Recording:
    """The image rotated about its centre by `level` degrees, in either direction with equal chance for a clip."""
    angle = np.deg2rad(level) * random.choice((-1, 1))
    width, height = recording.size or (1, 1)
    size = np.array([width, height])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    xy = ((recording.xy - 0.5) * size) @ turn.T / size + 0.5
    return replace(recording, xy=xy.astype(np.float32))


def mirror_camera(recording: Recording, level: float, random: np.random.Generator) -> Recording:
    """The whole clip as a mirroring camera shows it, x -> 1 - x and sides swapped, with probability `level`."""
    if random.random() >= level:
        return recording
    order = list(MIRROR)
    xy: FloatArray = recording.xy[:, order]
    xy[..., 0] = 1 - xy[..., 0]
    return replace(recording, xy=xy, score=recording.score[:, order])


def swap_hands(recording: Recording, level: float, random: np.random.Generator) -> Recording:
    """The hands' names swapped in a frame with probability `level`, as estimators do; the trunk stays."""
    swapped = random.random(len(recording.xy)) < level
    order = np.arange(recording.xy.shape[1])
    order[HANDS] = np.asarray(MIRROR)[HANDS]
    xy = np.where(swapped[:, None, None], recording.xy[:, order], recording.xy)
    return replace(recording, xy=xy, score=np.where(swapped[:, None], recording.score[:, order], recording.score))


def _hide(recording: Recording, lost: BoolArray) -> Recording:
    return replace(recording, score=np.where(lost, np.float32(0), recording.score))


SHARES = (0.1, 0.25, 0.5, 0.75)
PERTURBATIONS = {
    "noise": Perturbation(add_noise, "deviation, of the image's longer side", (0.002, 0.005, 0.01, 0.02)),
    "joints": Perturbation(drop_joints, "share of joints lost", SHARES),
    "hands": Perturbation(drop_hands, "share of frames that lose a hand", SHARES),
    "frames": Perturbation(drop_frames, "share of frames lost", SHARES),
    "rate": Perturbation(slow_camera, "share by which the frame rate is lower", (0.25, 0.5, 0.75, 0.875)),
    "rotation": Perturbation(rotate, "degrees", (5.0, 10.0, 20.0, 45.0)),
    "mirror": Perturbation(mirror_camera, "share of clips mirrored", (0.5, 1.0)),
    "swap": Perturbation(swap_hands, "share of frames with swapped hands", (*SHARES, 1.0)),
}
