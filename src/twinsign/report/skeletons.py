"""Clips drawn as skeletons: right hand, left hand and trunk each in its colour, unseen joints left out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from twinsign.errors import InputError
from twinsign.pose.layout import BONES, HANDS, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.report.figures import plain

PARTS = {
    "trunk": (TRUNK, "#7a7a7a", 1.6),
    "left hand": (LEFT_HAND, "#0072B2", 1.0),
    "right hand": (RIGHT_HAND, "#D55E00", 1.0),
}
"""Each part's joints, colour and line width in points, in the order of drawing."""
_MARGIN = 0.06
_GAP, _SECOND_BOX = 0.05, 0.5
"""Between a view's trunk and the hands' boxes beneath it, and the left edge of the second box."""
_GIF_DPI = 100
_SHADES = 16
_SHORTEST_WAIT = 20
"""Milliseconds a frame of a GIF: browsers slow shorter ones down."""


def draw_skeleton(axes: Axes, xy: ArrayLike, seen: ArrayLike) -> None:
    """Draw one frame: xy (49 2) in any unit of equal length both ways, seen (49); a bone needs both its ends."""
    points, found = np.asarray(xy, np.float32), np.asarray(seen, bool)
    for name, (joints, colour, width) in PARTS.items():
        own = range(joints.start, joints.stop)
        bones = [points[[a, b]] for a, b in BONES if a in own and b in own and found[a] and found[b]]
        axes.add_collection(LineCollection(bones, colors=colour, linewidths=width, label=f"{name} bones"))
        dots = points[joints][found[joints]]
        axes.scatter(dots[:, 0], dots[:, 1], s=4 * width, color=colour, linewidth=0, label=f"{name} joints", zorder=2)


