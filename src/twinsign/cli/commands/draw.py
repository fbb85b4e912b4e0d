"""The commands that draw: clips as skeletons, maps of embeddings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twinsign.cli.console import console, parse_ending, parse_splits
from twinsign.cli.options import OptionalWords, Positional, Words
from twinsign.errors import InputError
from twinsign.files import write_bytes
from twinsign.runs.recipe import Recipe
from twinsign.runs.shipped import ENCODER

USUAL_FPS = 25.0
"""Frames per second of clips that do not state it."""


def view(
    recipe: Recipe,
    pack: Positional[Path],
    id: str | None = None,
    index: int | None = None,
    out: Path | None = None,
    views: int = 0,
    frames: int = 6,
    seed: int = 0,
    fps: float | None = None,
) -> None:
    """Draw a clip as skeletons, or random views of it as pre-training draws them; unseen joints are left out.

    Args:
        pack: The pack with the clip.
        id: The clip's id.
        index: The clip's row in the pack, from 0, instead of the id.
        out: A .gif animation, or a .png or .svg strip. Default: the id with .gif.
        views: Number of augmented views of --config to draw instead of the clip itself.
        frames: Number of frames of a strip.
        fps: Frames per second of the GIF. Default: the pack's, or 25.
    """
    from twinsign.pack.open import Pack
    from twinsign.report.skeletons import animate, draw_strips, find_row, load_panels

    opened = Pack(pack)
    row = find_row(opened, id, index)
    name, length = opened.table["id"][row].as_py(), int(opened.frames[row])
    target = out or Path(re.sub(r"[^\w.-]+", "_", name) + ".gif")
    kind = parse_ending(target, (".gif", ".png", ".svg"))
    if views < 0 or frames < 1 or (fps is not None and fps <= 0):
        raise InputError(f"{views} views, {frames} frames, {fps} fps", "at least 0, at least 1, above 0")
    drawn = load_panels(opened, row, recipe, views, seed)
    if kind == ".gif":
        rate = fps or opened.table["fps"][row].as_py() or USUAL_FPS
        write_bytes(target, animate(drawn, rate * (drawn[0].points.shape[0] / length if views else 1)))
    else:
        write_bytes(target, _picture(kind, draw_strips(drawn, frames)))
    console.print(f"{name}: {length} frames, {target}")


def map_clips(
    data: Words,
    where: OptionalWords,
    glosses: OptionalWords,
    out: Path,
    model: Path = ENCODER,
    split: str = "val",
    top: int = 10,
    onto: str | None = None,
    seed: int = 0,
) -> None:
    """Draw t-SNE maps of a RUN's clips by joint, motion and both, coloured by gloss (Fig. 3).

    Args:
        glosses: Glosses to colour.
        out: A .html, .svg or .png.
        top: Number of the most frequent glosses to colour, without --glosses.
        onto: Split whose clips shape the maps; those of --split are placed on them.
    """
    from twinsign.pack.selection import ClipSelection
    from twinsign.report.html import write_report
    from twinsign.report.tsne import run_maps

    kind = parse_ending(out, (".html", ".svg", ".png"))
    figure = run_maps(model, ClipSelection(data, where), parse_splits(split), glosses or top, onto, seed)
    if kind == ".html":
        lead = f"{split}{f' placed on {onto}' if onto else ''}, by each branch of the encoder and by all."
        caption = "Nearness means similar embeddings; distances between far groups mean little."
        facts = {"Run": str(model), "Data": ", ".join(data), "Where": " and ".join(where) or "–", "Seed": str(seed)}
        pictures = [("Map of the embeddings", caption, figure)]
        write_report(out, title="Map of clips", lead=lead, facts=facts, tables=[], figures=pictures)
    else:
        write_bytes(out, _picture(kind, figure))
    console.print(f"map: {out}")


def _picture(kind: str, figure: Any) -> bytes:
    """A figure as the content of a .svg or .png file."""
    from twinsign.report.html import png, svg

    return (svg if kind == ".svg" else png)(figure)
