"""Augmentation of whole batches: random numbers are drawn first and applied then, so hands and trunk share a draw."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from twinsign.pose.layout import HAND_WRIST, HANDS, JOINT_COUNT, LEFT_HAND, MIRROR, SHOULDER_ELBOW_WRIST, TRUNK
from twinsign.views.clips import Clips, View, resample, window
from twinsign.views.config import SPATIAL_KINDS, TRUNK_DROPS, Around, AugmentConfig

LOWER_HALF = (0.5, 1.0)


@dataclass(frozen=True)
class Draw:
    """Random numbers for one view of B clips.

    Crop ratio and place (B), matrix (B 2 2), masked joints (B V), flip (B), swap (B), distorted joints (B V) and the
    matrix (B 2 2) that replaces theirs, the trunk's shift (B 2), which trunks show only the wrists of seen hands (B) or
    not even these (B), and the line below which other trunks end (B), infinity where they do not end.
    """

    ratio: Tensor
    place: Tensor
    matrix: Tensor
    masked: Tensor
    flip: Tensor
    swap: Tensor
    distorted: Tensor
    distortion: Tensor
    shift: Tensor
    only_wrists: Tensor
    no_trunk: Tensor
    trunk_end: Tensor

    def to(self, device: torch.device | str) -> Draw:
        """The same numbers on another device."""
        return Draw(*(value.to(device, non_blocking=True) for value in vars(self).values()))


def draw(config: AugmentConfig, clips: int, generator: torch.Generator, place: tuple[int, int] | None = None) -> Draw:
    """Draw one view's random numbers for that many clips, on the CPU (paper, Sec. III-B: Data augmentation).

    `place`: first of these clips in a batch, and that batch's number of clips; numbers are drawn for the whole batch,
    so that they do not depend on which process has which clips.
    """
    first, total = place or (0, clips)

    def uniform(low: float, high: float, *axes: int) -> Tensor:
        return low + (high - low) * torch.rand(total, *axes, generator=generator)[first : first + clips]

    chosen: dict[str, Tensor] = {}
    if config.one_of is not None:
        edges = accumulate((config.one_of.get(kind, 0.0) for kind in SPATIAL_KINDS), initial=0.0)
        number = uniform(0, 1)
        chosen = {
            kind: (number >= low) & (number < high)
            for kind, (low, high) in zip(SPATIAL_KINDS, pairwise(edges), strict=True)
        }

    def sometimes(kind: str, low: float, high: float, neutral: float) -> Tensor:
        values = uniform(low, high)
        happens = chosen[kind] if chosen else uniform(0, 1) < config.apply
        return torch.where(happens, values, neutral)

    def some_joints(kind: str) -> Tensor:
        low, high = (0.0, config.mask) if config.joints is None else (config.joints / JOINT_COUNT,) * 2
        count = torch.round(sometimes(kind, low, high, 0.0) * JOINT_COUNT)
        return uniform(0, 1, JOINT_COUNT).argsort(dim=1).argsort(dim=1) < count[:, None]

    angle = torch.deg2rad(sometimes("rotation", -config.rotation, config.rotation, 0.0))
    scale = sometimes("scale", 1 - config.scale, 1 + config.scale, 1.0)
    shear_x, shear_y = (sometimes("shear", -config.shear, config.shear, 0.0) for _ in range(2))
    masked = some_joints("mask")
    ratio, begin, flip = uniform(*config.crop), uniform(0, 1), uniform(0, 1) < config.flip
    # Drawn last, and only where configured: recipes without them draw the numbers that they always drew.
    never = torch.zeros(clips, dtype=torch.bool)
    swap = uniform(0, 1) < config.swap if config.swap else never
    distortion, distorted = torch.eye(2).expand(clips, 2, 2), never[:, None].expand(clips, JOINT_COUNT)
    if config.distort:
        distortion, distorted = uniform(-config.distort, config.distort, 2, 2), some_joints("distort")
    shift = uniform(-config.shift, config.shift, 2) if config.shift else torch.zeros(clips, 2)
    matrix = _matrix(angle, scale, shear_x, shear_y)
    only_wrists, no_trunk, line = never, never, torch.full((clips,), torch.inf)
    if config.trunk is not None:
        number, line = uniform(0, 1), uniform(*LOWER_HALF)
        limits = torch.tensor([config.trunk.get(name, 0.0) for name in TRUNK_DROPS]).cumsum(0)
        kind = (number[:, None] >= limits).sum(dim=1)  # place in TRUNK_DROPS, or beyond
        no_trunk, only_wrists, line = kind == 0, kind == 1, torch.where(kind == 2, line, torch.inf)
    return Draw(ratio, begin, matrix, masked, flip, swap, distorted, distortion, shift, only_wrists, no_trunk, line)


def apply(view: View, numbers: Draw, around: Around = "centre") -> View:
    """Mirror, swap, rotate, scale, shear, mask and distort a view as drawn (paper, Sec. III-B)."""
    view = View(view.xy, drop_trunk(view, numbers))
    mirrored = mirror(view)
    hand = torch.zeros(JOINT_COUNT, dtype=torch.bool, device=view.xy.device)
    hand[HANDS] = True
    turned = (numbers.flip[:, None] ^ (numbers.swap[:, None] & hand))[:, None]  # B 1 V
    xy = torch.where(turned[..., None], mirrored.xy, view.xy)
    seen = torch.where(turned, mirrored.seen, view.seen) & ~numbers.masked[:, None]
    distorted = numbers.distorted[..., None, None]
    matrix = torch.where(distorted, numbers.distortion[:, None], numbers.matrix[:, None])
    matrix = matrix.to(xy.dtype)[:, None]  # B 1 V 2 2
    middle = 0.0
    if around == "centre":
        middle = 0.5
        # The stored left hand is a mirror image: what turns the picture clockwise turns the hand counterclockwise.
        sign = torch.tensor([-1.0, 1.0], dtype=xy.dtype, device=xy.device)
        matrix[:, :, LEFT_HAND] *= sign[:, None] * sign
    # Term by term: as a matrix product, mixed precision would round the coordinates to its short type.
    x, y = (xy - middle).split(1, dim=-1)
    xy = matrix[..., 0] * x + matrix[..., 1] * y + middle
    xy[:, :, TRUNK] += numbers.shift[:, None, None].to(xy.dtype)
    return View(torch.where(seen[..., None], xy, 0.0), seen)


def drop_trunk(view: View, numbers: Draw) -> Tensor:
    """Which joints (B T V) a view still shows after its trunk is hidden as drawn; `view` is not mirrored yet."""
    seen = view.seen.clone()
    below = view.xy[:, :, TRUNK, 1] > numbers.trunk_end[:, None, None]  # B T 7
    trunk = seen[:, :, TRUNK] & ~(below | numbers.only_wrists[:, None, None])
    for side, hand_wrist in HAND_WRIST.items():  # the wrist of a visible hand is in the picture
        wrist = SHOULDER_ELBOW_WRIST[side][2]
        trunk[:, :, wrist - TRUNK.start] |= seen[:, :, wrist] & seen[:, :, hand_wrist]
    seen[:, :, TRUNK] = trunk & ~numbers.no_trunk[:, None, None]
    return seen


def random_view(
    clips: Clips,
    config: AugmentConfig,
    frames: int,
    generator: torch.Generator,
    place: tuple[int, int] | None = None,
) -> View:
    """One augmented view (B T V) of the clips: temporal crop, resampling, then the spatial mix (method, Input).

    `place`: first of these clips in a batch, and that batch's number of clips (see `draw`).
    """
    numbers = draw(config, len(clips), generator, place).to(clips.xy.device)
    begin, span = window(clips, numbers.ratio, numbers.place, config.crop_frames)
    return apply(resample(clips, begin, span, frames), numbers, config.around)


def mirror(view: View) -> View:
    """Mirror the person in crop coordinates: hands change places, trunk x -> 1 - x and sides swapped (method)."""
    order = list(MIRROR)
    xy, seen = view.xy[:, :, order], view.seen[:, :, order]
    flipped = torch.stack([1 - xy[:, :, TRUNK, 0], xy[:, :, TRUNK, 1]], dim=-1)
    xy = torch.cat([xy[:, :, HANDS], torch.where(seen[:, :, TRUNK, None], flipped, 0.0)], dim=2)
    return View(xy, seen)


def _matrix(angle: Tensor, scale: Tensor, shear_x: Tensor, shear_y: Tensor) -> Tensor:
    """Rotation by `angle` (radians) after shear after scale, all (B): (B 2 2)."""
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    ones = torch.ones_like(scale)
    shear = torch.stack([ones, shear_x, shear_y, ones], dim=1).view(-1, 2, 2)
    return scale[:, None, None] * (turn @ shear)
