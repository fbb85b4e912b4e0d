"""What is measured of every clip, batch by batch: checks read these few numbers per clip, never all poses at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.doctor.tracks import SIDES
from twinsign.pack.open import Indices
from twinsign.pose.layout import HAND_WRIST, HANDS, LEFT_HAND, RIGHT_HAND, SHOULDER_ELBOW_WRIST, TRUNK
from twinsign.pose.recording import BoolArray, FloatArray

HAND_PARTS = (RIGHT_HAND, LEFT_HAND)
JUMP = 0.3
"""Image fractions that a wrist moves between two frames: more is a jump (real signing stays below 0.2)."""
EXCHANGED = 0.5
"""Two hands have changed places where their crosswise movement is less than this share of the straight one."""
APART = 0.1
"""Image fractions that the wrists must be apart for such a change to be visible."""


class Measures(NamedTuple):
    """One number per clip (N); NaN where a clip does not show it. Lengths are image fractions, shares in [0, 1].

    right, left, trunk: frames that show the part; frozen: most frames in a row of a hand or trunk in which no joint
    moves; jumps: frames in which a wrist jumps; exchanges: frames in which the hands change places; crossed: share of
    frames in which the hands are nearer to the trunk's opposite wrists; turned: share in which the right shoulder is
    at the picture's right; handed: the right hand's share of both hands' travel; hand: median size of a hand;
    hand_to_body: the same over the shoulders' distance; outside: how far the farthest seen hand joint lies outside
    the picture; far: the same of any joint.
    """

    right: FloatArray
    left: FloatArray
    trunk: FloatArray
    frozen: FloatArray
    jumps: FloatArray
    exchanges: FloatArray
    crossed: FloatArray
    turned: FloatArray
    handed: FloatArray
    hand: FloatArray
    hand_to_body: FloatArray
    outside: FloatArray
    far: FloatArray


def measure(xy: FloatArray, seen: BoolArray, length: Indices) -> Measures:
    """Measures of clips xy (F 49 2), seen (F 49), length (B)."""
    clip = np.repeat(np.arange(len(length)), length)
    clips, frame = _ClipStatistics(clip, len(length)), np.arange(len(clip))
    before = np.maximum(frame - 1, 0)
    continues = (frame > 0) & (clip[before] == clip)
    wrists = [HAND_WRIST[side] for side in SIDES]
    wrist, wrist_seen = xy[:, wrists], seen[:, wrists]
    in_both = wrist_seen & wrist_seen[before] & continues[:, None]
    straight = np.linalg.norm(wrist - wrist[before], axis=2)
    across = np.linalg.norm(wrist[:, ::-1] - wrist[before], axis=2)
    distant = np.linalg.norm(wrist[before, 0] - wrist[before, 1], axis=1) > APART
    exchanged = in_both.all(axis=1) & distant & (across.sum(axis=1) < EXCHANGED * straight.sum(axis=1))
    step = np.where(in_both, straight, 0)
    travel = [clips.total(step[:, hand]) for hand in (0, 1)]
    frozen = []
    for part in (*HAND_PARTS, TRUNK):
        joints, joints_seen = xy[:, part], seen[:, part]
        stays = ((joints == joints[before]).all(axis=2) | ~joints_seen).all(axis=1) & joints_seen.any(axis=1)
        still = stays & (joints_seen == joints_seen[before]).all(axis=1) & continues
        moved = np.maximum.accumulate(np.where(still, 0, frame))
        frozen.append(clips.most(np.where(still, frame - moved + 1, 0).astype(np.float32)))
    shoulders = [SHOULDER_ELBOW_WRIST[side][0] for side in SIDES]
    right, left = (xy[:, joint] for joint in shoulders)
    shoulders_seen = seen[:, shoulders].all(axis=1)
    turned = np.where(shoulders_seen, (right[:, 0] > left[:, 0]).astype(np.float32), np.nan)
    width = clips.median(np.where(shoulders_seen, np.linalg.norm(right - left, axis=1), np.nan))
    size = np.max([_size(xy[:, part], seen[:, part]) for part in HAND_PARTS], axis=0)
    hand_seen = [seen[:, part].max(axis=1) for part in HAND_PARTS]
    outside = np.where(seen, np.maximum(np.abs(xy - 0.5).max(axis=2) - 0.5, 0), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Measures(
            right=clips.total(hand_seen[0]),
            left=clips.total(hand_seen[1]),
            trunk=clips.total(seen[:, TRUNK].max(axis=1)),
            frozen=np.maximum.reduce(frozen),
            jumps=clips.total((step > JUMP).max(axis=1)),
            exchanges=clips.total(exchanged),
            crossed=clips.mean(_crossed(xy, seen)),
            turned=clips.mean(turned),
            handed=(travel[0] / (travel[0] + travel[1])).astype(np.float32),
            hand=clips.median(size, seen[:, HANDS].max(axis=1)),
            hand_to_body=clips.median(size / np.repeat(width, length), seen[:, HANDS].max(axis=1)),
            outside=clips.most(outside[:, HANDS].max(axis=1)),
            far=clips.most(outside.max(axis=1)),
        )


class _ClipStatistics:
    """Sums, means and medians (B) over each clip's frames; `clip` (F) is each frame's clip, in order."""

    def __init__(self, clip: Indices, count: int) -> None:
        self.clip, self.count = clip, count

    def total(self, values: NDArray[Any]) -> FloatArray:
        return np.bincount(self.clip, weights=values.astype(np.float64), minlength=self.count).astype(np.float32)

    def mean(self, values: FloatArray) -> FloatArray:
        """Over finite values; NaN where there are none."""
        finite = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            return self.total(np.where(finite, values, 0)) / self.total(finite)

    def most(self, values: FloatArray) -> FloatArray:
        out = np.zeros(self.count, np.float32)
        np.maximum.at(out, self.clip, values)
        return out

    def median(self, values: FloatArray, where: BoolArray | bool = True) -> FloatArray:
        """Over finite values (the lower of the two middle ones); NaN where there are none."""
        finite = np.flatnonzero(np.isfinite(values) & where)
        order = finite[np.lexsort((values[finite], self.clip[finite]))]
        count = np.bincount(self.clip[order], minlength=self.count)
        out = np.full(self.count, np.nan, np.float32)
        some = count > 0
        out[some] = values[order][(np.cumsum(count) - count + (count - 1) // 2)[some]]
        return out


def _size(hand: FloatArray, seen: BoolArray) -> FloatArray:
    """The longer side of the box around a hand's seen joints (F 21 2), (F); 0 without any."""
    low = np.where(seen[..., None], hand, np.inf).min(axis=1)
    high = np.where(seen[..., None], hand, -np.inf).max(axis=1)
    return np.where(seen.any(axis=1), (high - low).max(axis=1), 0).astype(np.float32)


def _crossed(xy: FloatArray, seen: BoolArray) -> FloatArray:
    """1 where the hands are nearer to the trunk's opposite wrists, 0 where to their own, NaN where unseen, (F)."""
    hands = [HAND_WRIST[side] for side in SIDES]
    arms = [SHOULDER_ELBOW_WRIST[side][2] for side in SIDES]
    own, opposite = (
        np.where(seen[:, hands], np.linalg.norm(xy[:, hands] - xy[:, wrists], axis=2), 0).sum(axis=1)
        for wrists in (arms, arms[::-1])
    )
    visible = seen[:, arms].all(axis=1) & seen[:, hands].max(axis=1)
    distant = np.linalg.norm(xy[:, arms[0]] - xy[:, arms[1]], axis=1) > APART
    return np.where(visible & distant, (own > opposite).astype(np.float32), np.nan)
