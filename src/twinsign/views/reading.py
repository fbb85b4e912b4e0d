"""What a network's training clips show, and how it therefore has to read others: the joints that it never learnt from
are ignored, and boxes are square in what its clips recorded.
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
"""A joint seen in a smaller share of the training frames was not learnt from."""
SAMPLE = 1024
"""Clips that are looked at, drawn by a fixed seed."""
AT_ONCE = 256
Shape = Literal["pixels", "fractions"]
BEFORE: dict[str, Any] = {"hand_wrist_first": False, "outside": None, "ignore": [], "shape": "pixels"}
"""Settings of the crop that runs of earlier versions do not record, and what they did."""


def reading_of(pack: Pack, rows: Indices, read: ReadConfig, mirrored: bool) -> ReadConfig:
    """`read` as a network has to have it that learns from these rows and, if `mirrored`, their mirror images."""
    ignored = unlearnt(seen_shares(pack, rows, read), mirrored)
    shape = read.crop.shape if _with_sizes(pack, rows) >= RARE else "fractions"
    return replace(read, crop=replace(read.crop, ignore=joined(read.crop.ignore, ignored), shape=shape))


def unlearnt(shares: NDArray[np.float64], mirrored: bool) -> list[str]:
    """Names of the joints whose share of the training frames (49) is too small to learn from."""
    learnt = np.maximum(shares, shares[list(MIRROR)]) if mirrored else shares
    return [name for name, share in zip(JOINTS, learnt, strict=True) if share < RARE]


def seen_shares(pack: Pack, rows: Indices, read: ReadConfig) -> NDArray[np.float64]:
    """Share of the frames with a hand in which each joint (49) was seen itself, no hand's wrist standing in for it."""
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:SAMPLE])
    seen, frames = np.zeros(len(JOINTS)), 0
    for first in range(0, len(sample), AT_ONCE):
        flat = pack.flat(sample[first : first + AT_ONCE])
        mine = (flat.score > 0) & (flat.score >= read.crop.min_score)
        shown = mine[mine[:, HANDS].any(axis=1)]
        seen += shown.sum(axis=0)
        frames += len(shown)
    shares: NDArray[np.float64] = seen / max(frames, 1)
    return shares


def remembered(about: Mapping[str, Any], mirrored: bool) -> tuple[tuple[str, ...], Shape]:
    """The same of a run of an earlier version, from the joint statistics that it kept: joints to ignore, and shape.

    These statistics count a hand's wrist as the trunk's where it stood in for it: a wrist of the trunk is taken to have
    been seen itself where that arm's elbow was.
    """
    joints = about.get("joints")
    if not isinstance(joints, Mapping) or set(joints) != set(JOINTS):
        return (), "pixels"
    shares = np.asarray([float(str(joints[name]).split()[4]) for name in JOINTS])
    for _, elbow, wrist in SHOULDER_ELBOW_WRIST.values():
        shares[wrist] = min(shares[wrist], shares[elbow])
    sizes = [pack.get("sizes") for pack in about.get("packs", []) if isinstance(pack, Mapping)]
    unsized = bool(sizes) and all(isinstance(one, Mapping) and set(one) == {"unknown"} for one in sizes)
    return tuple(unlearnt(shares, mirrored)), "fractions" if unsized else "pixels"


def _with_sizes(pack: Pack, rows: Indices) -> float:
    """Share of these rows whose image size is recorded."""
    return 1 - int(pack.table["width"].take(rows).null_count) / max(len(rows), 1)


def joined(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """Names of joints that are in either, in the layout's order."""
    names = {*one, *other}
    return tuple(name for name in JOINTS if name in names)
