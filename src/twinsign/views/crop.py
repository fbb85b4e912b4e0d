"""Hands cropped by their own boxes, the trunk by the image: the trunk's wrists carry the hands' global movement.

Works on many clips end to end, on any device: axis F is frames of any number of clips (method, Input). Whatever a
network sees has passed here, in training and in use: a pack's rows, a file, a stream's frames, an exported network's
inputs. What differs between these is made equal by `as_stored`, once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from twinsign.pack.schema import SCORE_STEPS
from twinsign.pose.layout import (
    HAND_WRIST,
    HANDS,
    JOINT_COUNT,
    JOINTS,
    SHOULDER_ELBOW_WRIST,
    TRUNK,
    TRUNK_JOINTS,
)
from twinsign.views.config import CropConfig

SIDES = ("right", "left")
"""Order of the two hands wherever an axis holds both."""
LENDERS = list(range(JOINT_COUNT))
"""Which joint stands in for a missing one: the hand's wrist for the trunk's, every other joint for itself."""
for _side in SIDES:
    LENDERS[SHOULDER_ELBOW_WRIST[_side][2]] = HAND_WRIST[_side]

LANDSCAPE = 4 / 3
"""Width over height of the image that an upright one is placed in, where training clips record no sizes: WLASL's most
frequent shape."""


class Cropped(NamedTuple):
    """Crop coordinates xy (F 49 2), about [0, 1], 0 where unseen; seen (F 49); has_box (F 2) for right, left."""

    xy: Tensor
    seen: Tensor
    has_box: Tensor


def crop(xy: Tensor, score: Tensor, size: Tensor, config: CropConfig) -> Cropped:
    """Crop fractions xy (F 49 2), score (F 49), by image size (F 2) in pixels, ones where unknown (method, Input).

    Hands: relative to their box, the left one mirrored. Trunk: image fractions. Unseen joints are 0 and stay unseen.
    """
    score = torch.where(counted(xy, config), score, 0.0)
    if config.shape == "fractions":
        xy, size = as_landscape(xy, size), torch.ones_like(size)
    pixels = xy * size[:, None]
    corner, extent, has_box = hand_boxes(pixels, score, size, config)
    seen = (score > 0) & (score >= config.min_score)
    inside = (_hands(pixels) - corner[:, :, None]) / extent[:, :, None, None]  # F 2 21 2
    left = torch.stack([1 - inside[:, 1, :, 0], inside[:, 1, :, 1]], dim=-1)
    hands_seen = (_hands(seen) & has_box[..., None]).flatten(1)
    trunk, trunk_seen = xy[:, TRUNK], seen[:, TRUNK]
    if config.wrist_from_hand:
        lent = seen[:, LENDERS[TRUNK]] if config.hand_wrist_first else ~trunk_seen & seen[:, LENDERS[TRUNK]]
        trunk, trunk_seen = torch.where(lent[..., None], xy[:, LENDERS[TRUNK]], trunk), trunk_seen | lent
    seen = torch.cat([hands_seen, trunk_seen], dim=1)
    out = torch.cat([inside[:, 0], left, trunk], dim=1)
    return Cropped(torch.where(seen[..., None], out, 0.0), seen, has_box)


def as_stored(xy: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    """Fractions xy (F 49 2) and score (F 49) as a pack would give them back: in float16, and in 255 steps of score.

    A pack's own stay what they are, bit for bit; a file's or a camera's become what training would have seen.
    """
    steps = (score * SCORE_STEPS).round().clamp(min=1.0) / SCORE_STEPS
    return xy.to(torch.float16).to(xy.dtype), torch.where(score > 0, steps, 0.0)


def as_landscape(xy: Tensor, size: Tensor) -> Tensor:
    """Fractions xy (F 49 2) of upright images of size (F 2) as those of a landscape one of the same height around them.

    Where image sizes were not recorded, fractions stand for the shapes of landscape videos; of a phone's upright ones
    they would make hands more than twice as broad.
    """
    aspect = size[:, 0] / size[:, 1]
    narrower = torch.where(aspect < 1, aspect / LANDSCAPE, torch.ones_like(aspect))[:, None]
    return torch.stack([0.5 + (xy[..., 0] - 0.5) * narrower, xy[..., 1]], dim=-1)


def counted(xy: Tensor, config: CropConfig) -> Tensor:
    """Whether each joint (F 49) may count as seen: it is not ignored and, of the trunk, not far outside the image."""
    known = torch.tensor([name not in config.ignore for name in JOINTS], device=xy.device)
    if config.outside is None:
        return known.expand(xy.shape[:2])
    trunk = torch.tensor([name in TRUNK_JOINTS for name in JOINTS], device=xy.device)
    return known & ~(trunk & (torch.maximum(-xy, xy - 1).amax(dim=2) > config.outside))


def hand_boxes(pixels: Tensor, score: Tensor, size: Tensor, config: CropConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Both hands' boxes in pixels: top-left corners (F 2 2), sides (F 2), which there are (F 2) (method, Input)."""
    used, points = _hands(score) > config.box_score, _hands(pixels)
    low = torch.where(used[..., None], points, torch.inf).amin(dim=2)  # F 2 2
    high = torch.where(used[..., None], points, -torch.inf).amax(dim=2)
    by_hand = used.sum(dim=2) >= config.box_joints
    sure, arm_centre, arm_extent = _arm_boxes(pixels, score, config)
    by_arm = sure & ~by_hand
    centre = torch.where(by_hand[..., None], (low + high) / 2, torch.where(by_arm[..., None], arm_centre, 0.0))
    by_points = config.box_margin * (high - low).amax(dim=2)
    extent = torch.where(by_hand, by_points, torch.where(by_arm, arm_extent, 0.0))
    has_box = extent > 0
    extent = torch.where(has_box, _whole_pixels(extent, size), 1.0)
    corner = centre - extent[..., None] / 2
    if config.keep_inside:
        corner = _shift_inside(corner, extent, size)
    return corner, extent, has_box


