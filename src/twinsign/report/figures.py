"""Charts of a model's numbers, for reports: each function returns a matplotlib Figure and touches no global state."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from numbers import Real
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.evaluation.metrics import ClipScores, confusion_counts, wilson_interval

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Distinguishable by colour-blind readers (Okabe and Ito 2008)."""
GREY = "#8a8a8a"
MOST_CLASSES = 40
"""Classes that a confusion matrix shows."""
_DASHES = ("-", "--", ":", "-.")
_FAMILIES = {
    "Loss": r"loss",
    "InfoNCE accuracy": r"infonce",
    "Accuracy": r"top_?\d|accuracy",
    "Effective rank": r"effective_rank",
    "Alignment and uniformity": r"alignment|uniformity",
    "Learning rate": r"(^|[/_-])lr($|[/_-])|learning_rate",
}
"""Panels of learning curves in order, and the names of their metrics."""


def label_text(text: str, limit: int = 28) -> str:
    """`text` escaped for matplotlib: no formula, no control character, at most `limit` characters."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return (clean if len(clean) <= limit else clean[: limit - 1] + "…").replace("$", r"\$")


def add_axes(figure: Figure, *position: int, grid: bool = False) -> Axes:
    """Axes without upper and right spine; `position` (rows, columns, number) as in `Figure.add_subplot`."""
    axes = figure.add_subplot(*position)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(color="#dddddd", linewidth=0.6)
    return axes


def panel_grid(count: int, width: float, height: float, margin: float) -> tuple[Figure, Iterator[tuple[int, int, int]]]:
    """A figure for `count` panels of `width` x `height` inches, three a row, and the panels' positions in it."""
    columns = min(3, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(width * columns + margin, height * rows), layout="constrained")
    return figure, ((rows, columns, number) for number in range(1, count + 1))


def line_style(number: int) -> dict[str, Any]:
    """Colour and dashes of a chart's n-th series."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": _DASHES[number // len(COLOURS) % len(_DASHES)]}


@cache
def _family(name: str) -> str:
    title = label_text(name.rsplit("/", 1)[-1].replace("_", " ").capitalize())
    return next((family for family, pattern in _FAMILIES.items() if re.search(pattern, name.lower())), title)


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def learning_curves(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """One panel for each family of metrics, against "step" (or "epoch" where more rows carry it).

    A metric's line skips rows that lack it or hold NaN. Raises InputError where no row is left.
    """
    along = max(("step", "epoch"), key=lambda name: sum(_is_finite(row.get(name)) for row in rows))
    bookkeeping = {"step", "epoch", "time", "seconds", "elapsed"}
    families: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in rows:
        for name, value in row.items():
            if _is_finite(row.get(along)) and _is_finite(value) and name not in bookkeeping:
                lines = families.setdefault(_family(name), {})
                lines.setdefault(name, []).append((float(row[along]), float(value)))
    if not families:
        raise InputError(f"{len(rows)} rows without a metric", 'rows with "step" or "epoch" and finite metrics')
    figure, positions = panel_grid(len(families), 3.6, 2.9, 0.6)
    titles = [title for title in _FAMILIES if title in families] + sorted(families.keys() - _FAMILIES.keys())
    for title, position in zip(titles, positions, strict=True):
        axes = add_axes(figure, *position, grid=True)
        for number, (name, points) in enumerate(families[title].items()):
            x, y = zip(*sorted(points), strict=True)
            marker = "o" if len(x) <= 12 else ""
            axes.plot(
                x, y, marker=marker, markersize=3, linewidth=1.4, label=label_text(name, 36), **line_style(number)
            )
        axes.legend(fontsize=7.5, frameon=False)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel(along)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def confused_classes(counts: NDArray[np.int64], limit: int = MOST_CLASSES) -> list[int]:
    """Classes to show of a confusion matrix (C C): all that occur, or the `limit` of the commonest confusions."""
    occurring: list[int] = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1)).tolist()
    if len(occurring) <= limit:
        return occurring
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    truths, guesses = np.nonzero(wrong)
    chosen = set[int]()
    for pair in np.argsort(-wrong[truths, guesses], kind="stable"):
        larger = chosen | {int(truths[pair]), int(guesses[pair])}
        if len(larger) <= limit:
            chosen = larger
    return sorted(chosen) or occurring[:limit]


def confusion_matrix(scored: ClipScores) -> Figure:
    """Share of each true class's clips by guess, rows the truth; of more than 40 classes the most confused."""
    counts = confusion_counts(scored)
    chosen = confused_classes(counts)
    shown = counts[np.ix_(chosen, chosen)]
    shares = 100 * shown / np.maximum(counts[chosen].sum(axis=1, keepdims=True), 1)
    side = max(2.4, 0.19 * len(chosen))
    figure = Figure(figsize=(side + 2.7, side + 1.6), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
    names = [label_text(scored.glosses[label], 20) for label in chosen]
    font_size = 9 if len(chosen) <= 20 else 7.5
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=font_size)
    axes.set_yticks(range(len(names)), names, fontsize=font_size)
    axes.set(xlabel="guess", ylabel="truth")
    if len(chosen) <= 12:  # room for the counts
        for (row, column), count in np.ndenumerate(shown):
            colour = "white" if shares[row, column] > 55 else "black"
            axes.text(column, row, str(count) if count else "", ha="center", va="center", color=colour, fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.7, aspect=30, label="% of the true class's clips")
    return figure


