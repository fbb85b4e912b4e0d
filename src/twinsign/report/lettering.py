"""Letters that matplotlib's own font lacks, as those of Chinese glosses, from whatever fonts the machine has."""

from __future__ import annotations

from functools import cache

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

_PLACEHOLDERS = "Last Resort"
"""A font of boxes that name a letter's script, not of letters."""


@cache
def _letters(file: str) -> frozenset[int]:
    """The code points that a font file has; none of a file that cannot be read."""
    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


@cache
def families(text: str) -> tuple[str, ...]:
    """Font families that draw `text`: matplotlib's usual one and, for letters it lacks, installed ones.

    Letters that no installed font has are left to the usual one, which draws a box.
    """
    usual = FontProperties()
    missing = {ord(letter) for letter in text if letter.isprintable()} - _letters(findfont(usual))
    found = list(usual.get_family())
    for entry in sorted(fontManager.ttflist, key=lambda one: (one.name, one.style != "normal", one.fname)):
        if not missing:
            break
        if entry.name not in found and _PLACEHOLDERS not in entry.name and missing & _letters(entry.fname):
            found.append(entry.name)
            missing -= _letters(entry.fname)
    return tuple(found)


def letter(figure: Figure) -> None:
    """Give every text of a figure the fonts that its letters need."""
    for text in figure.findobj(Text):
        chosen = families(text.get_text())
        if len(chosen) > 1:
            text.set_fontfamily(list(chosen))
