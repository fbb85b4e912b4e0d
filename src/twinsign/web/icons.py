"""The app's icon as PNG, in the sizes that telephones ask for; drawn as `serve/page/icon.svg` is."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

SIDES = (192, 512)
GROUND, LINES = "#0b5c6b", "#ffffff"
UNITS = 16
"""Width of the drawing, in its own units."""
BARS = {4: (5, 11), 7: (3, 9), 10: (4, 12), 13: (6, 13)}
"""By each finger's x, y of its ends."""
SHRINK = 0.8
"""Of the drawing, so that a round mask cuts nothing off."""
FINE = 4
"""Pixels drawn for each pixel kept, along a side."""


def write_icons(folder: Path) -> tuple[int, ...]:
    """Write icon-SIDE.png for each side, and return the sides in pixels."""
    for side in SIDES:
        whole, scale = side * FINE, side * FINE / UNITS
        image = Image.new("RGB", (whole, whole), GROUND)
        pen = ImageDraw.Draw(image)
        for x, between in BARS.items():
            ends = [_inwards(x, y, scale) for y in between]
            width = 1.6 * scale * SHRINK
            pen.line(ends, LINES, round(width))
            for across, down in ends:
                half = width / 2
                pen.ellipse((across - half, down - half, across + half, down + half), LINES)
        image.resize((side, side), Image.Resampling.LANCZOS).save(folder / f"icon-{side}.png", optimize=True)
    return SIDES


def _inwards(x: float, y: float, scale: float) -> tuple[float, float]:
    middle = UNITS / 2
    return (middle + (x - 0.5 - middle) * SHRINK) * scale, (middle + (y - middle) * SHRINK) * scale
