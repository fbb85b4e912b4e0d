"""Configs of how clips are read, cropped, augmented and shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from twinsign.errors import InputError
from twinsign.pose.layout import (
    INDEX,
    JOINT_COUNT,
)

MOST = 64
"""Windows of a clip at most: each is a pass through the network."""

KINDS = ("rotation", "scale", "shear", "mask", "distort")
LACKS = ("all", "wrists", "below")
"""What a view may show of the trunk less than there is: nothing, the wrists alone, or what lies above a line."""
Around = Literal["centre", "corner"]

BRANCHES = ("joint", "motion")
"""The modalities there are."""


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
    """A missing trunk wrist takes the hand's wrist, so that hands-only corpora keep the hands' global movement."""
    hand_wrist_first: bool = False
    """With `wrist_from_hand`: the hand's wrist also takes the place of the trunk's own, wherever the hand is seen."""
    outside: float | None = 0.1
    """Trunk joints that lie further than this share of the image beyond its border are guesses of the estimator and
    count as unseen; None: they count. Of wrists whose hand is seen under 1 % lie further out, of others up to 40 %."""
    ignore: tuple[str, ...] = ()
    """Joints that the network never sees, by name. A run adds those that its training clips hardly ever show."""
    shape: Literal["pixels", "fractions"] = "pixels"
    """Boxes are square in pixels where the image size is known, or always in image fractions, upright images being
    placed in landscape ones first. A run whose training clips record no image sizes takes fractions, as it has learnt
    from nothing else."""

    def __post_init__(self) -> None:
        for name in self.ignore:
            if name not in INDEX:
                raise InputError(f"crop.ignore {name!r}", "names of joints (twinsign.pose.layout.JOINTS)")
        if self.outside is not None and self.outside < 0:
            raise InputError(f"crop.outside {self.outside}", "a share of 0 or more, or null")


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the random views; the paper names the kinds, not the ranges (paper, Sec. III-B; docs/paper.md)."""

    crop: tuple[float, float] = (0.5, 1.0)
    """Share of a clip kept by the temporal crop, drawn evenly between the two."""
    crop_frames: int = 1
    """Frames that the temporal crop keeps at least, where the clip has them (released: 32; fine-tuning: 64)."""
    rotation: float = 15.0
    """Largest rotation, degrees."""
    scale: float = 0.2
    """Scale factors are drawn from 1 - scale to 1 + scale."""
    shear: float = 0.0
    """Largest shear factor along either axis."""
    shift: float = 0.0
    """Largest shift of the trunk along either axis, as a share of the image, drawn for every view."""
    trunk: dict[str, float] | None = None
    """How probable it is that a view lacks the trunk (`all`), all of it but the wrists of seen hands (`wrists`), or
    what lies `below` a line in the picture's lower half, those wrists apart; at most one of them."""
    mask: float = 0.2
    """Largest share of joints masked throughout a view."""
    distort: float = 0.0
    """Largest entry, either way, of the matrix that takes the identity's place for some joints (released: 1)."""
    joints: int | None = None
    """How many joints `mask` and `distort` take (released: 25); None: a share from 0 to `mask`."""
    flip: float = 0.5
    """Probability of the left-right mirror."""
    swap: float = 0.0
    """Probability that the hands change places and the trunk stays as it is (released: 0.5, without `flip`)."""
    apply: float = 0.5
    """Probability of each of rotation, scale, shear, mask and distort: "a random combination" (paper, Sec. III-B)."""
    one_of: dict[str, float] | None = None
    """Instead of `apply`: kinds of which a view gets at most one, each with its probability (released)."""
    around: Around = "centre"
    """Fixed point of the matrices: each crop's centre, a left hand turning as its mirror image, or the crop's corner
    (0, 0), all stored numbers alike (released)."""

    @property
    def mirrors(self) -> bool:
        """Whether such views show the left side what the right one does, and the other way round."""
        return self.flip > 0 or self.swap > 0

    def __post_init__(self) -> None:
        shares = self.one_of or {}
        unknown = sorted(set(shares) - set(KINDS))
        if unknown:
            raise InputError(f"one_of.{unknown[0]}", f"kinds among {', '.join(KINDS)}")
        if min(shares.values(), default=0) < 0 or sum(shares.values()) > 1 + 1e-6:
            raise InputError(f"one_of = {shares}", "probabilities of 0 or more that add up to at most 1")
        self._check_trunk(self.trunk or {})
        if self.joints is not None and not 0 <= self.joints <= JOINT_COUNT:
            raise InputError(f"joints = {self.joints}", f"0 to {JOINT_COUNT}")

    def _check_trunk(self, shares: dict[str, float]) -> None:
        unknown = sorted(set(shares) - set(LACKS))
        if unknown or min(shares.values(), default=0) < 0 or sum(shares.values()) > 1 + 1e-6:
            wanted = f"probabilities of {', '.join(LACKS)} that add up to at most 1"
            raise InputError(f"trunk = {shares}", wanted)


@dataclass(frozen=True)
class ReadConfig:
    """How poses are read: crop, and which frames count."""

    crop: CropConfig = field(default_factory=CropConfig)
    idle: Literal["trim", "drop", "keep"] = "trim"
    """Frames without a hand: trimmed at both ends and masked inside, or all dropped (released)."""
    active: Literal["box", "joint"] = "box"
    """What makes a frame one with a hand: a box, for which a surely seen arm is enough (released), or a seen joint of a
    hand, so that frames with hands hanging out of sight are idle whether or not the body is seen."""
    longest: int | None = None
    """Clips of more frames are strided down; None: never (released: 150)."""


@dataclass(frozen=True)
class WindowConfig:
    """The views of a clip when nothing is drawn; their features are averaged."""

    share: float = 0.95
    """How much of a clip each shows (released: 0.95)."""
    count: int = 1
    """How many there are, from a clip's first frame to its last (released: the middle alone)."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"windows.share {self.share}", "a share in (0, 1]")
        if not 1 <= self.count <= MOST:
            raise InputError(f"windows.count {self.count}", f"1 to {MOST}")
