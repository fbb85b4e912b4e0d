"""Augmentation of whole batches: random numbers drawn here, applied there; a view's hands and trunk share a draw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from twinsign.pose.layout import (
    HAND_WRIST,
    HANDS,
    JOINT_COUNT,
    LEFT_HAND,
    MIRROR,
    SHOULDER_ELBOW_WRIST,
    TRUNK,
)
from twinsign.views.clips import Clips, View, resample, window
from twinsign.views.config import KINDS, LACKS, Around, AugmentConfig

LOWER_HALF = (0.5, 1.0)


class _Uniform:
    """Numbers in [low, high) for each of B clips, from an explicit generator, on the CPU whatever the device.

    They are drawn for the whole batch of `place` (first, total), so that they do not depend on who has which clips.
    """

    def __init__(self, generator: torch.Generator, clips: int, place: tuple[int, int]) -> None:
        self.generator, self.total, self.mine = generator, place[1], slice(place[0], place[0] + clips)

    def __call__(self, low: float, high: float, *axes: int) -> Tensor:
        return low + (high - low) * torch.rand(self.total, *axes, generator=self.generator)[self.mine]


@dataclass(frozen=True)
class Draw:
    """Random numbers for one view of B clips.

    Crop ratio and place (B), matrix (B 2 2), masked joints (B V), flip (B), swap (B), distorted joints (B V) and their
    own matrix (B 2 2), which takes the other's place, the trunk's shift (B 2), which trunks show only the wrists of
    seen hands (B) or not even these (B), and the line below which other trunks end (B), infinity where they do not.
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
    bare: Tensor
    wristless: Tensor
    line: Tensor

    def to(self, device: torch.device | str) -> Draw:
        """The same numbers on another device."""
        return Draw(*(value.to(device, non_blocking=True) for value in vars(self).values()))


def draw(config: AugmentConfig, clips: int, generator: torch.Generator, place: tuple[int, int] | None = None) -> Draw:
    """Draw one view's random numbers for that many clips (paper, Sec. III-B: Data augmentation).

    `place`: where among how many clips of a batch these begin; they then get what the whole batch would have given.
    """
    uniform = _Uniform(generator, clips, place or (0, clips))
    chosen = None if config.one_of is None else _one_of(config.one_of, uniform(0, 1))

    def sometimes(kind: str, low: float, high: float, neutral: float) -> Tensor:
        values = uniform(low, high)
        happens = uniform(0, 1) < config.apply if chosen is None else chosen[kind]
        return torch.where(happens, values, neutral)

    angle = torch.deg2rad(sometimes("rotation", -config.rotation, config.rotation, 0.0))
    scale = sometimes("scale", 1 - config.scale, 1 + config.scale, 1.0)
    shear_x, shear_y = (sometimes("shear", -config.shear, config.shear, 0.0) for _ in range(2))
    least, most = (0.0, config.mask) if config.joints is None else (config.joints / JOINT_COUNT,) * 2
    count = torch.round(sometimes("mask", least, most, 0.0) * JOINT_COUNT)
    rank = uniform(0, 1, JOINT_COUNT).argsort(dim=1).argsort(dim=1)
    ratio, begin, flip = uniform(*config.crop), uniform(0, 1), uniform(0, 1) < config.flip
    # Drawn last, and only where asked for: recipes without them draw the numbers they always drew.
    swap = uniform(0, 1) < config.swap if config.swap else torch.zeros(clips, dtype=torch.bool)
    distortion, distorted = torch.eye(2).expand(clips, 2, 2), torch.zeros(clips, JOINT_COUNT, dtype=torch.bool)
    if config.distort:
        distortion = uniform(-config.distort, config.distort, 2, 2)
        many = torch.round(sometimes("distort", least, most, 0.0) * JOINT_COUNT)
        distorted = uniform(0, 1, JOINT_COUNT).argsort(dim=1).argsort(dim=1) < many[:, None]
    shift = uniform(-config.shift, config.shift, 2) if config.shift else torch.zeros(clips, 2)
    matrix = _matrix(angle, scale, shear_x, shear_y)
    lacks = _lacking(config.trunk, uniform, clips)
    return Draw(ratio, begin, matrix, rank < count[:, None], flip, swap, distorted, distortion, shift, *lacks)


