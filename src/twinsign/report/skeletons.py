"""Clips drawn as skeletons: right hand, left hand and trunk each in its colour, unseen joints left out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
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
from twinsign.pack.open import Pack
from twinsign.pose.layout import BONES, HANDS, JOINT_COUNT, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.recording import Recording
from twinsign.report.figures import label_text
from twinsign.runs.recipe import Recipe
from twinsign.views.augment import random_view
from twinsign.views.batches import collate_recordings, seeded_generator

PARTS = {
    "trunk": (TRUNK, "#7a7a7a", 1.6),
    "left hand": (LEFT_HAND, "#0072B2", 1.0),
    "right hand": (RIGHT_HAND, "#D55E00", 1.0),
}
"""Each part's joints, colour and line width in points, in the order of drawing."""
NOTHING_SEEN = "no joint seen in this clip"
Align = Literal["center", "left"]
_MARGIN = 0.06
_GAP, _SECOND_BOX = 0.05, 0.5
"""Between a view's trunk and the hands' boxes beneath it, and the left edge of the second box."""


def draw_skeleton(axes: Axes, xy: ArrayLike, seen: ArrayLike) -> None:
    """Draw one frame: xy (49 2) in any unit of equal length both ways, seen (49); a bone needs both its ends."""
    points, shown = np.asarray(xy, np.float32), np.asarray(seen, bool)
    for name, (joints, colour, width) in PARTS.items():
        part = range(joints.start, joints.stop)
        bones = [points[[a, b]] for a, b in BONES if a in part and b in part and shown[a] and shown[b]]
        axes.add_collection(LineCollection(bones, colors=colour, linewidths=width, label=f"{name} bones"))
        dots = points[joints][shown[joints]]
        axes.scatter(dots[:, 0], dots[:, 1], s=4 * width, color=colour, linewidth=0, label=f"{name} joints", zorder=2)


