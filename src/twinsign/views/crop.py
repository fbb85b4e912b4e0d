"""Hands cropped by their own boxes, the trunk by the image, and the frames that count.

The trunk's wrists carry the hands' global movement. All functions work on many clips end to end, on any device: axis F
is frames of any number of clips (method, Input). Every input of a network passes here, in training and in use: a pack's
rows, a file, a stream's frames, an exported network's inputs; `as_stored` removes the differences between these.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from twinsign.pack.schema import SCORE_STEPS
from twinsign.pose.layout import HAND_WRIST, HANDS, JOINT_COUNT, JOINTS, SHOULDER_ELBOW_WRIST, TRUNK, TRUNK_JOINTS
from twinsign.views.config import CropConfig, ReadConfig

SIDES = ("right", "left")
"""Order of the two hands on every axis that holds both."""
SUBSTITUTES = list(range(JOINT_COUNT))
"""The joint that replaces a missing one: the hand's wrist for the trunk's, each other joint itself."""
for _side in SIDES:
    SUBSTITUTES[SHOULDER_ELBOW_WRIST[_side][2]] = HAND_WRIST[_side]

LANDSCAPE = 4 / 3
"""Aspect ratio of the image in which an upright one is placed where training clips record no sizes: WLASL's most
frequent one."""


class Cropped(NamedTuple):
    """Crop coordinates xy (F 49 2), about [0, 1], 0 where unseen; seen (F 49); has_box (F 2): right, left."""

    xy: Tensor
    seen: Tensor
    has_box: Tensor


def crop(xy: Tensor, score: Tensor, size: Tensor, config: CropConfig) -> Cropped:
    """Crop fractions xy (F 49 2), score (F 49), by image size (F 2) in pixels, ones where unknown (method, Input).

    Hands: relative to their box, the left one mirrored. Trunk: image fractions. Unseen joints are 0 and stay unseen.
    """
    score = torch.where(usable_joints(xy, config), score, 0.0)
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
        replaced = seen[:, SUBSTITUTES[TRUNK]]
        if not config.hand_wrist_first:
            replaced = replaced & ~trunk_seen
        trunk = torch.where(replaced[..., None], xy[:, SUBSTITUTES[TRUNK]], trunk)
        trunk_seen = trunk_seen | replaced
    seen = torch.cat([hands_seen, trunk_seen], dim=1)
    out = torch.cat([inside[:, 0], left, trunk], dim=1)
    return Cropped(torch.where(seen[..., None], out, 0.0), seen, has_box)


def as_stored(xy: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    """Round fractions xy (F 49 2) and score (F 49) as a pack stores them: to float16, and to 255 steps of score.

    A pack's own values stay the same bit for bit; a file's or a camera's become those that training would have seen.
    """
    steps = (score * SCORE_STEPS).round().clamp(min=1.0) / SCORE_STEPS
    return xy.to(torch.float16).to(xy.dtype), torch.where(score > 0, steps, 0.0)


def as_landscape(xy: Tensor, size: Tensor) -> Tensor:
    """Convert fractions xy (F 49 2) of upright images of size (F 2) to those of a landscape image of the same height.

    Where image sizes were not recorded, a network has learnt the proportions of landscape videos; an upright phone's
    fractions would make hands more than twice as broad.
    """
    aspect = size[:, 0] / size[:, 1]
    narrower = torch.where(aspect < 1, aspect / LANDSCAPE, torch.ones_like(aspect))[:, None]
    return torch.stack([0.5 + (xy[..., 0] - 0.5) * narrower, xy[..., 1]], dim=-1)


def usable_joints(xy: Tensor, config: CropConfig) -> Tensor:
    """Which joints (F 49) may count as seen: those not ignored and, of the trunk, not far outside the image."""
    usable = torch.tensor([name not in config.ignore for name in JOINTS], device=xy.device)
    if config.outside is None:
        return usable.expand(xy.shape[:2])
    trunk = torch.tensor([name in TRUNK_JOINTS for name in JOINTS], device=xy.device)
    return usable & ~(trunk & (torch.maximum(-xy, xy - 1).amax(dim=2) > config.outside))


def hand_boxes(pixels: Tensor, score: Tensor, size: Tensor, config: CropConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Both hands' boxes in pixels: top-left corners (F 2 2), sides (F 2), which exist (F 2) (method, Input)."""
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
    whole = torch.where(size.amax(dim=1, keepdim=True) > 1, extent.round().clamp(min=1), extent)  # pixels, if known
    extent = torch.where(has_box, whole, 1.0)
    corner = centre - extent[..., None] / 2
    if config.keep_inside:  # a box larger than the image is centred on it along that axis
        room = size[:, None] - extent[..., None]  # F 2 2
        corner = torch.where(room >= 0, torch.minimum(corner.clamp(min=0), room), room / 2)
    return corner, extent, has_box


