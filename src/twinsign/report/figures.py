"""Charts of a model's numbers, for reports: each function returns a matplotlib Figure and touches no global state."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.evaluation.metrics import Scored, confusion, wilson

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that the colour-blind tell apart (Okabe and Ito 2008)."""
GREY = "#8a8a8a"
MOST_CLASSES = 40
ANNOTATED_CLASSES = 12
_DASHES = ("-", "--", ":", "-.")
_BOOKKEEPING = {"step", "epoch", "time", "seconds", "elapsed"}
_FAMILIES = (
    (r"loss", "Loss"),
    (r"infonce", "InfoNCE accuracy"),
    (r"top_?\d|accuracy", "Accuracy"),
    (r"effective_rank", "Effective rank"),
    (r"alignment|uniformity", "Alignment and uniformity"),
    (r"(^|[/_-])lr($|[/_-])|learning_rate", "Learning rate"),
)


def plain(text: str, limit: int = 28) -> str:
    """`text` as matplotlib draws it letter for letter: no formula or control character, at most `limit` long."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return (clean if len(clean) <= limit else clean[: limit - 1] + "…").replace("$", r"\$")


def _panel(figure: Figure, *place: int) -> Axes:
    axes = figure.add_subplot(*place)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return axes


def _family(name: str) -> str:
    own = plain(name.rsplit("/", 1)[-1].replace("_", " ").capitalize())
    return next((title for pattern, title in _FAMILIES if re.search(pattern, name.lower())), own)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def learning_curves(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Small multiples, one panel a family of metrics, against "step" (or "epoch" where more rows carry it).

    A row without a metric, or with NaN in it, is skipped in that metric's line. Raises InputError where none is left.
    """
    along = max(("step", "epoch"), key=lambda name: sum(_is_number(row.get(name)) for row in rows))
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.items():
            if _is_number(row.get(along)) and _is_number(value) and name not in _BOOKKEEPING:
                lines.setdefault(name, []).append((float(row[along]), float(value)))
    if not lines:
        raise InputError(f"{len(rows)} rows without a metric", 'rows with "step" or "epoch" and finite metrics')
    titles = [title for _, title in _FAMILIES]
    order = {title: number for number, title in enumerate(titles)}
    families = sorted({_family(name) for name in lines}, key=lambda title: (order.get(title, len(titles)), title))
    columns = min(3, len(families))
    figure = Figure(figsize=(3.6 * columns + 0.6, 2.9 * math.ceil(len(families) / columns)), layout="constrained")
    for number, title in enumerate(families, 1):
        axes = _panel(figure, math.ceil(len(families) / columns), columns, number)
        own = {name: points for name, points in lines.items() if _family(name) == title}
        _draw_lines(axes, own)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel(along)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def _draw_lines(axes: Axes, lines: Mapping[str, list[tuple[float, float]]]) -> None:
    for number, (name, points) in enumerate(lines.items()):
        x, y = zip(*sorted(points), strict=True)
        axes.plot(
            x,
            y,
            color=COLOURS[number % len(COLOURS)],
            linestyle=_DASHES[number // len(COLOURS) % len(_DASHES)],
            marker="o" if len(x) <= 12 else "",
            markersize=3,
            linewidth=1.4,
            label=plain(name, 36),
        )
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.legend(fontsize=7.5, frameon=False)


def confused_classes(counts: NDArray[np.int64], limit: int = MOST_CLASSES) -> list[int]:
    """Classes to show of a confusion matrix (C C): all in play, or the `limit` of the commonest confusions."""
    in_play = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    if len(in_play) <= limit:
        return [int(label) for label in in_play]
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    truths, guesses = np.nonzero(wrong)
    chosen: dict[int, None] = {}
    for pair in np.argsort(-wrong[truths, guesses], kind="stable"):
        new = {int(truths[pair]): None, int(guesses[pair]): None}
        if len(chosen | new) <= limit:
            chosen |= new
    return sorted(chosen) or [int(label) for label in in_play[:limit]]


def confusion_matrix(scored: Scored) -> Figure:
    """Share of each true class's clips by guess, rows the truth; of more than 40 classes the most confused."""
    counts = confusion(scored)
    chosen = confused_classes(counts)
    shown = counts[np.ix_(chosen, chosen)]
    shares = 100 * shown / np.maximum(counts[chosen].sum(axis=1, keepdims=True), 1)
    side = max(2.4, 0.19 * len(chosen))
    figure = Figure(figsize=(side + 2.7, side + 1.6), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
    names = [plain(scored.glosses[label], 20) for label in chosen]
    small = 9 if len(chosen) <= 20 else 7.5
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=small)
    axes.set_yticks(range(len(names)), names, fontsize=small)
    axes.set_xlabel("guess")
    axes.set_ylabel("truth")
    if len(chosen) <= ANNOTATED_CLASSES:
        for (row, column), count in np.ndenumerate(shown):
            colour = "white" if shares[row, column] > 55 else "black"
            axes.text(column, row, str(count) if count else "", ha="center", va="center", color=colour, fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, label="% of the true class's clips")
    return figure


def hardest_classes(table: Sequence[Mapping[str, Any]], limit: int = 20) -> Figure:
    """Bars of the lowest top-1 in `per_class_table`, with Wilson's 95 % interval and the commonest wrong guess.

    Ordered by the interval's upper end, so that ten failures in ten count for more than one in one.
    """
    rows = []
    for row in table:
        low, high = wilson(round(row["top1"] * row["clips"] / 100), row["clips"])
        rows.append((100 * high, row["top1"], 100 * low, row))
    rows = sorted(rows, key=lambda found: found[:3])[:limit]
    figure = Figure(figsize=(8.2, 1.1 + 0.3 * len(rows)), layout="constrained")
    axes = _panel(figure)
    heights = np.arange(len(rows))
    axes.barh(heights, [row[1] for row in rows], color=COLOURS[5], height=0.62)
    axes.hlines(heights, [row[2] for row in rows], [row[0] for row in rows], color="black", linewidth=1)
    for height, (_, _, _, row) in enumerate(rows):
        if row["wrong_guess"] is not None:
            axes.text(103, height, f"→ {plain(row['wrong_guess'])} ({row['wrong_clips']})", va="center", fontsize=9)
    axes.set_yticks(heights, [f"{plain(row['gloss'])} ({row['clips']})" for _, _, _, row in rows])
    axes.set(xlim=(0, 140), ylim=(len(rows) - 0.4, -0.6), xticks=range(0, 101, 20))
    axes.set_xlabel("top-1 (%)", loc="left")
    axes.spines["bottom"].set_bounds(0, 100)
    axes.set_title("true gloss (its clips), and → the guess it was taken for most (clips)", loc="left", fontsize=10)
    return figure


def accuracy_by_clips(table: Sequence[Mapping[str, Any]], train_clips: Mapping[str, int] | None = None) -> Figure:
    """Each class's top-1, from `per_class_table`, against its clips: in training where given, else scored.

    A dot's area is the number of classes at that spot; the line is the mean over the classes of each clip count.
    """
    clips = np.array([row["clips"] if train_clips is None else train_clips.get(row["gloss"], 0) for row in table])
    top1 = np.array([row["top1"] for row in table])
    spots, classes = np.unique(np.stack([clips, top1], axis=1), axis=0, return_counts=True)
    counts = np.unique(clips)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = _panel(figure)
    areas = np.maximum(3, classes * min(14, 350 / classes.max()))
    axes.scatter(spots[:, 0], spots[:, 1], s=areas, color=COLOURS[0], alpha=0.45, linewidth=0)
    means = [top1[clips == count].mean() for count in counts]
    axes.plot(counts, means, color=COLOURS[1], linewidth=1.4, marker="_")
    if counts.min() > 0 and counts.max() > 20 * counts.min():
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("scored clips of the class" if train_clips is None else "training clips of the class")
    axes.set(ylabel="top-1 (%)", ylim=(-6, 106))
    axes.grid(color="#dddddd", linewidth=0.6)
    return figure


def accuracy_bars(rows: Mapping[str, tuple[float, float, float]], label: str = "top-1 (%)") -> Figure:
    """Bars that compare models: name -> (value, low, high) in percent, whiskers from low to high."""
    figure = Figure(figsize=(7.2, 1.0 + 0.42 * len(rows)), layout="constrained")
    axes = _panel(figure)
    heights = np.arange(len(rows))
    values, lows, highs = (list(column) for column in zip(*rows.values(), strict=True))
    axes.barh(heights, values, color=COLOURS[5], height=0.6)
    axes.hlines(heights, lows, highs, color="black", linewidth=1.2)
    for height, (value, low, high) in enumerate(rows.values()):
        axes.text(103, height, f"{value:.1f}  [{low:.1f}, {high:.1f}]", va="center", fontsize=9.5)
    axes.set_yticks(heights, [plain(name, 40) for name in rows])
    axes.set(xlim=(0, 132), ylim=(len(rows) - 0.4, -0.6), xticks=range(0, 101, 20))
    axes.set_xlabel(label, loc="left")
    axes.spines["bottom"].set_bounds(0, 100)
    return figure


def coverage_curve(points: Sequence[Mapping[str, float]], answered: Mapping[str, Any]) -> Figure:
    """Accuracy against coverage of a `selective_report`, with the place of the run's own threshold."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    coverage, accuracy = ([point[name] for point in points] for name in ("coverage", "accuracy"))
    axes.plot(coverage, accuracy, color=COLOURS[0], marker="o", markersize=3.5, linewidth=1.4)
    if answered["threshold"] is not None and answered["accuracy"] is not None:
        spot = (answered["coverage"], answered["accuracy"])
        axes.plot(*spot, color=COLOURS[1], marker="D", markersize=7, linestyle="", label="the run's threshold")
        axes.axvline(spot[0], color=GREY, linewidth=0.8, linestyle=":")
        axes.legend(frameon=False, fontsize=9, loc="lower left")
    axes.set(xlim=(0, 102), ylim=(-3, 103), xlabel="clips answered, the surest first", ylabel="of these right")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(decimals=0))
    axes.grid(color="#dddddd", linewidth=0.6)
    return figure