def draw(recording: Recording, frames: int = 8) -> Figure:
    """Draw up to `frames` frames of a recording side by side, evenly spread over the time in which joints are seen."""
    clip = recording.fractions()
    return draw_strips([clip_panel(clip.xy, clip.seen, clip.size, clip.id)], frames)


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

    def spread(self, count: int) -> list[int]:
        """Up to `count` of the drawable frames, evenly spread."""
        frames = self.drawable
        places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
        return [int(frame) for frame in frames[places]]

    def limits(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Corners (2) and (2) of a box around all seen joints and boxes: a margin, no side under 1/5 of the other."""
        corners = [np.asarray(((x, y), (x + side, y + side)), np.float32) for x, y, side in self.boxes]
        points = np.concatenate([self.points[self.seen], *corners])
        low, high = points.min(axis=0), points.max(axis=0)
        side = (high - low).max() or np.float32(1)
        half = np.maximum((high - low) / 2, side / 10) + _MARGIN * side
        return (low + high) / 2 - half, (low + high) / 2 + half

    def shape(self) -> float:
        """Height over width of a frame, clipped to [0.4, 2.2]."""
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


def find_row(pack: Pack, id: str | None, index: int | None) -> int:
    """The row of a clip by id or by index; InputError lists similar ids, or how many clips there are."""
    if (id is None) == (index is None):
        raise InputError("an id and an index" if id is not None else "neither id nor index", "one of them")
    if index is not None:
        if not 0 <= index < len(pack):
            raise InputError(f"index {index}", f"0 to {len(pack) - 1}", file=pack.paths[0])
        return index
    ids: list[str] = pack.column("id")
    if id not in ids:
        near = [name for name in ids if str(id).lower() in name.lower()][:8]
        near = near or get_close_matches(str(id), ids, 8, 0.5)
        hint = f"Near: {', '.join(near)}." if near else f"The first: {', '.join(ids[:8])}."
        raise InputError(f"no clip {id!r}", f"one of {len(ids)} ids", file=pack.paths[0], hint=hint)
    return ids.index(id)


def load_panels(pack: Pack, row: int, recipe: Recipe, views: int = 0, seed: int = 0) -> list[Panel]:
    """The panel of a recorded clip, or panels of `views` random views of it, drawn as in pre-training."""
    recording = pack.recording(row)
    about = [pack.table[name][row].as_py() for name in ("gloss", "split")]
    title = ", ".join([recording.id, *filter(None, about)])
    if not views:
        return [clip_panel(recording.xy, recording.seen, recording.size, title)]
    clips, generator = collate_recordings([recording], recipe.read), seeded_generator(seed, row)
    drawn = [random_view(clips, recipe.pretrain.augment, recipe.pretrain.frames, generator) for _ in range(views)]
    return [view_panel(xy[0].numpy(), seen[0].numpy(), f"view {n} of {title}") for n, (xy, seen) in enumerate(drawn, 1)]


def skeleton_strip(xy: ArrayLike, seen: ArrayLike, size: tuple[int, int] | None = None, frames: int = 6) -> Figure:
    """`draw_strips` of one clip: xy (T 49 2) in image fractions, seen (T 49), size (width, height) or None: square."""
    return draw_strips([clip_panel(xy, seen, size)], frames)


def draw_strips(clips: Sequence[Panel], frames: int = 6) -> Figure:
    """Clips under each other, each a strip of up to `frames` frames spread over those in which a joint is seen.

    Titles stand above the strips.
    """
    rows = [panel for panel in clips if len(panel.drawable)]
    if not rows:
        return _nothing()
    columns = min(frames, max(len(panel.drawable) for panel in rows))
    heights = [1.6 * panel.shape() + 0.3 + 0.25 * bool(panel.title) for panel in rows]
    figure = Figure(figsize=(1.6 * columns, sum(heights)), layout=_tight())
    subfigures = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    for subfigure, panel in zip(subfigures, rows, strict=True):
        if panel.title:
            subfigure.suptitle(label_text(panel.title, 18 * columns), x=0.01, ha="left", fontsize=9)
        for column, frame in enumerate(panel.spread(columns), 1):
            draw_frame(subfigure.add_subplot(1, columns, column), panel, frame)
    if any(panel.title for panel in rows):
        add_legend(figure)
    return figure


def draw_frame(
    axes: Axes, panel: Panel, frame: int, title: str = "", loc: Literal["center", "left"] = "center"
) -> None:
    """Draw one frame of a panel, within the limits of the whole clip, under `title` and its number."""
    low, high = panel.limits()
    for x, y, side in panel.boxes:
        axes.add_patch(Rectangle((x, y), side, side, facecolor="none", edgecolor="#d0d0d0", linewidth=0.6))
    draw_skeleton(axes, panel.points[frame], panel.seen[frame])
    axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_color("#d0d0d0")
    axes.spines[:].set_visible(not panel.boxes)
    axes.set_title(f"{title}frame {frame + 1} of {len(panel.points)}", fontsize=8, color="#444444", loc=loc)


def animate(clips: Sequence[Panel], fps: float = 25.0) -> bytes:
    """Clips side by side as an animated GIF, frame by frame; a shorter one rests on its last frame."""
    rows, palette = [panel for panel in clips if len(panel.drawable)], _palette()
    if rows:
        figure = Figure(figsize=(3.2 * len(rows), 3.2 * max(panel.shape() for panel in rows) + 0.7), layout=_tight())
        plots = [figure.add_subplot(1, len(rows), place) for place in range(1, len(rows) + 1)]
        add_legend(figure)
    else:
        figure, plots = _nothing(), []
    images = []
    for number in range(max((len(panel.points) for panel in rows), default=1)):
        for axes, panel in zip(plots, rows, strict=True):
            axes.clear()
            draw_frame(axes, panel, min(number, len(panel.points) - 1), f"{label_text(panel.title, 38)}\n", "left")
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=100)
        images.append(Image.open(stream).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE))
    stream = io.BytesIO()
    wait = max(20, 10 * round(100 / fps))  # in ms: browsers slow shorter waits down
    images[0].save(stream, "GIF", save_all=True, append_images=images[1:], duration=wait, loop=0)
    return stream.getvalue()


def _palette() -> Image.Image:
    """Shades from white to black and to each part's colour; a palette fitted to a frame would drop a rare colour."""
    ends = np.array([to_rgb(colour) for colour in ("black", *(colour for _, colour, _ in PARTS.values()))])
    steps = np.linspace(0, 1, 16)[:, None, None]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.round(255 * (1 + steps * (ends - 1))).astype(np.uint8).tobytes())
    return palette


def add_legend(
    figure: Figure,
    loc: Literal["outside lower center", "lower center"] = "outside lower center",
    extra: Sequence[Line2D] = (),
) -> None:
    """The three parts' colours, and `extra` entries, in a line under the picture."""
    lines = [
        Line2D([], [], color=colour, linewidth=2 * width, label=name) for name, (_, colour, width) in PARTS.items()
    ]
    style = {"fontsize": 8, "frameon": False, "columnspacing": 1.2, "handlelength": 1.4}
    figure.legend(handles=[*lines, *extra], loc=loc, ncols=len(PARTS) + len(extra), **style)


def _nothing() -> Figure:
    figure = Figure(figsize=(4, 0.8))
    figure.text(0.5, 0.5, NOTHING_SEEN, ha="center", va="center")
    return figure


def _tight() -> ConstrainedLayoutEngine:
    return ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02)
