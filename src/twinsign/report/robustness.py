"""The figure of `robust`: accuracy against the level of each kind of damage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from twinsign.report.figures import COLOURS, GREY


def robustness_figure(report: Mapping[str, Any]) -> Figure:
    """A panel a kind: top-1 per instance with its 95 % interval against the level, from no damage on."""
    found = report["curves"]
    columns = min(3, len(found))
    lines = math.ceil(len(found) / columns)
    figure = Figure(figsize=(3.6 * columns + 0.4, 2.7 * lines), layout="constrained")
    start = {"level": 0.0, "per_instance": report["per_instance"], "interval95": report["interval95"]}
    for number, (kind, curve) in enumerate(found.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        axes.spines[["top", "right"]].set_visible(False)
        points = [start, *curve["points"]]
        levels, top1 = [one["level"] for one in points], [one["per_instance"]["top1"] for one in points]
        low, high = zip(*(one["interval95"]["per_instance.top1"] for one in points), strict=True)
        axes.fill_between(levels, low, high, color=COLOURS[5], alpha=0.3, linewidth=0)
        axes.plot(levels, top1, color=COLOURS[0], marker="o", markersize=4, linewidth=1.4)
        axes.axhline(top1[0], color=GREY, linewidth=0.8, linestyle=":")
        axes.set(ylim=(-3, 103), ylabel="top-1 (%)")
        axes.set_xlabel(curve["unit"], fontsize=9)
        axes.set_title(kind, loc="left", fontsize=11)
        axes.grid(color="#dddddd", linewidth=0.6)
    return figure
