"""One self-contained report.html: tables and pictures inside the file, no script, nothing fetched from a network."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.evaluation.metrics import TOPS, Scored, confusion, per_class_table
from twinsign.files import write_bytes, write_text
from twinsign.report.figures import (
    MOST_CLASSES,
    accuracy_by_clips,
    confused_classes,
    confusion_matrix,
    hardest_classes,
    learning_curves,
)
from twinsign.report.lettering import letter
from twinsign.report.skeletons import skeleton_strip
from twinsign.report.tsne import embedding_map

Cell = str | int | float | None
Picture = tuple[str, str, Figure]
"""Title, caption, figure."""


@dataclass(frozen=True)
class Table:
    """Rows under a header; None is a gap. Raises InputError where a row has not the header's width."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise InputError(f"{len(row)} cells in row {number} of table {self.title!r}", f"{len(self.header)}")

    def numeric(self) -> list[bool]:
        """Which columns hold numbers and gaps alone: those stand at the right."""
        columns = [[row[column] for row in self.rows] for column in range(len(self.header))]
        filled = [[cell for cell in cells if cell is not None] for cells in columns]
        return [bool(cells) and all(map(_is_number, cells)) for cells in filled]


@dataclass(frozen=True)
class WrongClip:
    """A clip that the model got wrong: xy (T 49 2) in image fractions, seen (T 49), confidence in [0, 1]."""

    id: str
    truth: str
    guess: str
    confidence: float
    xy: NDArray[Any]
    seen: NDArray[Any]
    size: tuple[int, int] | None = None


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float | np.integer | np.floating) and not isinstance(cell, bool)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float | np.floating) else str(value)


def svg(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes each time; letters stay text, drawn with the reader's own fonts."""
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "twinsign"}), warnings.catch_warnings():
        # Matplotlib's own font lacks many scripts that glosses are written in; the reader's browser has others.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format="svg", dpi=150, metadata={"Date": None})
    return stream.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as PNG, 150 dots an inch, its letters from whatever fonts the machine has."""
    letter(figure)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format="png", dpi=150)
    return stream.getvalue()


def write_pictures(folder: str | os.PathLike[str], stem: str, figures: Sequence[Picture]) -> None:
    """Write pictures as STEM-1.svg, STEM-1.png and so on, each whole or not at all."""
    for number, (_, _, figure) in enumerate(figures, 1):
        for kind, drawn in (("svg", svg), ("png", png)):
            write_bytes(Path(folder) / f"{stem}-{number}.{kind}", drawn(figure))


def write_report(
    path: str | os.PathLike[str],
    *,
    title: str,
    lead: str,
    facts: Mapping[str, str],
    tables: Sequence[Table],
    figures: Sequence[Picture],
) -> None:
    """Write one self-contained HTML page, whole or not at all; all text is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = _cell
    template = environment.from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    pictures = [
        {
            "title": name,
            "caption": caption,
            "data": base64.b64encode(svg(figure)).decode(),
            "width": round(96 * figure.get_figwidth()),
            "height": round(96 * figure.get_figheight()),
        }
        for name, caption, figure in figures
    ]
    page = template.render(title=title, lead=lead, facts=facts, tables=tables, pictures=pictures, version=__version__)
    write_text(path, page.encode("utf-8", "replace").decode() + "\n")


def evaluation_tables(report: Mapping[str, Any], scored: Scored) -> list[Table]:
    """The accuracies of an `accuracy_report` with their 95 % intervals, and the per-class table."""
    accuracies: list[list[Cell]] = []
    for kind, name in (("per_instance", "per instance"), ("per_class", "per class")):
        for top in TOPS:
            low, high = report["interval95"][f"{kind}.top{top}"]
            accuracies.append([f"Top-{top} {name}", report[kind][f"top{top}"], low, high])
    caption = (
        f"{report['clips']:,} clips of {report['classes']:,} classes, chosen among {report['label_count']:,}. "
        "Per class: mean over the classes present. Ties count against the model. "
        f"Expected calibration error: {report['ece']:.2f} %."
    )
    classes: list[list[Cell]] = [
        [row["gloss"], row["clips"], row["top1"], row["top5"], row["wrong_guess"], row["wrong_clips"] or None]
        for row in per_class_table(scored)
    ]
    return [
        Table("Accuracy", ["Measure", "%", "95 % from", "to"], accuracies, caption),
        Table("Classes", ["Gloss", "Clips", "Top-1 %", "Top-5 %", "Most often taken for", "Times"], classes),
    ]


def evaluation_figures(
    scored: Scored,
    *,
    curves: Sequence[Mapping[str, Any]] = (),
    embeddings: Mapping[str, ArrayLike] | None = None,
    embedding_labels: Sequence[str | None] = (),
    wrong: Sequence[WrongClip] = (),
    train_clips: Mapping[str, int] | None = None,
    seed: int = 0,
) -> list[Picture]:
    """The pictures of an evaluation: title, caption, figure; curves, maps and clips only where given.

    curves: rows of metrics.jsonl; embeddings: name -> (N D), of clips with `embedding_labels`; train_clips by gloss.
    """
    table = per_class_table(scored)
    pictures: list[Picture] = []
    if curves:
        pictures.append(("Learning curves", "What was logged in training.", learning_curves(curves)))
    pictures.append(("Confusions", _confusion_caption(scored), confusion_matrix(scored)))
    pictures.append(
        ("Hardest classes", "Ordered by the upper end of Wilson's 95 % interval, lowest first.", hardest_classes(table))
    )
    caption = "Dots are classes, larger the more share a spot; the line is the mean over classes of equally many clips."
    pictures.append(("Accuracy by number of clips", caption, accuracy_by_clips(table, train_clips)))
    if embeddings:
        caption = "Nearness on a t-SNE map means similar embeddings; distances between far groups mean little."
        pictures.append(("Map of the embeddings", caption, embedding_map(embeddings, embedding_labels, seed)))
    for clip in wrong:
        caption = (
            f"Clip {clip.id}, confidence {100 * clip.confidence:.0f} %. Orange: right hand; blue: left; grey: trunk."
        )
        strip = skeleton_strip(clip.xy, clip.seen, clip.size)
        pictures.append((f"Wrong: {clip.truth} taken for {clip.guess}", caption, strip))
    return pictures


def _confusion_caption(scored: Scored) -> str:
    shown = len(confused_classes(confusion(scored)))
    everything = "Rows are the truth, columns the guess; a row is in percent of that class's clips."
    if len(scored.glosses) <= MOST_CLASSES:
        return everything
    return f"{everything} Shown: {shown} of {len(scored.glosses):,} classes, those of the most frequent confusions."
