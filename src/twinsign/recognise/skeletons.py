"""Clips drawn as skeletons: right hand, left hand and trunk each in its colour, unseen joints left out."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import ArrayLike, NDArray

from twinsign.errors import InputError
from twinsign.pose.layout import BONES, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK

PARTS = {
    "trunk": (TRUNK, "#7a7a7a", 1.6),
    "left hand": (LEFT_HAND, "#0072B2", 1.0),
    "right hand": (RIGHT_HAND, "#D55E00", 1.0),
}
"""Each part's joints, colour and line width in points, in the order of drawing."""
_MARGIN = 0.06


def draw_skeleton(axes: Axes, xy: ArrayLike, seen: ArrayLike) -> None:
    """Draw one frame: xy (49 2) in any unit of equal length both ways, seen (49); a bone needs both its ends (ours)."""
    points, found = np.asarray(xy, np.float32), np.asarray(seen, bool)
    for name, (joints, colour, width) in PARTS.items():
        own = range(joints.start, joints.stop)
        bones = [points[[a, b]] for a, b in BONES if a in own and b in own and found[a] and found[b]]
        axes.add_collection(LineCollection(bones, colors=colour, linewidths=width, label=f"{name} bones"))
        dots = points[joints][found[joints]]
        axes.scatter(dots[:, 0], dots[:, 1], s=4 * width, color=colour, linewidth=0, label=f"{name} joints", zorder=2)


def skeleton_strip(xy: ArrayLike, seen: ArrayLike, size: tuple[int, int] | None = None, frames: int = 6) -> Figure:
    """A strip of up to `frames` frames of a clip, evenly spread over those in which a joint is seen (ours).

    xy (T 49 2) in image fractions, seen (T 49), size (width, height) in pixels; a square image where it is None.
    Raises InputError where the shapes disagree.
    """
    points, found = np.asarray(xy, np.float32), np.asarray(seen, bool)
    if points.ndim != 3 or points.shape[1:] != (JOINT_COUNT, 2) or found.shape != points.shape[:2]:
        raise InputError(f"shapes {points.shape}, {found.shape}", f"(T, {JOINT_COUNT}, 2) and (T, {JOINT_COUNT})")
    width, height = size or (1, 1)
    points = points * np.array([width / max(width, height), height / max(width, height)], np.float32)
    drawable = np.flatnonzero(found.any(axis=1))
    if not len(drawable):
        figure = Figure(figsize=(4, 0.8))
        figure.text(0.5, 0.5, "no joint seen in this clip", ha="center", va="center")
        return figure
    chosen = drawable[np.unique(np.linspace(0, len(drawable) - 1, frames).round().astype(int))]
    low, high = _limits(points[found])
    shape = (high - low)[1] / (high - low)[0]
    figure = Figure(figsize=(1.6 * len(chosen), 0.3 + 1.6 * float(np.clip(shape, 0.4, 2.2))), layout=_tight())
    for number, frame in enumerate(chosen, 1):
        axes = figure.add_subplot(1, len(chosen), number)
        draw_skeleton(axes, points[frame], found[frame])
        axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[], aspect="equal")
        axes.spines[:].set_color("#d0d0d0")
        axes.set_title(f"frame {frame + 1} of {len(points)}", fontsize=8, color="#444444")
    return figure


def _tight() -> ConstrainedLayoutEngine:
    return ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)


def _limits(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corners (2) and (2) of a box around points (N 2): a margin, and no side under a fifth of the other."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = (high - low).max() or np.float32(1)
    half = np.maximum((high - low) / 2, side / 10) + _MARGIN * side
    return (low + high) / 2 - half, (low + high) / 2 + half
