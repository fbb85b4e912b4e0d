"""One self-contained report.html: tables and pictures inside the file, no script, nothing fetched from a network."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import matplotlib
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.files import write_bytes, write_text

Cell = str | int | float | None
Picture = tuple[str, str, Figure]
"""Title, caption, figure."""


@dataclass(frozen=True)
class Table:
    """Rows under a header; None is an empty cell. Raises InputError for a row of another width than the header."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise InputError(f"{len(row)} cells in row {number} of table {self.title!r}", f"{len(self.header)}")

    def numeric(self) -> list[bool]:
        """Which columns hold numbers and empty cells alone: these are aligned to the right."""
        columns = [[row[column] for row in self.rows if row[column] is not None] for column in range(len(self.header))]
        return [bool(cells) and all(map(_is_number, cells)) for cells in columns]


def _is_number(cell: object) -> bool:
    return isinstance(cell, Real) and not isinstance(cell, bool)


def _format_cell(cell: object) -> str:
    if not _is_number(cell):
        return "–" if cell is None else str(cell)
    return f"{cell:,}" if isinstance(cell, Integral) else f"{cell:,.2f}"


def svg(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes each time; letters stay text, drawn with the reader's own fonts."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "twinsign"}):
        return _saved(figure, format="svg", metadata={"Date": None})


def png(figure: Figure) -> bytes:
    """The figure as PNG, 150 dots an inch, its letters from whatever fonts are installed."""
    for text in figure.findobj(Text):
        families = font_families(text.get_text())
        if len(families) > 1:
            text.set_fontfamily(list(families))
    return _saved(figure, format="png")


def _saved(figure: Figure, **options: Any) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # Matplotlib's own font lacks many scripts that glosses are written in; the reader's browser has others.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, dpi=150, **options)
    return stream.getvalue()


@cache
def font_families(text: str) -> tuple[str, ...]:
    """Font families that draw `text`: matplotlib's default and, for letters it lacks, installed ones.

    Letters that no installed font has are left to the default, which draws a box.
    """
    default = FontProperties()
    missing = {ord(letter) for letter in text if letter.isprintable()} - _code_points(findfont(default))
    families = list(default.get_family())
    for entry in sorted(fontManager.ttflist, key=lambda font: (font.name, font.style != "normal", font.fname)):
        if not missing:
            break
        boxes = "Last Resort" in entry.name  # a font of boxes that name a letter's script
        if entry.name not in families and not boxes and missing & _code_points(entry.fname):
            families.append(entry.name)
            missing -= _code_points(entry.fname)
    return tuple(families)


@cache
def _code_points(font_file: str) -> frozenset[int]:
    """The code points that a font file has; none of a file that cannot be read."""
    try:
        return frozenset(FT2Font(font_file).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


def write_pictures(folder: str | os.PathLike[str], stem: str, figures: Sequence[Picture]) -> None:
    """Write pictures as STEM-1.svg, STEM-1.png and so on, each atomically."""
    for number, (_, _, figure) in enumerate(figures, 1):
        for render in (svg, png):
            write_bytes(Path(folder) / f"{stem}-{number}.{render.__name__}", render(figure))


def write_report(
    path: str | os.PathLike[str],
    *,
    title: str,
    lead: str,
    facts: Mapping[str, str],
    tables: Sequence[Table],
    figures: Sequence[Picture],
) -> None:
    """Write one self-contained HTML page atomically; all text is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(cell=_format_cell, svg_base64=lambda figure: base64.b64encode(svg(figure)).decode())
    template = environment.from_string(files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8"))
    page = template.render(title=title, lead=lead, facts=facts, tables=tables, pictures=figures, version=__version__)
    write_text(path, page.encode("utf-8", "replace").decode() + "\n")
