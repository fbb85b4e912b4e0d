"""Clips of smooth random movements, and copies of them as re-encoding, cutting, mirrors and other rates make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.datasets.sample import Sample
from twinsign.doctor.exam import Exam, examine
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.layout import INDEX, JOINT_COUNT, LEFT_HAND, MIRROR, RIGHT_HAND
from twinsign.pose.recording import Recording

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
HAND = 0.08
"""Spread of a hand's joints about its middle, in image fractions."""


def smooth(rng: np.random.Generator, frames: int, waves: int = 5) -> Floats:
    """A smooth random course of (x, y), (T 2), about 0.1 wide."""
    time = np.linspace(0, 1, frames)[:, None, None]
    speed, phase = rng.uniform(0.3, 3, (1, 2, waves)), rng.uniform(0, 2 * np.pi, (1, 2, waves))
    return (0.05 * np.sin(2 * np.pi * speed * time + phase).sum(axis=2)).astype(np.float32)


def moving(seed: int, frames: int = 50) -> tuple[Floats, Bools]:
    """xy (T 49 2), seen (T 49): two hands on smooth courses, a body that stands; right at the picture's left."""
    rng = np.random.default_rng(seed)
    xy = np.zeros((frames, JOINT_COUNT, 2), np.float32)
    body = {"nose": (0.5, 0.2), "right_shoulder": (0.4, 0.4), "left_shoulder": (0.6, 0.4)}
    body |= {"right_elbow": (0.35, 0.6), "left_elbow": (0.65, 0.6)}
    for name, place in body.items():
        xy[:, INDEX[name]] = np.asarray(place) + rng.normal(0, 0.002, (frames, 2))
    for part, middle, side in ((RIGHT_HAND, (0.35, 0.5), "right"), (LEFT_HAND, (0.65, 0.5), "left")):
        joints = part.stop - part.start
        shape = rng.uniform(-HAND, HAND, (joints, 2))
        bends = np.stack([smooth(rng, frames) for _ in range(joints)], axis=1)
        xy[:, part] = np.asarray(middle) + smooth(rng, frames)[:, None] + shape + 0.2 * bends
        xy[:, INDEX[f"{side}_wrist"]] = xy[:, part.start]
    return xy, np.ones((frames, JOINT_COUNT), bool)


def resampled(xy: Floats, seen: Bools, frames: int, first: float = 0.0, last: float = 1.0) -> tuple[Floats, Bools]:
    """The part from first to last of a clip, in [0, 1], at another number of frames; seen where both neighbours are."""
    place = np.linspace(first, last, frames) * (len(xy) - 1)
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, len(xy) - 1)
    weight = (place - before)[:, None, None]
    found = seen[before] & seen[after]
    return np.where(found[..., None], xy[before] * (1 - weight) + xy[after] * weight, 0).astype(np.float32), found


def exchanged(xy: Floats, seen: Bools) -> tuple[Floats, Bools]:
    """Left and right exchanged by name alone."""
    return xy[:, list(MIRROR)], seen[:, list(MIRROR)]


def mirrored(xy: Floats, seen: Bools) -> tuple[Floats, Bools]:
    return exchanged((xy * [-1, 1] + [1, 0]).astype(np.float32), seen)


def noised(xy: Floats, seen: Bools) -> tuple[Floats, Bools]:
    """As another encoding of the video gives it: a thousandth of the picture off."""
    return xy + np.random.default_rng(0).normal(0, 0.001, xy.shape).astype(np.float32), seen


COPIES: dict[str, tuple[Callable[[Floats, Bools], tuple[Floats, Bools]], str]] = {
    "noised": (noised, "same"),
    "cut": (lambda xy, seen: (xy[len(xy) // 8 : -len(xy) // 12], seen[len(xy) // 8 : -len(xy) // 12]), "same"),
    "shifted": (lambda xy, seen: (0.9 * xy + np.float32([0.07, 0.02]), seen), "same"),
    "slower": (lambda xy, seen: resampled(xy, seen, 2 * len(xy) - 7), "same"),
    "sampled": (lambda xy, seen: resampled(xy, seen, 2 * len(xy) // 3), "same"),
    "mirrored": (lambda xy, seen: mirrored(*noised(xy, seen)), "mirrored"),
    "exchanged": (exchanged, "exchanged"),
    "all at once": (lambda xy, seen: mirrored(*noised(*resampled(xy, seen, len(xy) + 9, 0.1, 0.95))), "mirrored"),
}
"""Copies by kind, and how each shows its original."""


def clip(name: str, xy: Floats, seen: Bools | None = None, fps: float | None = None, **row: str) -> Sample:
    """A sample of these poses, all joints seen unless told, with this annotation row."""
    score = np.ones(xy.shape[:2], np.float32) if seen is None else seen.astype(np.float32)
    recording = Recording(name, xy, score, fps=fps)
    return Sample(name, lambda: recording, row)


def exam_of(path: Path, samples: Sequence[Sample], **about: Any) -> Exam:
    """Those samples packed and examined."""
    write_pack(samples, path)
    return examine(Pack(path), **about)
