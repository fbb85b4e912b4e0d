"""Configs of how clips are read, cropped, augmented and cut into windows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from twinsign.errors import InputError
from twinsign.pose.layout import INDEX, JOINT_COUNT

MAX_WINDOWS = 64
"""Largest number of windows of a clip, each of which is a pass through the network."""
SPATIAL_KINDS = ("rotation", "scale", "shear", "mask", "distort")
"""Kinds of spatial augmentation."""
TRUNK_DROPS = ("all", "wrists", "below")
"""What a view may hide of the trunk: all of it, all but the wrists, or what lies below a line."""
Around = Literal["centre", "corner"]
BRANCHES = ("joint", "motion")
"""The modalities."""


@dataclass(frozen=True)
class CropConfig:
    """How hands are boxed and which joints count as seen; scores matter where the pack has them."""

    min_score: float = 0.5
    """Joints below this score are missing; 0.5 for MSASL and WLASL, 0.4 elsewhere (released)."""
    box_score: float = 0.1
    """Joints above this score determine the hand's box (released)."""
    box_margin: float = 2.2
    """Ratio of the square box's side to the larger of width and height of the hand's joints (released)."""
    box_joints: int = 10
    """Number of joints below which the box comes from the arm (released)."""
    arm_score: float = 0.8
    """Shoulder, elbow and wrist must reach this score for a box from the arm (released; 0.5 for SLR500, NMFs_CSL)."""
    arm_reach: float = 0.33
    """Centre of the arm's box: wrist + arm_reach * (wrist - elbow) (released)."""
    arm_side: float = 1.1
    """Ratio of the side of the arm's box to the longer of forearm and `upper_arm` of the upper arm (released)."""
    upper_arm: float = 0.9
    """Factor of the upper arm's length in the arm's box (released)."""
    keep_inside: bool = True
    """Shift boxes to stay inside the image where they fit (released)."""
    wrist_from_hand: bool = True
    """Replace a missing trunk wrist by the hand's wrist, which carries the hands' global movement."""
    hand_wrist_first: bool = False
    """With `wrist_from_hand`: replace the trunk's own wrist too, wherever the hand is seen."""
    outside: float | None = 0.1
    """Trunk joints further than this share of the image beyond its border are guesses of the estimator and count as
    unseen; None: they count. Less than 1 % of wrists whose hand is seen lie further out, up to 40 % of others."""
    ignore: tuple[str, ...] = ()
    """Names of joints that the network never sees. A run adds those that its training clips hardly ever show."""
    shape: Literal["pixels", "fractions"] = "pixels"
    """Whether boxes are square in pixels, where the image size is known, or always in image fractions, with upright
    images placed in landscape ones first. A run whose training clips record no image sizes takes fractions, since it
    has learnt from nothing else."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.ignore if name not in INDEX]
        if unknown:
            raise InputError(f"crop.ignore {unknown[0]!r}", "names of joints (twinsign.pose.layout.JOINTS)")
        if self.outside is not None and self.outside < 0:
            raise InputError(f"crop.outside {self.outside}", "a share of 0 or more, or null")


@dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the random views; the paper states the kinds, not the ranges (paper, Sec. III-B; docs/paper.md)."""

    crop: tuple[float, float] = (0.5, 1.0)
    """Range of the share of a clip that the temporal crop keeps, drawn uniformly."""
    crop_frames: int = 1
    """Fewest frames that the temporal crop keeps, where the clip has as many (released: 32; fine-tuning: 64)."""
    rotation: float = 15.0
    """Largest rotation, degrees."""
    scale: float = 0.2
    """Scale factors are drawn from 1 - scale to 1 + scale."""
    shear: float = 0.0
    """Largest shear factor along either axis."""
    shift: float = 0.0
    """Largest shift of the trunk along either axis, as a share of the image, drawn for every view."""
    trunk: dict[str, float] | None = None
    """Probabilities that a view lacks the trunk (`all`), all of it but the wrists of seen hands (`wrists`), or all but
    those wrists `below` a line in the picture's lower half; at most one of these happens."""
    mask: float = 0.2
    """Largest share of joints masked throughout a view."""
    distort: float = 0.0
    """Largest absolute entry of the matrix that some joints get in place of the others' (released: 1)."""
    joints: int | None = None
    """Number of joints that `mask` and `distort` affect (released: 25); None: a share from 0 to `mask`."""
    flip: float = 0.5
    """Probability of the left-right mirror."""
    swap: float = 0.0
    """Probability that the hands change places while the trunk stays (released: 0.5, without `flip`)."""
    apply: float = 0.5
    """Probability of each of rotation, scale, shear, mask and distort: "a random combination" (paper, Sec. III-B)."""
    one_of: dict[str, float] | None = None
    """In place of `apply`: probability of each kind, of which a view then gets at most one (released)."""
    around: Around = "centre"
    """Fixed point of the matrices: each crop's centre, where a left hand turns as the mirror image that it is, or the
    crop's corner (0, 0), for all stored numbers alike (released)."""

    @property
    def mirrors(self) -> bool:
        """Whether views may show the left side as the right one and the right as the left."""
        return self.flip > 0 or self.swap > 0

    def __post_init__(self) -> None:
        for name, shares, kinds in (("one_of", self.one_of, SPATIAL_KINDS), ("trunk", self.trunk, TRUNK_DROPS)):
            values = (shares or {}).values()
            if not set(shares or ()) <= set(kinds) or min(values, default=0) < 0 or sum(values) > 1 + 1e-6:
                wanted = f"probabilities of {', '.join(kinds)} that add up to at most 1"
                raise InputError(f"{name} = {shares}", wanted)
        if self.joints is not None and not 0 <= self.joints <= JOINT_COUNT:
            raise InputError(f"joints = {self.joints}", f"0 to {JOINT_COUNT}")


@dataclass(frozen=True)
class ReadConfig:
    """How poses are read: the crop, and which frames are kept."""

    crop: CropConfig = field(default_factory=CropConfig)
    idle: Literal["trim", "drop", "keep"] = "trim"
    """Frames without a hand: trim them at both ends and mask them inside, drop all (released), or keep them."""
    active: Literal["box", "joint"] = "box"
    """What counts as a hand: a box, for which an arm of high score is enough (released), or a seen joint of a hand, so
    that frames with hands out of sight are idle whether or not the body is seen."""
    longest: int | None = None
    """Number of frames above which clips are strided; None: never (released: 150)."""


@dataclass(frozen=True)
class WindowConfig:
    """The views of a clip outside training, where nothing is random; their features are averaged."""

    share: float = 0.95
    """Share of a clip that each window shows (released: 0.95)."""
    count: int = 1
    """Number of windows, spread from a clip's first frame to its last (released: 1, in the middle)."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(f"windows.share {self.share}", "a share in (0, 1]")
        if not 1 <= self.count <= MAX_WINDOWS:
            raise InputError(f"windows.count {self.count}", f"1 to {MAX_WINDOWS}")