def hardest_classes(table: Sequence[Mapping[str, Any]], limit: int = 20) -> Figure:
    """Bars of the lowest top-1 in `per_class_table`, with Wilson's 95 % interval and the commonest wrong guess.

    Ordered by the interval's upper end, so that ten failures in ten count for more than one in one.
    """
    intervals = [wilson_interval(round(row["top1"] * row["clips"] / 100), row["clips"]) for row in table]
    bars = [(row["top1"], 100 * low, 100 * high) for row, (low, high) in zip(table, intervals, strict=True)]
    worst = sorted(range(len(bars)), key=lambda number: (bars[number][2], *bars[number]))[:limit]
    names = [f"{label_text(table[number]['gloss'])} ({table[number]['clips']})" for number in worst]
    figure = Figure(figsize=(8.2, 1.1 + 0.3 * len(worst)), layout="constrained")
    axes = _bars(figure, [bars[number] for number in worst], names, end=140, thickness=0.62, whisker=1)
    for height, row in enumerate(table[number] for number in worst):
        if row["wrong_guess"] is not None:
            axes.text(
                103, height, f"→ {label_text(row['wrong_guess'])} ({row['wrong_clips']})", va="center", fontsize=9
            )
    axes.set_title("true gloss (its clips), and → the guess it was taken for most (clips)", loc="left", fontsize=10)
    return figure


def accuracy_bars(rows: Mapping[str, tuple[float, float, float]]) -> Figure:
    """Bars that compare models by top-1: name -> (value, low, high) in percent, whiskers from low to high."""
    figure = Figure(figsize=(7.2, 1.0 + 0.42 * len(rows)), layout="constrained")
    axes = _bars(figure, [*rows.values()], [label_text(name, 40) for name in rows], end=132, thickness=0.6, whisker=1.2)
    for height, (value, low, high) in enumerate(rows.values()):
        axes.text(103, height, f"{value:.1f}  [{low:.1f}, {high:.1f}]", va="center", fontsize=9.5)
    return figure


def _bars(
    figure: Figure,
    bars: Sequence[tuple[float, float, float]],
    names: Sequence[str],
    *,
    end: float,
    thickness: float,
    whisker: float,
) -> Axes:
    """Horizontal bars (value, low, high) in percent, the first on top, and room up to `end` for text beside them."""
    axes, heights = add_axes(figure), np.arange(len(bars))
    values, lows, highs = (list(column) for column in zip(*bars, strict=True))
    axes.barh(heights, values, color=COLOURS[5], height=thickness)
    axes.hlines(heights, lows, highs, color="black", linewidth=whisker)
    axes.set_yticks(heights, names)
    axes.set(xlim=(0, end), ylim=(len(bars) - 0.4, -0.6), xticks=range(0, 101, 20))
    axes.set_xlabel("top-1 (%)", loc="left")
    axes.spines["bottom"].set_bounds(0, 100)
    return axes


def accuracy_by_clips(table: Sequence[Mapping[str, Any]], train_clips: Mapping[str, int] | None = None) -> Figure:
    """Each class's top-1, from `per_class_table`, against its scored clips, or its training clips by gloss if given.

    A dot's area is the number of classes at that spot; the line is the mean over the classes of each clip count.
    """
    clips = np.array([row["clips"] if train_clips is None else train_clips.get(row["gloss"], 0) for row in table])
    top1 = np.array([row["top1"] for row in table])
    spots, classes = np.unique(np.stack([clips, top1], axis=1), axis=0, return_counts=True)
    counts = np.unique(clips)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = add_axes(figure, grid=True)
    areas = np.maximum(3, classes * min(14, 350 / classes.max()))
    axes.scatter(spots[:, 0], spots[:, 1], s=areas, color=COLOURS[0], alpha=0.45, linewidth=0)
    means = [top1[clips == count].mean() for count in counts]
    axes.plot(counts, means, color=COLOURS[1], linewidth=1.4, marker="_")
    if counts.min() > 0 and counts.max() > 20 * counts.min():
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    kind = "scored" if train_clips is None else "training"
    axes.set(xlabel=f"{kind} clips of the class", ylabel="top-1 (%)", ylim=(-6, 106))
    return figure


def coverage_curve(points: Sequence[Mapping[str, float]], answered: Mapping[str, Any]) -> Figure:
    """Accuracy against coverage of a `selective_report`, with the run's own threshold marked."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = add_axes(figure, grid=True)
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
    return figure
