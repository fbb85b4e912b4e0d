"""Clips as strips of skeletons under each other, with what each model said of them (paper, Fig. 5 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from twinsign.report.figures import COLOURS, plain
from twinsign.report.skeletons import Panel, add_legend, draw_frame

FRAMES = 6
"""Frames of a strip."""
_CELL, _GAP, _EDGE, _INDENT = 1.6, 0.06, 0.12, 0.2
"""Inches: a frame's width and the gap in it, around a picture, from a mark to what it marks."""
_HEADING, _FRAME_TITLE, _LINE, _LEGEND = 0.3, 0.2, 0.21, 0.32
"""Inches: heights of a case's heading, a frame's number, a line of guesses, the legend."""
_ABREAST = 3
"""Models in a line."""
_SIGNS = {True: ("✓", COLOURS[2]), False: ("✗", COLOURS[6])}
_BARE, _TALLEST = 0.4, 1.25
"""Height over width of the place of a clip in which nothing is seen, and of that of any clip at most."""


@dataclass(frozen=True)
class Said:
    """One model's guess of a clip, the confidence in it in [0, 1], and whether it is right."""

    model: str
    gloss: str
    confidence: float
    right: bool


@dataclass(frozen=True)
class Case:
    """A clip to draw: its true sign, what else is known of it, its poses, and what the models said."""

    truth: str
    about: str
    panel: Panel
    said: tuple[Said, ...]


def case_strips(cases: Sequence[Case]) -> Figure:
    """The cases under each other: true sign, up to six frames, the models' guesses with tick or cross."""
    width = FRAMES * _CELL + 2 * _EDGE
    heights = [_height(case) for case in cases]
    figure = Figure(figsize=(width, sum(heights) + _LEGEND))
    top = sum(heights) + _LEGEND
    for case, height in zip(cases, heights, strict=True):
        _draw(figure, case, top)
        top -= height
    marks = [
        Line2D(
            [], [], linestyle="", marker=f"${sign}$", color=colour, markersize=7, label="right" if right else "wrong"
        )
        for right, (sign, colour) in _SIGNS.items()
    ]
    add_legend(figure, "lower center", marks)
    return figure


def _height(case: Case) -> float:
    """Inches of a case from its heading to the gap beneath."""
    lines = -(-len(case.said) // _ABREAST)
    return _HEADING + _FRAME_TITLE + _strip(case.panel) + 2 * _LINE * lines + 2 * _EDGE


def _strip(panel: Panel) -> float:
    return _CELL * (min(panel.shape(), _TALLEST) if len(panel.drawable) else _BARE)


def _draw(figure: Figure, case: Case, top: float) -> None:
    """Draw one case below `top`, in inches from the figure's foot."""
    width, whole = figure.get_size_inches()
    heading, foot = top - _HEADING / 2, top - _HEADING - _FRAME_TITLE - _strip(case.panel)
    # A gloss is a text of its own: one written from right to left would else turn around what stands beside it.
    figure.text(_EDGE / width, heading / whole, plain(case.truth, 50), weight="bold", fontsize=11, va="center")
    beside: dict[str, Any] = {"fontsize": 8.5, "color": "#444444", "va": "center"}
    figure.text(1 - _EDGE / width, heading / whole, plain(case.about, 60), ha="right", **beside)
    for column, frame in enumerate(case.panel.spread(FRAMES)):
        left, height = _EDGE + column * _CELL + _GAP / 2, _strip(case.panel)
        place = (left / width, foot / whole, (_CELL - _GAP) / width, height / whole)
        draw_frame(figure.add_axes(place), case.panel, int(frame))
    if not len(case.panel.drawable):
        figure.text(_EDGE / width, (foot + _EDGE) / whole, "no joint seen in this clip", **beside)
    abreast = min(_ABREAST, len(case.said))
    for number, said in enumerate(case.said):
        left = _EDGE + (number % abreast) * FRAMES * _CELL / abreast
        line = foot - _EDGE / 2 - (2 * (number // abreast) + 0.5) * _LINE
        sign, colour = _SIGNS[said.right]
        figure.text(left / width, line / whole, sign, color=colour, fontsize=12, weight="bold", va="center")
        left = (left + _INDENT) / width
        figure.text(left, line / whole, f"{plain(said.model, 24)}, {100 * said.confidence:.0f} %", **beside)
        figure.text(left, (line - _LINE) / whole, plain(said.gloss, 84 // abreast), fontsize=10, va="center")
