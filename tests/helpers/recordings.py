"""Random recordings, and the slow crop: what the package's crop has to agree with, one frame at a time in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.datasets.sample import Sample
from twinsign.pack.open import Pack
from twinsign.pack.write import write_pack
from twinsign.pose.layout import (
    HAND_WRIST,
    JOINT_COUNT,
    JOINTS,
    LEFT_HAND,
    MIRROR,
    RIGHT_HAND,
    SHOULDER_ELBOW_WRIST,
    TRUNK,
)
from twinsign.pose.recording import Recording
from twinsign.views.config import CropConfig

GRID = 1024
"""Random coordinates are whole GRID-ths, so that 1 - x, products with image sizes and float16 lose nothing."""
SIZES = ((641, 487), (323, 513), (1, 1))
"""Image sizes in pixels; (1, 1): unknown."""
TIE = 1e-3
"""Box sides this near to half a pixel may be rounded either way in float32."""
Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


class TieError(Exception):
    """The slow crop cannot tell which way a box's side is to be rounded."""


def random_pose(rng: np.random.Generator, frames: int, scored: bool) -> tuple[Floats, Floats]:
    """xy (F 49 2), score (F 49) with whole hands, hands of a few joints, none at all, and sure and unsure arms."""
    xy = rng.integers(-GRID // 4, GRID + GRID // 4, (frames, JOINT_COUNT, 2)) / GRID
    score = np.where(rng.random((frames, JOINT_COUNT)) < 0.8, rng.integers(1, 41, (frames, JOINT_COUNT)) / 40, 0)
    for part in (RIGHT_HAND, LEFT_HAND):
        small = rng.random(frames) < 0.5
        corner = rng.integers(0, GRID // 2, (frames, 1, 2))
        hand = corner + rng.integers(0, GRID // 8, (frames, part.stop - part.start, 2))
        xy[:, part] = np.where(small[:, None, None], hand / GRID, xy[:, part])
        share = rng.choice([0.0, 0.3, 0.5, 1.0], frames)
        score[:, part] *= rng.random((frames, part.stop - part.start)) < share[:, None]
    for arm in SHOULDER_ELBOW_WRIST.values():
        sure = rng.random(frames) < 0.5
        score[:, list(arm)] = np.where(sure[:, None], 1, score[:, list(arm)])
    score = score if scored else (score > 0).astype(float)
    return (xy * (score > 0)[..., None]).astype(np.float32), score.astype(np.float32)


def mirrored(xy: Floats, score: Floats) -> tuple[Floats, Floats]:
    """The mirrored person on raw coordinates: x -> 1 - x, sides swapped (method, Input)."""
    order = list(MIRROR)
    flipped = xy[:, order] * np.float32([-1, 1]) + np.float32([1, 0])
    return flipped * (score[:, order] > 0)[..., None], score[:, order]


def recording(rng: np.random.Generator, name: str, frames: int, *, scored: bool = False, **about: Any) -> Recording:
    """A random recording in image fractions."""
    return Recording(name, *random_pose(rng, frames, scored), **about)


def sample(one: Recording, **row: str) -> Sample:
    """A recording as a clip to pack, with its annotation."""
    return Sample(one.id, lambda: one, row)


def packed(path: Path, recordings: Sequence[Recording], rows: Sequence[Mapping[str, str]] | None = None) -> Pack:
    """The opened pack of these recordings."""
    rows = rows or [{}] * len(recordings)
    write_pack([sample(one, **row) for one, row in zip(recordings, rows, strict=True)], path)
    return Pack(path)


def slow_crop(xy: Floats, score: Floats, size: tuple[int, int], config: CropConfig) -> tuple[Floats, Bools, Bools]:
    """One frame (49 2), (49): crop coordinates, seen and which hands have a box (method, Input), right then left."""
    # Thresholds in float32, as the package has them: numpy 1 would compare in float64.
    score = score.copy()
    for joint in range(JOINT_COUNT):
        x, y = (float(one) for one in xy[joint])
        beyond = max(-x, x - 1, -y, y - 1)
        outside = config.outside is not None and joint >= TRUNK.start and beyond > config.outside
        if JOINTS[joint] in config.ignore or outside:
            score[joint] = 0
    if config.shape == "fractions":
        if size[0] < size[1]:  # an upright image within a landscape one of 4 to 3
            xy = xy.astype(np.float64)
            xy[:, 0] = 0.5 + (xy[:, 0] - 0.5) * (size[0] / size[1]) / (4 / 3)
        size = (1, 1)
    out, seen = np.zeros((JOINT_COUNT, 2)), np.zeros(JOINT_COUNT, bool)
    for joint in range(JOINT_COUNT):
        if score[joint] > 0 and score[joint] >= np.float32(config.min_score):
            seen[joint] = True
            out[joint] = xy[joint]
    boxes = []
    for side, part in (("right", RIGHT_HAND), ("left", LEFT_HAND)):
        wrist = SHOULDER_ELBOW_WRIST[side][2]
        if config.wrist_from_hand and seen[HAND_WRIST[side]] and (config.hand_wrist_first or not seen[wrist]):
            seen[wrist] = True
            out[wrist] = xy[HAND_WRIST[side]]
        box = slow_box(side, part, xy.astype(np.float64) * np.asarray(size), score, size, config)
        boxes.append(box is not None)
        for joint in range(part.start, part.stop):
            if box is None or not seen[joint]:
                seen[joint] = False
                out[joint] = 0
                continue
            left, top, extent = box
            x = (float(xy[joint, 0]) * size[0] - left) / extent
            y = (float(xy[joint, 1]) * size[1] - top) / extent
            out[joint] = (1 - x if side == "left" else x), y
    return out, seen, np.asarray(boxes)


def slow_box(
    side: str, part: slice, pixels: Floats, score: Floats, size: tuple[int, int], config: CropConfig
) -> tuple[float, float, float] | None:
    """Left, top and side of one hand's box in one frame, or None."""
    least = np.float32(config.box_score)
    points = [pixels[joint] for joint in range(part.start, part.stop) if score[joint] > least]
    if len(points) >= config.box_joints:
        low, high = np.min(points, axis=0), np.max(points, axis=0)
        centre, extent = (low + high) / 2, config.box_margin * float(max(high - low))
    else:
        shoulder, elbow, wrist = SHOULDER_ELBOW_WRIST[side]
        if not all(
            score[joint] > 0 and score[joint] >= np.float32(config.arm_score) for joint in (shoulder, elbow, wrist)
        ):
            return None
        forearm, upper = math.dist(pixels[wrist], pixels[elbow]), math.dist(pixels[elbow], pixels[shoulder])
        centre = pixels[wrist] + config.arm_reach * (pixels[wrist] - pixels[elbow])
        extent = config.arm_side * max(forearm, config.upper_arm * upper)
    if extent <= 0:
        return None
    if size != (1, 1):
        if abs(extent % 1 - 0.5) < TIE:
            raise TieError
        extent = max(round(extent), 1)
    corner = centre - extent / 2
    if config.keep_inside:
        for axis in range(2):
            room = size[axis] - extent
            corner[axis] = min(max(corner[axis], 0), room) if room >= 0 else room / 2
    return corner[0], corner[1], extent
