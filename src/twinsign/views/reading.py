"""How a network reads clips, given what its training clips show: joints that it never learnt from are ignored, and
boxes are square in pixels only if its training clips record image sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twinsign.pack.open import Indices, Pack
from twinsign.pose.layout import HANDS, JOINTS, MIRROR, SHOULDER_ELBOW_WRIST
from twinsign.views.config import ReadConfig

RARE = 0.03
"""Share of the training frames below which a joint counts as not learnt."""
SAMPLE, BATCH = 1024, 256
"""Clips that are examined, drawn by a fixed seed, in batches."""
Shape = Literal["pixels", "fractions"]
EARLIER_CROP: dict[str, Any] = {"hand_wrist_first": False, "outside": None, "ignore": [], "shape": "pixels"}
"""Values of the crop's settings that runs of earlier versions do not record."""


def adapt_reading(pack: Pack, rows: Indices, read: ReadConfig, mirrored: bool) -> ReadConfig:
    """Adapt `read` to a network that learns from these rows and, if `mirrored`, from their mirror images."""
    ignored = unlearnt_joints(seen_shares(pack, rows, read), mirrored)
    sized = 1 - int(pack.table["width"].take(rows).null_count) / max(len(rows), 1)
    shape = read.crop.shape if sized >= RARE else "fractions"
    return replace(read, crop=replace(read.crop, ignore=union_of_joints(read.crop.ignore, ignored), shape=shape))


def unlearnt_joints(shares: NDArray[np.float64], mirrored: bool) -> list[str]:
    """Names of the joints whose share of the training frames (49) is too small to learn from."""
    learnt = np.maximum(shares, shares[list(MIRROR)]) if mirrored else shares
    return [name for name, share in zip(JOINTS, learnt, strict=True) if share < RARE]


def seen_shares(pack: Pack, rows: Indices, read: ReadConfig) -> NDArray[np.float64]:
    """Share of the frames with a hand in which each joint (49) is seen itself, without a hand's wrist as substitute."""
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:SAMPLE])
    total, frames = np.zeros(len(JOINTS)), 0
    for first in range(0, len(sample), BATCH):
        flat = pack.flat(sample[first : first + BATCH])
        seen = (flat.score > 0) & (flat.score >= read.crop.min_score)
        seen = seen[seen[:, HANDS].any(axis=1)]
        total += seen.sum(axis=0)
        frames += len(seen)
    return np.asarray(total / max(frames, 1))


def reading_from_statistics(about: Mapping[str, Any], mirrored: bool) -> tuple[tuple[str, ...], Shape]:
    """Joints to ignore and shape for a run of an earlier version, from the joint statistics in its config.

    Where a hand's wrist replaced the trunk's, these statistics count the trunk's as seen; it is taken to have been seen
    itself only as often as that arm's elbow.
    """
    joints = about.get("joints")
    if not isinstance(joints, Mapping) or set(joints) != set(JOINTS):
        return (), "pixels"
    shares = np.asarray([float(str(joints[name]).split()[4]) for name in JOINTS])
    for _, elbow, wrist in SHOULDER_ELBOW_WRIST.values():
        shares[wrist] = min(shares[wrist], shares[elbow])
    sizes = [pack.get("sizes") for pack in about.get("packs", []) if isinstance(pack, Mapping)]
    unsized = bool(sizes) and all(isinstance(size, Mapping) and set(size) == {"unknown"} for size in sizes)
    return tuple(unlearnt_joints(shares, mirrored)), "fractions" if unsized else "pixels"


def union_of_joints(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Names of joints that are in either sequence, in the layout's order."""
    return tuple(name for name in JOINTS if name in first or name in second)
