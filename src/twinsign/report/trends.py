"""How a number moves along a ladder of settings: label fractions, data shares, neighbours (paper, Table V, Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from twinsign.errors import InputError
from twinsign.report.figures import COLOURS, plain

Step = tuple[str | float, Mapping[str, tuple[float, float, float]]]
"""A setting and, by series, its value with the low and the high end of its interval."""
_MARKERS = "osD^vPX"
_DASHES = ("-", "--", ":", "-.")
_LEAST_GAP = 0.065
"""Between labels of series, as a share of the axis."""
_HEADROOM = 0.06


def learning_curve(
    points: Sequence[Step], *, x_label: str = "", y_label: str = "top-1 (%)", log: bool = False
) -> Figure:
    """Each series' values along the settings, whiskers and a band from low to high, its name at its end.

    Settings are numbers, on a logarithmic axis with `log`, or words in their order. A series may lack settings. Raises
    InputError without points, for numbers and words mixed, a number twice, one of 0 or less with `log`, or a value that
    is not finite.
    """
    places, ticks = _places(points, log)
    lines: dict[str, list[tuple[float, float, float, float]]] = {}
    for place, (setting, series) in zip(places, points, strict=True):
        for name, (value, low, high) in series.items():
            if not np.isfinite([value, low, high]).all():
                raise InputError(f"{value} [{low}, {high}] of {name!r} at {setting}", "finite numbers")
            lines.setdefault(name, []).append((place, value, low, high))
    if not lines:
        raise InputError(f"{len(points)} settings without a value", "at least one")
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    if log:
        axes.set_xscale("log")
    for number, line in enumerate(lines.values()):
        _draw(axes, number, np.array(sorted(line)))
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, ticks)
    axes.set_xlim(*_span(places, log))
    axes.set(xlabel=plain(x_label, 60), ylabel=plain(y_label, 60))
    _frame(axes, [one for line in lines.values() for one in line])
    _name(axes, lines)
    return figure


def _places(points: Sequence[Step], log: bool) -> tuple[list[float], list[str]]:
    """Where each setting stands, and what is written there."""
    settings = [setting for setting, _ in points]
    words = [isinstance(one, str) for one in settings]
    if any(words) and (log or not all(words)):
        raise InputError(f"settings {', '.join(map(str, settings))}", "numbers" if log else "all numbers or all words")
    if all(words):
        return [float(place) for place in range(len(settings))], [plain(str(one), 20) for one in settings]
    numbers = [float(one) for one in settings]
    if len(set(numbers)) < len(numbers) or not np.isfinite(numbers).all() or (log and min(numbers) <= 0):
        wanted = "finite numbers, each once" + (", above 0 on a logarithmic axis" if log else "")
        raise InputError(f"settings {', '.join(map(str, settings))}", wanted)
    return numbers, [f"{one:g}" for one in numbers]


def _span(places: Sequence[float], log: bool) -> tuple[float, float]:
    """The axis' ends, a little beyond the outermost settings."""
    ends = np.log([min(places), max(places)]) if log else np.array([min(places), max(places)])
    margin = _HEADROOM * ((ends[1] - ends[0]) or 1.0)
    first, last = (ends[0] - margin, ends[1] + margin)
    return (float(np.exp(first)), float(np.exp(last))) if log else (float(first), float(last))


def _draw(axes: Axes, number: int, line: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    place, value, low, high = line.T
    colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
    dash = _DASHES[number // len(COLOURS) % len(_DASHES)]
    axes.fill_between(place, low, high, color=colour, alpha=0.1, linewidth=0)
    axes.vlines(place, low, high, color=colour, linewidth=1.1)
    axes.plot(place, value, color=colour, marker=marker, markersize=5, linestyle=dash, linewidth=1.5)


def _frame(axes: Axes, line: Sequence[tuple[float, float, float, float]]) -> None:
    """Limits that hold all values and intervals."""
    low, high = min(min(one[1:]) for one in line), max(max(one[1:]) for one in line)
    margin = _HEADROOM * ((high - low) or 1.0)
    axes.set_ylim(low - margin, high + margin)


def _name(axes: Axes, lines: Mapping[str, Sequence[tuple[float, float, float, float]]]) -> None:
    """Write each series' name beside its last point, the names moved apart where they would meet."""
    bottom, top = axes.get_ylim()
    gap = _LEAST_GAP * (top - bottom)
    ends = sorted((max(line)[1], number, name) for number, (name, line) in enumerate(lines.items()))
    heights = [end for end, *_ in ends]
    for place in range(1, len(heights)):
        heights[place] = max(heights[place], heights[place - 1] + gap)
    excess = max(0.0, heights[-1] - top)
    heights = [height - excess for height in heights]
    for place in range(len(heights) - 2, -1, -1):
        heights[place] = min(heights[place], heights[place + 1] - gap)
    to_data, edge = axes.get_yaxis_transform(), axes.get_xlim()[1]
    for height, (end, number, name) in zip(heights, ends, strict=True):
        colour = COLOURS[number % len(COLOURS)]
        last = max(lines[name])[0]
        axes.plot([last, edge], [end, end], color=colour, linewidth=0.7, linestyle=":", clip_on=False)
        axes.plot([1.0, 1.03], [end, height], color=colour, linewidth=0.8, transform=to_data, clip_on=False)
        marker = _MARKERS[number % len(_MARKERS)]
        axes.plot([1.045], [height], color=colour, marker=marker, markersize=5, transform=to_data, clip_on=False)
        axes.text(1.07, height, plain(name, 30), transform=to_data, fontsize=9, va="center")
