"""How accuracy changes along a ladder of settings: label fractions, data shares, neighbours, levels of damage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from twinsign.errors import InputError
from twinsign.report.figures import COLOURS, GREY, add_axes, label_text, line_style, panel_grid

Step = tuple[str | float, Mapping[str, tuple[float, float, float]]]
"""A setting and, by series, its value with the low and the high end of its interval."""
_MARKERS = "osD^vPX"
_LEAST_GAP = 0.065
"""Between the names of series, as a share of the axis."""
_HEADROOM = 0.06


def learning_curve(
    points: Sequence[Step], *, x_label: str = "", y_label: str = "top-1 (%)", log: bool = False
) -> Figure:
    """Each series' values over the settings, with whiskers and a band from low to high and its name at the end.

    Settings are numbers, on a logarithmic axis with `log`, or words in their order (paper, Table V, Fig. 4). A series
    may lack settings. Raises InputError without points, for numbers and words mixed, a number twice, one of 0 or less
    with `log`, or a value that is not finite.
    """
    places, ticks = _ticks(points, log)
    series: dict[str, list[tuple[float, float, float, float]]] = {}
    for place, (setting, values) in zip(places, points, strict=True):
        for name, (value, low, high) in values.items():
            if not np.isfinite([value, low, high]).all():
                raise InputError(f"{value} [{low}, {high}] of {name!r} at {setting}", "finite numbers")
            series.setdefault(name, []).append((place, value, low, high))
    if not series:
        raise InputError(f"{len(points)} settings without a value", "at least one")
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = add_axes(figure, grid=True)
    if log:
        axes.set_xscale("log")
    for number, line in enumerate(series.values()):
        place, value, low, high = np.array(sorted(line)).T
        colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
        axes.fill_between(place, low, high, color=colour, alpha=0.1, linewidth=0)
        axes.vlines(place, low, high, color=colour, linewidth=1.1)
        axes.plot(place, value, marker=marker, markersize=5, linewidth=1.5, **line_style(number))
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(places, ticks)
    axes.set_xlim(*(np.exp(_padded([*np.log(places)])) if log else _padded(places)))
    axes.set_ylim(*_padded([number for line in series.values() for point in line for number in point[1:]]))
    axes.set(xlabel=label_text(x_label, 60), ylabel=label_text(y_label, 60))
    _label_series(axes, series)
    return figure


def _ticks(points: Sequence[Step], log: bool) -> tuple[list[float], list[str]]:
    """The place of each setting on the axis, and its label."""
    settings = [setting for setting, _ in points]
    words = [isinstance(setting, str) for setting in settings]
    listed = f"settings {', '.join(map(str, settings))}"
    if any(words) and (log or not all(words)):
        raise InputError(listed, "numbers" if log else "all numbers or all words")
    if all(words):
        return [float(place) for place in range(len(settings))], [label_text(str(word), 20) for word in settings]
    numbers = [float(setting) for setting in settings]
    if len(set(numbers)) < len(numbers) or not np.isfinite(numbers).all() or (log and min(numbers) <= 0):
        raise InputError(listed, "finite numbers, each once" + (", above 0 on a logarithmic axis" if log else ""))
    return numbers, [f"{number:g}" for number in numbers]


def _padded(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis that holds these values, with a margin."""
    low, high = min(values), max(values)
    margin = _HEADROOM * ((high - low) or 1.0)
    return low - margin, high + margin


def _label_series(axes: Axes, series: Mapping[str, Sequence[tuple[float, float, float, float]]]) -> None:
    """Write each series' name beside its last point; names that would overlap are moved apart."""
    bottom, top = axes.get_ylim()
    gap = _LEAST_GAP * (top - bottom)
    ends = sorted((max(line)[1], number, name) for number, (name, line) in enumerate(series.items()))
    heights = [end for end, *_ in ends]
    for place in range(1, len(heights)):
        heights[place] = max(heights[place], heights[place - 1] + gap)
    excess = max(0.0, heights[-1] - top)
    heights = [height - excess for height in heights]
    for place in range(len(heights) - 2, -1, -1):
        heights[place] = min(heights[place], heights[place + 1] - gap)
    beside, edge = axes.get_yaxis_transform(), axes.get_xlim()[1]
    for height, (end, number, name) in zip(heights, ends, strict=True):
        colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
        axes.plot([max(series[name])[0], edge], [end, end], color=colour, linewidth=0.7, linestyle=":", clip_on=False)
        axes.plot([1.0, 1.03], [end, height], color=colour, linewidth=0.8, transform=beside, clip_on=False)
        axes.plot([1.045], [height], color=colour, marker=marker, markersize=5, transform=beside, clip_on=False)
        axes.text(1.07, height, label_text(name, 30), transform=beside, fontsize=9, va="center")


def robustness_figure(report: Mapping[str, Any]) -> Figure:
    """A panel for each kind of damage: top-1 per instance with its 95 % interval against the level, from 0 on."""
    curves = report["curves"]
    figure, positions = panel_grid(len(curves), 3.6, 2.7, 0.4)
    undamaged = {"level": 0.0, "per_instance": report["per_instance"], "interval95": report["interval95"]}
    for (kind, curve), position in zip(curves.items(), positions, strict=True):
        axes = add_axes(figure, *position, grid=True)
        axes.set_axisbelow("line")
        points = [undamaged, *curve["points"]]
        levels, top1 = zip(*((point["level"], point["per_instance"]["top1"]) for point in points), strict=True)
        low, high = zip(*(point["interval95"]["per_instance.top1"] for point in points), strict=True)
        axes.fill_between(levels, low, high, color=COLOURS[5], alpha=0.3, linewidth=0)
        axes.plot(levels, top1, color=COLOURS[0], marker="o", markersize=4, linewidth=1.4)
        axes.axhline(top1[0], color=GREY, linewidth=0.8, linestyle=":")
        axes.set(ylim=(-3, 103), ylabel="top-1 (%)")
        axes.set_xlabel(curve["unit"], fontsize=9)
        axes.set_title(kind, loc="left", fontsize=11)
    return figure