@dataclass(frozen=True)
class Panel:
    """A clip ready to draw: points (T 49 2) in one unit both ways, seen (T 49), and boxes (x, y, side) behind it."""

    title: str
    points: NDArray[np.float32]
    seen: NDArray[np.bool_]
    boxes: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        frames = len(self.points)
        if self.points.shape != (frames, JOINT_COUNT, 2) or self.seen.shape != (frames, JOINT_COUNT):
            wanted = f"(T, {JOINT_COUNT}, 2) and (T, {JOINT_COUNT})"
            raise InputError(f"shapes {self.points.shape}, {self.seen.shape}", wanted)

    @property
    def drawable(self) -> NDArray[np.int64]:
        """The frames in which a joint is seen."""
        return np.flatnonzero(self.seen.any(axis=1))

    def spread(self, count: int) -> NDArray[np.int64]:
        """Up to `count` of the drawable frames, evenly spread."""
        frames = self.drawable
        places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
        found: NDArray[np.int64] = frames[places]
        return found

    def limits(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Corners (2) and (2) of a box around all seen joints and boxes, with a margin."""
        corners = [((x, y), (x + side, y + side)) for x, y, side in self.boxes]
        return _limits(np.concatenate([self.points[self.seen], *(np.asarray(one, np.float32) for one in corners)]))

    def shape(self) -> float:
        """Height over width of a frame, kept within what can be looked at."""
        low, high = self.limits()
        return float(np.clip((high - low)[1] / (high - low)[0], 0.4, 2.2))


def clip_panel(xy: ArrayLike, seen: ArrayLike, size: tuple[int, int] | None = None, title: str = "") -> Panel:
    """A clip as its camera saw it: xy (T 49 2) in image fractions, size (width, height) or None: a square image."""
    width, height = size or (1, 1)
    shape = np.array([width, height], np.float32) / max(width, height)
    panel = Panel(title, np.asarray(xy, np.float32), np.asarray(seen, bool))
    return replace(panel, points=(panel.points * shape).astype(np.float32))


def view_panel(xy: ArrayLike, seen: ArrayLike, title: str = "") -> Panel:
    """What an encoder sees, crop coordinates xy (T 49 2): the trunk above, beneath it the hands' boxes side by side.

    The right hand's box stands at the left, as the signer faces the camera, and the left hand is mirrored back.
    """
    panel = Panel(title, np.array(xy, np.float32), np.asarray(seen, bool))
    points = panel.points
    points[:, LEFT_HAND, 0] = 1 - points[:, LEFT_HAND, 0]
    points[:, HANDS] /= 2
    lowest = points[:, TRUNK, 1][panel.seen[:, TRUNK]].max(initial=1.0)
    top = float(lowest) + _GAP  # a trunk may leave its image, as arms that hang down do
    for hand, left in ((RIGHT_HAND, 0.0), (LEFT_HAND, _SECOND_BOX)):
        points[:, hand] += np.array([left, top], np.float32)
    boxes = ((0.0, 0.0, 1.0), (0.0, top, 0.5), (_SECOND_BOX, top, 0.5))
    return replace(panel, boxes=boxes)


def skeleton_strip(xy: ArrayLike, seen: ArrayLike, size: tuple[int, int] | None = None, frames: int = 6) -> Figure:
    """A strip of up to `frames` frames of a clip, evenly spread over those in which a joint is seen.

    xy (T 49 2) in image fractions, seen (T 49), size (width, height) in pixels; a square image where it is None.
    Raises InputError where the shapes disagree.
    """
    return strips([clip_panel(xy, seen, size)], frames)


def strips(panels: Sequence[Panel], frames: int = 6) -> Figure:
    """Panels under each other, each a strip of up to `frames` frames spread over those in which a joint is seen.

    A panel's title stands before the first frame's number.
    """
    rows = [panel for panel in panels if len(panel.drawable)]
    if not rows:
        return _nothing()
    columns = min(frames, max(len(panel.drawable) for panel in rows))
    heights = [1.6 * panel.shape() + 0.3 + 0.25 * bool(panel.title) for panel in rows]
    figure = Figure(figsize=(1.6 * columns, sum(heights)), layout=_tight())
    parts = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, panel in zip(parts, rows, strict=True):
        if panel.title:
            part.suptitle(plain(panel.title, 18 * columns), x=0.01, ha="left", fontsize=9)
        for column, frame in enumerate(panel.spread(columns), 1):
            draw_frame(part.add_subplot(1, columns, column), panel, int(frame))
    if any(panel.title for panel in rows):
        add_legend(figure)
    return figure


def draw_panel(axes: Axes, panel: Panel, frame: int) -> None:
    """Draw one frame of a panel within the limits of the whole clip."""
    low, high = panel.limits()
    for x, y, side in panel.boxes:
        axes.add_patch(Rectangle((x, y), side, side, facecolor="none", edgecolor="#d0d0d0", linewidth=0.6))
    draw_skeleton(axes, panel.points[frame], panel.seen[frame])
    axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_color("#d0d0d0")
    axes.spines[:].set_visible(not panel.boxes)


def draw_frame(axes: Axes, panel: Panel, frame: int) -> None:
    """Draw one frame of a panel under its number."""
    draw_panel(axes, panel, frame)
    axes.set_title(f"frame {frame + 1} of {len(panel.points)}", fontsize=8, color="#444444")


def moving(panels: Sequence[Panel], fps: float = 25.0) -> bytes:
    """The panels side by side as an animated GIF, frame by frame; a shorter one rests on its last frame."""
    rows = [panel for panel in panels if len(panel.drawable)]
    if not rows:
        return _gif([_picture(_nothing())], fps)
    figure = Figure(figsize=(3.2 * len(rows), 3.2 * max(panel.shape() for panel in rows) + 0.7), layout=_tight())
    images = []
    plots = [figure.add_subplot(1, len(rows), place) for place in range(1, len(rows) + 1)]
    add_legend(figure)
    for number in range(max(len(panel.points) for panel in rows)):
        for axes, panel in zip(plots, rows, strict=True):
            axes.clear()
            frame = min(number, len(panel.points) - 1)
            draw_panel(axes, panel, frame)
            title = f"{plain(panel.title, 38)}\nframe {frame + 1} of {len(panel.points)}"
            axes.set_title(title, fontsize=8, color="#444444", loc="left")
        images.append(_picture(figure))
    return _gif(images, fps)


def _picture(figure: Figure) -> Image.Image:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_GIF_DPI)
    return Image.open(stream).convert("RGB").quantize(palette=_palette(), dither=Image.Dither.NONE)


def _palette() -> Image.Image:
    """Shades from white to black and to each part's colour: a palette of a frame's own would drop a rare colour."""
    ends = np.array([to_rgb(colour) for colour in ("black", *(colour for _, colour, _ in PARTS.values()))])
    steps = np.linspace(0, 1, _SHADES)[:, None, None]
    shades = np.round(255 * (1 + steps * (ends - 1))).astype(np.uint8)
    found = Image.new("P", (1, 1))
    found.putpalette(shades.tobytes())
    return found


def _gif(images: list[Image.Image], fps: float) -> bytes:
    stream = io.BytesIO()
    wait = max(_SHORTEST_WAIT, 10 * round(100 / fps))
    images[0].save(stream, "GIF", save_all=True, append_images=images[1:], duration=wait, loop=0)
    return stream.getvalue()


def add_legend(
    figure: Figure,
    loc: Literal["outside lower center", "lower center"] = "outside lower center",
    extra: Sequence[Line2D] = (),
) -> None:
    """The three parts' colours, and perhaps more, in a line under the picture."""
    lines = [
        Line2D([], [], color=colour, linewidth=2 * width, label=name) for name, (_, colour, width) in PARTS.items()
    ]
    about = {"fontsize": 8, "frameon": False, "columnspacing": 1.2, "handlelength": 1.4}
    figure.legend(handles=[*lines, *extra], loc=loc, ncols=len(PARTS) + len(extra), **about)


def _nothing() -> Figure:
    figure = Figure(figsize=(4, 0.8))
    figure.text(0.5, 0.5, "no joint seen in this clip", ha="center", va="center")
    return figure


def _tight() -> ConstrainedLayoutEngine:
    return ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)


def _limits(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corners (2) and (2) of a box around points (N 2): a margin, and no side under a fifth of the other."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = (high - low).max() or np.float32(1)
    half = np.maximum((high - low) / 2, side / 10) + _MARGIN * side
    return (low + high) / 2 - half, (low + high) / 2 + half
