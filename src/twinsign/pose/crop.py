"""Hands cropped by their own boxes, the trunk by the image: the trunk's wrists carry the hands' global movement.

Works on many recordings end to end: axis F is frames of any number of clips (method, Input).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.layout import HAND_WRIST, LEFT_HAND, RIGHT_HAND, SHOULDER_ELBOW_WRIST
from twinsign.pose.recording import BoolArray, FloatArray

HAND_SLICES = {"right": RIGHT_HAND, "left": LEFT_HAND}


@dataclass(frozen=True)
class CropConfig:
    """How hands are boxed and joints counted as seen; scores matter where the pack has them."""

    min_score: float = 0.5
    """Joints under this score are missing; 0.5 for MSASL and WLASL, 0.4 elsewhere (released)."""
    box_score: float = 0.1
    """Joints over this score shape the hand's box (released)."""
    box_margin: float = 2.2
    """Side of the square box over the larger of width and height of the hand's joints (released)."""
    box_joints: int = 10
    """With fewer joints than this the box comes from the arm (released)."""
    arm_score: float = 0.8
    """Shoulder, elbow and wrist must reach this score for a box from the arm (released; 0.5 for SLR500, NMFs_CSL)."""
    arm_reach: float = 0.33
    """The arm's box lies at wrist + arm_reach * (wrist - elbow) (released)."""
    arm_side: float = 1.1
    """Side of the arm's box over the longer of forearm and 0.9 of the upper arm (released)."""
    upper_arm: float = 0.9
    """Weight of the upper arm beside the forearm in the arm's box (released)."""
    keep_inside: bool = True
    """Shift boxes to stay inside the image where they fit (released)."""
    wrist_from_hand: bool = True
    """A missing trunk wrist takes the hand's wrist (ours: hands-only corpora keep the hands' global movement)."""


@dataclass(frozen=True)
class Cropped:
    """Crop coordinates xy (F 49 2), about [0, 1], 0 where unseen; seen (F 49); has_box (F 2) for right, left."""

    xy: FloatArray
    seen: BoolArray
    has_box: BoolArray


def crop(xy: FloatArray, score: FloatArray, size: FloatArray, config: CropConfig) -> Cropped:
    """Crop fractions xy (F 49 2), score (F 49), by image size (F 2) in pixels, ones where unknown (method, Input).

    Hands: relative to their box, the left one mirrored. Trunk: image fractions. Unseen joints are 0 and stay unseen.
    """
    pixels = xy * size[:, None]
    seen = (score > 0) & (score >= config.min_score)
    out = np.where(seen[..., None], xy, np.float32(0))
    has_box = np.zeros((len(xy), 2), bool)
    for number, (side, part) in enumerate(HAND_SLICES.items()):
        if config.wrist_from_hand:
            _lend_wrist(side, xy, out, seen)
        corner, extent, has_box[:, number] = hand_boxes(side, pixels, score, size, config)
        inside = (pixels[:, part] - corner[:, None]) / extent[:, None, None]
        if side == "left":
            inside[..., 0] = 1 - inside[..., 0]
        seen[:, part] &= has_box[:, number, None]
        out[:, part] = np.where(seen[:, part, None], inside, np.float32(0))
    return Cropped(out.astype(np.float32, copy=False), seen, has_box)


def hand_boxes(
    side: str, pixels: FloatArray, score: FloatArray, size: FloatArray, config: CropConfig
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """One hand's boxes: top-left corners (F 2) and sides (F) in pixels, which frames have one (F) (method, Input)."""
    part = HAND_SLICES[side]
    used = score[:, part] > config.box_score
    points = pixels[:, part]
    low = np.where(used[..., None], points, np.inf).min(axis=1)
    high = np.where(used[..., None], points, -np.inf).max(axis=1)
    by_hand = used.sum(axis=1) >= config.box_joints
    with np.errstate(invalid="ignore"):
        centre = np.where(by_hand[:, None], (low + high) / 2, 0)
        extent = np.where(by_hand, config.box_margin * (high - low).max(axis=1), 0)
    by_arm, arm_centre, arm_extent = _arm_boxes(side, pixels, score, config)
    by_arm &= ~by_hand
    centre = np.where(by_arm[:, None], arm_centre, centre)
    extent = np.where(by_arm, arm_extent, extent)
    has_box = (by_hand | by_arm) & (extent > 0)
    extent = np.where(has_box, _whole_pixels(extent, size), 1)
    corner: NDArray[np.floating] = centre - extent[:, None] / 2
    if config.keep_inside:
        corner = _shift_inside(corner, extent, size)
    return corner.astype(np.float32), extent.astype(np.float32), has_box


def _lend_wrist(side: str, xy: FloatArray, out: FloatArray, seen: BoolArray) -> None:
    trunk, hand = SHOULDER_ELBOW_WRIST[side][2], HAND_WRIST[side]
    lent = ~seen[:, trunk] & seen[:, hand]
    out[lent, trunk] = xy[lent, hand]
    seen[lent, trunk] = True


def _arm_boxes(
    side: str, pixels: FloatArray, score: FloatArray, config: CropConfig
) -> tuple[BoolArray, FloatArray, FloatArray]:
    arm = list(SHOULDER_ELBOW_WRIST[side])
    shoulder, elbow, wrist = (pixels[:, joint] for joint in arm)
    score = score[:, arm]
    sure = np.all((score > 0) & (score >= config.arm_score), axis=1)
    forearm = np.linalg.norm(wrist - elbow, axis=1)
    upper = np.linalg.norm(elbow - shoulder, axis=1)
    centre = wrist + config.arm_reach * (wrist - elbow)
    return sure, centre, config.arm_side * np.maximum(forearm, config.upper_arm * upper)


def _whole_pixels(extent: NDArray[np.floating], size: FloatArray) -> NDArray[np.floating]:
    """Sides rounded to whole pixels where the image size is known, else as they are."""
    known = size.max(axis=1) > 1
    return np.where(known, np.maximum(np.round(extent), 1), extent)


def _shift_inside(corner: NDArray[np.floating], extent: NDArray[np.floating], size: FloatArray) -> NDArray[np.floating]:
    """Boxes shifted into the image where they fit; a larger box is centred on the image along that axis."""
    room = size - extent[:, None]
    return np.where(room >= 0, np.clip(corner, 0, np.maximum(room, 0)), room / 2)
