"""What is measured of every clip, batch by batch: all checks look at these few numbers a clip, never at all poses."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.pack.open import Indices
from twinsign.pose.layout import HAND_WRIST, HANDS, LEFT_HAND, RIGHT_HAND, SHOULDER_ELBOW_WRIST, TRUNK
from twinsign.pose.recording import BoolArray, FloatArray

HAND_SLICES = {"right": RIGHT_HAND, "left": LEFT_HAND}
PARTS = (*HAND_SLICES.values(), TRUNK)
JUMP = 0.3
"""Image fractions a wrist moves from one frame to the next: more is a jump (real signing stays below 0.2)."""
EXCHANGED = 0.5
"""Two hands have changed places where crosswise they moved less than this share of what they moved straight."""
APART = 0.1
"""Image fractions that the wrists must be apart for such a change to be told."""


class Measures(NamedTuple):
    """One number a clip (N); NaN where a clip does not show it. Lengths are image fractions, shares in [0, 1].

    right, left, trunk: frames that show the part; frozen: most frames in a row of a hand or trunk in which no joint
    moves; jumps: frames in which a wrist jumps; exchanges: frames in which the hands change places; crossed: share of
    frames in which the hands are nearer to the trunk's other wrists; turned: share in which the right shoulder is
    at the picture's right; handed: the right hand's share of both hands' travel; hand:
    median size of a hand; hand_to_body: the same over the shoulders' distance; outside: farthest seen hand joint
    outside the picture; far: the farthest of any joint.
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
    clip = _Clips(np.repeat(np.arange(len(length)), length), len(length))
    wrists = [HAND_WRIST[side] for side in HAND_SLICES]
    shown: BoolArray = np.stack([seen[:, part].any(axis=1) for part in HAND_SLICES.values()], axis=1)
    wrist, found = xy[:, wrists], seen[:, wrists]
    sizes = np.stack([_size(xy[:, part], seen[:, part]) for part in HAND_SLICES.values()], axis=1)
    step = _steps(wrist, found, clip.of)
    jumped = (np.nan_to_num(step) > JUMP).max(axis=1)
    travel = [clip.total(np.nan_to_num(step[:, hand])) for hand in (0, 1)]
    shoulders, width = _shoulders(xy, seen)
    body = np.repeat(clip.median(width), length)
    out = np.where(seen, np.maximum(np.abs(xy - 0.5).max(axis=2) - 0.5, 0), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        handed = travel[0] / (travel[0] + travel[1])
        to_body = clip.median(np.nanmax(np.where(shown, sizes, 0), axis=1) / body, shown.max(axis=1))
    return Measures(
        clip.total(shown[:, 0]),
        clip.total(shown[:, 1]),
        clip.total(seen[:, TRUNK].max(axis=1)),
        np.maximum.reduce([_longest(_still(xy[:, part], seen[:, part], clip.of), clip) for part in PARTS]),
        clip.total(jumped),
        clip.total(_exchanged(wrist, found, clip.of)),
        clip.mean(_crossed(xy, seen)),
        clip.mean(shoulders),
        handed.astype(np.float32),
        clip.median(sizes.max(axis=1), shown.max(axis=1)),
        to_body,
        clip.most(out[:, HANDS].max(axis=1)),
        clip.most(out.max(axis=1)),
    )


class _Clips:
    """Sums, means and medians over each clip's frames; `of` (F) is each frame's clip, in order."""

    def __init__(self, of: Indices, count: int) -> None:
        self.of, self.count = of, count

    def total(self, values: NDArray[Any]) -> FloatArray:
        return np.bincount(self.of, weights=values.astype(np.float64), minlength=self.count).astype(np.float32)

    def mean(self, values: FloatArray) -> FloatArray:
        """Over finite values; NaN where there is none."""
        known = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            return self.total(np.where(known, values, 0)) / self.total(known)

    def most(self, values: FloatArray) -> FloatArray:
        out = np.zeros(self.count, np.float32)
        np.maximum.at(out, self.of, values)
        return out

    def median(self, values: FloatArray, where: BoolArray | None = None) -> FloatArray:
        """Over finite values (the lower of the two middle ones); NaN where there is none."""
        known = np.flatnonzero(np.isfinite(values) if where is None else np.isfinite(values) & where)
        order = known[np.lexsort((values[known], self.of[known]))]
        count = np.bincount(self.of[order], minlength=self.count)
        out = np.full(self.count, np.nan, np.float32)
        some = count > 0
        out[some] = values[order][(np.cumsum(count) - count + (count - 1) // 2)[some]]
        return out


def _size(hand: FloatArray, seen: BoolArray) -> FloatArray:
    """The longer side of the box around a hand's seen joints (F 21 2), (F); 0 without any."""
    low = np.where(seen[..., None], hand, np.inf).min(axis=1)
    high = np.where(seen[..., None], hand, -np.inf).max(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(seen.any(axis=1), (high - low).max(axis=1), 0).astype(np.float32)


def _steps(points: FloatArray, seen: BoolArray, clip: Indices) -> FloatArray:
    """How far each of points (F K 2) moved since the frame before, (F K); NaN where either frame lacks it."""
    out = np.full(seen.shape, np.nan, np.float32)
    both = seen[1:] & seen[:-1] & (clip[1:] == clip[:-1])[:, None]
    out[1:] = np.where(both, np.linalg.norm(points[1:] - points[:-1], axis=2), np.nan)
    return out


def _still(hand: FloatArray, seen: BoolArray, clip: Indices) -> BoolArray:
    """Frames (F) in which a hand is seen and every joint is exactly where it was in the frame before."""
    out = np.zeros(len(seen), bool)
    same = ((hand[1:] == hand[:-1]).all(axis=2) | ~seen[1:]).all(axis=1) & (seen[1:] == seen[:-1]).all(axis=1)
    out[1:] = same & seen[1:].any(axis=1) & (clip[1:] == clip[:-1])
    return out


def _longest(still: BoolArray, clip: _Clips) -> FloatArray:
    """Frames of the longest stretch that stays the same, 0 where nothing ever does."""
    frame = np.arange(len(still))
    moved = np.maximum.accumulate(np.where(still, 0, frame))
    return clip.most(np.where(still, frame - moved + 1, 0).astype(np.float32))


def _exchanged(wrist: FloatArray, seen: BoolArray, clip: Indices) -> BoolArray:
    """Frames (F) in which the two hands have changed places since the frame before."""
    out = np.zeros(len(seen), bool)
    before, after = wrist[:-1], wrist[1:]
    straight = np.linalg.norm(after - before, axis=2).sum(axis=1)
    across = np.linalg.norm(after[:, ::-1] - before, axis=2).sum(axis=1)
    apart = np.linalg.norm(before[:, 0] - before[:, 1], axis=1) > APART
    both = seen[1:].all(axis=1) & seen[:-1].all(axis=1) & (clip[1:] == clip[:-1])
    out[1:] = both & apart & (across < EXCHANGED * straight)
    return out


def _crossed(xy: FloatArray, seen: BoolArray) -> FloatArray:
    """1 where the hands are nearer to the trunk's other wrists, 0 where to their own, NaN where that is not seen."""
    hands = [HAND_WRIST[side] for side in HAND_SLICES]
    arms = [SHOULDER_ELBOW_WRIST[side][2] for side in HAND_SLICES]
    own = np.linalg.norm(xy[:, hands] - xy[:, arms], axis=2)
    other = np.linalg.norm(xy[:, hands] - xy[:, arms[::-1]], axis=2)
    hand_seen = seen[:, hands]
    known = seen[:, arms].all(axis=1) & hand_seen.any(axis=1)
    apart = np.linalg.norm(xy[:, arms[0]] - xy[:, arms[1]], axis=1) > APART
    vote = (np.where(hand_seen, own, 0).sum(axis=1) > np.where(hand_seen, other, 0).sum(axis=1)).astype(np.float32)
    return np.where(known & apart, vote, np.nan)


def _shoulders(xy: FloatArray, seen: BoolArray) -> tuple[FloatArray, FloatArray]:
    """1 where the right shoulder is at the picture's right, 0 at its left, and the shoulders' distance; else NaN."""
    right, left = SHOULDER_ELBOW_WRIST["right"][0], SHOULDER_ELBOW_WRIST["left"][0]
    known = seen[:, right] & seen[:, left]
    side = np.where(known, (xy[:, right, 0] > xy[:, left, 0]).astype(np.float32), np.nan)
    return side, np.where(known, np.linalg.norm(xy[:, right] - xy[:, left], axis=1), np.nan)
