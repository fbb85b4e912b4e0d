"""Augmentation of whole batches: random numbers drawn here, applied there; a view's hands and trunk share a draw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from twinsign.pose.layout import HANDS, JOINT_COUNT, LEFT_HAND, MIRROR, TRUNK
from twinsign.views.clips import Clips, View, resample, window


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the random views; the paper names the kinds, not the ranges (paper, Sec. III-B; docs/paper.md)."""

    crop: tuple[float, float] = (0.5, 1.0)
    """Share of a clip kept by the temporal crop, drawn evenly between the two."""
    rotation: float = 15.0
    """Largest rotation, degrees."""
    scale: float = 0.2
    """Scale factors are drawn from 1 - scale to 1 + scale."""
    shear: float = 0.0
    """Largest shear factor along either axis."""
    mask: float = 0.2
    """Largest share of joints masked throughout a view."""
    flip: float = 0.5
    """Probability of the left-right mirror."""
    apply: float = 0.5
    """Probability of each of rotation, scale, shear and mask: "a random combination" (paper, Sec. III-B)."""


class _Uniform:
    """Numbers in [low, high) from an explicit generator, drawn on the CPU whatever the device."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def __call__(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.generator)


@dataclass(frozen=True)
class Draw:
    """Random numbers for one view of B clips: crop ratio and place, matrix (B 2 2), masked joints (B V), flip (B)."""

    ratio: Tensor
    place: Tensor
    matrix: Tensor
    masked: Tensor
    flip: Tensor

    def to(self, device: torch.device | str) -> Draw:
        """The same numbers on another device."""
        return Draw(*(value.to(device, non_blocking=True) for value in vars(self).values()))


def draw(config: AugmentConfig, clips: int, generator: torch.Generator) -> Draw:
    """Draw one view's random numbers for that many clips (paper, Sec. III-B: Data augmentation)."""
    uniform = _Uniform(generator)

    def sometimes(low: float, high: float, neutral: float) -> Tensor:
        values = uniform(low, high, clips)
        return torch.where(uniform(0, 1, clips) < config.apply, values, neutral)

    angle = torch.deg2rad(sometimes(-config.rotation, config.rotation, 0.0))
    scale = sometimes(1 - config.scale, 1 + config.scale, 1.0)
    shear_x, shear_y = sometimes(-config.shear, config.shear, 0.0), sometimes(-config.shear, config.shear, 0.0)
    count = torch.round(sometimes(0.0, config.mask, 0.0) * JOINT_COUNT)
    rank = uniform(0, 1, clips, JOINT_COUNT).argsort(dim=1).argsort(dim=1)
    return Draw(
        ratio=uniform(*config.crop, clips),
        place=uniform(0, 1, clips),
        matrix=_matrix(angle, scale, shear_x, shear_y),
        masked=rank < count[:, None],
        flip=uniform(0, 1, clips) < config.flip,
    )


def apply(view: View, numbers: Draw) -> View:
    """The view mirrored, rotated, scaled, sheared and masked as drawn (paper, Sec. III-B: Data augmentation)."""
    mirrored = mirror(view)
    flip = numbers.flip[:, None, None]
    xy = torch.where(flip[..., None], mirrored.xy, view.xy)
    seen = torch.where(flip, mirrored.seen, view.seen) & ~numbers.masked[:, None]
    # The stored left hand is a mirror image: what turns the picture clockwise turns it the other way.
    sign = torch.tensor([-1.0, 1.0], dtype=xy.dtype, device=xy.device)
    matrix = numbers.matrix.to(xy.dtype)[:, None, None].repeat(1, 1, JOINT_COUNT, 1, 1)  # B 1 V 2 2
    matrix[:, :, LEFT_HAND] *= sign[:, None] * sign
    # Term by term: as a matrix product, mixed precision would round the coordinates to its short type.
    x, y = (xy - 0.5).split(1, dim=-1)
    xy = matrix[..., 0] * x + matrix[..., 1] * y + 0.5
    return View(torch.where(seen[..., None], xy, 0.0), seen)


def random_view(clips: Clips, config: AugmentConfig, frames: int, generator: torch.Generator) -> View:
    """One augmented view (B T V) of the clips: temporal crop, resampling, then the spatial mix (method, Input)."""
    numbers = draw(config, len(clips), generator).to(clips.xy.device)
    return apply(resample(clips, *window(clips, numbers.ratio, numbers.place), frames), numbers)


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