def _hands(values: Tensor) -> Tensor:
    """The hands' joints (F 49 …) as right, left (F 2 21 …)."""
    found: Tensor = values[:, HANDS].unflatten(1, (len(SIDES), -1))
    return found


def _arm_boxes(pixels: Tensor, score: Tensor, config: CropConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Which arms are sure (F 2), the centres (F 2 2) and sides (F 2) of the boxes they give."""
    arms = [joint for side in SIDES for joint in SHOULDER_ELBOW_WRIST[side]]
    score = score[:, arms].unflatten(1, (len(SIDES), -1))
    shoulder, elbow, wrist = pixels[:, arms].unflatten(1, (len(SIDES), -1)).unbind(dim=2)  # each F 2 2
    sure = ((score > 0) & (score >= config.arm_score)).all(dim=2)
    forearm = torch.linalg.vector_norm(wrist - elbow, dim=2)
    upper = torch.linalg.vector_norm(elbow - shoulder, dim=2)
    centre = wrist + config.arm_reach * (wrist - elbow)
    return sure, centre, config.arm_side * torch.maximum(forearm, config.upper_arm * upper)


def _whole_pixels(extent: Tensor, size: Tensor) -> Tensor:
    """Sides rounded to whole pixels where the image size is known, else as they are."""
    known = size.amax(dim=1, keepdim=True) > 1
    return torch.where(known, extent.round().clamp(min=1), extent)


def _shift_inside(corner: Tensor, extent: Tensor, size: Tensor) -> Tensor:
    """Boxes shifted into the image where they fit; a larger box is centred on the image along that axis."""
    room = size[:, None] - extent[..., None]  # F 2 2
    return torch.where(room >= 0, torch.minimum(corner.clamp(min=0), room), room / 2)