def _hands(values: Tensor) -> Tensor:
    """The hands' joints (F 49 …) as right, left (F 2 21 …)."""
    hands: Tensor = values[:, HANDS].unflatten(1, (len(SIDES), -1))
    return hands


def _arm_boxes(pixels: Tensor, score: Tensor, config: CropConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Which arms have sure joints (F 2), and the centres (F 2 2) and sides (F 2) of the boxes that follow from arms."""
    arms = [joint for side in SIDES for joint in SHOULDER_ELBOW_WRIST[side]]
    score = score[:, arms].unflatten(1, (len(SIDES), -1))
    shoulder, elbow, wrist = pixels[:, arms].unflatten(1, (len(SIDES), -1)).unbind(dim=2)  # each F 2 2
    sure = ((score > 0) & (score >= config.arm_score)).all(dim=2)
    forearm = torch.linalg.vector_norm(wrist - elbow, dim=2)
    upper = torch.linalg.vector_norm(elbow - shoulder, dim=2)
    centre = wrist + config.arm_reach * (wrist - elbow)
    return sure, centre, config.arm_side * torch.maximum(forearm, config.upper_arm * upper)


def select_frames(cropped: Cropped, owner: Tensor, clips: int, config: ReadConfig) -> tuple[Tensor, Tensor]:
    """Which frames (F) the config keeps, given each frame's clip (F), and how many of each clip (B)."""
    active = cropped.has_box.any(dim=1) if config.active == "box" else cropped.seen[:, HANDS].any(dim=1)
    keep = torch.ones_like(active)
    if config.idle != "keep":
        keep = active_frames(active, owner, clips, inner=config.idle == "drop")
    if config.longest is not None:
        keep = strided(keep, owner, clips, config.longest)
    return keep, _count_frames(keep, owner, clips)


def active_frames(active: Tensor, owner: Tensor, clips: int, inner: bool) -> Tensor:
    """Frames (F) from each clip's first to last active one, or (`inner`) its active ones; all where none is active."""
    frames = active.shape[0]  # len() would fix the number of frames in an exported network
    frame = torch.arange(frames, device=active.device)
    none = torch.full((clips,), -1, device=active.device)
    first = (none + 1 + frames).scatter_reduce(0, owner, torch.where(active, frame, frames), "amin")[owner]
    last = none.scatter_reduce(0, owner, torch.where(active, frame, -1), "amax")[owner]
    between = (frame >= first) & (frame <= last)
    return (last < 0) | (between & active if inner else between)


def strided(keep: Tensor, owner: Tensor, clips: int, longest: int) -> Tensor:
    """Every n-th of each clip's kept frames (F), with the least n that leaves at most `longest` (method, Input)."""
    kept = _count_frames(keep, owner, clips)
    before = kept.cumsum(0) - kept
    order = keep.long().cumsum(0) - 1 - before[owner]
    step = ((kept + longest - 1) // longest).clamp(min=1)
    return keep & (order % step[owner] == 0)


def _count_frames(keep: Tensor, owner: Tensor, clips: int) -> Tensor:
    return torch.zeros(clips, dtype=torch.long, device=keep.device).scatter_add(0, owner, keep.long())