def apply(view: View, numbers: Draw, around: Around = "centre") -> View:
    """The view mirrored, swapped, rotated, scaled, sheared, masked, distorted as drawn (paper, Sec. III-B)."""
    view = View(view.xy, without_trunk(view, numbers))
    mirrored = mirror(view)
    hand = torch.zeros(JOINT_COUNT, dtype=torch.bool, device=view.xy.device)
    hand[HANDS] = True
    turned = (numbers.flip[:, None] ^ (numbers.swap[:, None] & hand))[:, None]  # B 1 V
    xy = torch.where(turned[..., None], mirrored.xy, view.xy)
    seen = torch.where(turned, mirrored.seen, view.seen) & ~numbers.masked[:, None]
    own = numbers.distorted[..., None, None]
    matrix = torch.where(own, numbers.distortion[:, None], numbers.matrix[:, None]).to(xy.dtype)[:, None]  # B 1 V 2 2
    middle = 0.0
    if around == "centre":
        middle = 0.5
        # The stored left hand is a mirror image: what turns the picture clockwise turns it the other way.
        sign = torch.tensor([-1.0, 1.0], dtype=xy.dtype, device=xy.device)
        matrix[:, :, LEFT_HAND] *= sign[:, None] * sign
    # Term by term: as a matrix product, mixed precision would round the coordinates to its short type.
    x, y = (xy - middle).split(1, dim=-1)
    xy = matrix[..., 0] * x + matrix[..., 1] * y + middle
    xy[:, :, TRUNK] += numbers.shift[:, None, None].to(xy.dtype)
    return View(torch.where(seen[..., None], xy, 0.0), seen)


def without_trunk(view: View, numbers: Draw) -> Tensor:
    """Which joints (B T V) a view shows whose trunk is left out as drawn; `view` lies as the picture does."""
    seen = view.seen.clone()
    below = view.xy[:, :, TRUNK, 1] > numbers.line[:, None, None]  # B T 7
    trunk = seen[:, :, TRUNK] & ~(below | numbers.bare[:, None, None])
    for side, wrist in HAND_WRIST.items():  # where the hand is, its wrist is in the picture
        own = SHOULDER_ELBOW_WRIST[side][2]
        trunk[:, :, own - TRUNK.start] |= seen[:, :, own] & seen[:, :, wrist]
    seen[:, :, TRUNK] = trunk & ~numbers.wristless[:, None, None]
    return seen


def random_view(
    clips: Clips,
    config: AugmentConfig,
    frames: int,
    generator: torch.Generator,
    place: tuple[int, int] | None = None,
) -> View:
    """One augmented view (B T V) of the clips: temporal crop, resampling, then the spatial mix (method, Input).

    `place`: where among how many clips of a batch these begin (`draw`).
    """
    numbers = draw(config, len(clips), generator, place).to(clips.xy.device)
    begin, span = window(clips, numbers.ratio, numbers.place, config.crop_frames)
    return apply(resample(clips, begin, span, frames), numbers, config.around)


def mirror(view: View) -> View:
    """The mirrored person in crop coordinates: hands swapped unchanged, trunk x -> 1 - x and sides swapped (method)."""
    order = list(MIRROR)
    xy, seen = view.xy[:, :, order], view.seen[:, :, order]
    flipped = torch.stack([1 - xy[:, :, TRUNK, 0], xy[:, :, TRUNK, 1]], dim=-1)
    xy = torch.cat([xy[:, :, HANDS], torch.where(seen[:, :, TRUNK, None], flipped, 0.0)], dim=2)
    return View(xy, seen)


def _matrix(angle: Tensor, scale: Tensor, shear_x: Tensor, shear_y: Tensor) -> Tensor:
    """Rotation by `angle` (radians) after shear after scale, all (B): (B 2 2)."""
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    one = torch.ones_like(scale)
    shear = torch.stack([one, shear_x, shear_y, one], dim=1).view(-1, 2, 2)
    return scale[:, None, None] * (turn @ shear)


def _lacking(shares: dict[str, float] | None, uniform: _Uniform, clips: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which views show only the wrists of seen hands (B), or nothing (B); below which line the others end (B)."""
    if shares is None:
        never = torch.zeros(clips, dtype=torch.bool)
        return never, never, torch.full((clips,), torch.inf)
    number, line = uniform(0, 1), uniform(*LOWER_HALF)
    edges = torch.tensor([shares.get(name, 0.0) for name in LACKS]).cumsum(0)
    kind = (number[:, None] >= edges).sum(dim=1)  # place in LACKS, or beyond
    return kind == 1, kind == 0, torch.where(kind == 2, line, torch.inf)


def _one_of(shares: dict[str, float], number: Tensor) -> dict[str, Tensor]:
    """Which of the exclusive kinds each clip gets (B), by an even number (B) in [0, 1)."""
    below, found = 0.0, {}
    for kind in KINDS:
        above = below + shares.get(kind, 0.0)
        found[kind] = (number >= below) & (number < above)
        below = above
    return found
