"""The commands that draw: clips as skeletons, maps of embeddings."""

from __future__ import annotations

import re
from pathlib import Path

from twinsign.cli.console import OK, console, ending_of, parse_splits
from twinsign.errors import InputError
from twinsign.files import write_bytes
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection
from twinsign.report.html import png, svg, write_report
from twinsign.report.skeletons import moving, panels, row_of, strips
from twinsign.report.tsne import maps as run_maps
from twinsign.runs.recipe import Recipe

PICTURES = (".gif", ".png", ".svg")
USUAL_FPS = 25.0
"""Of clips whose frame rate is not known."""


def view(
    recipe: Recipe,
    pack: Path,
    id: str | None = None,
    index: int | None = None,
    out: Path | None = None,
    views: int = 0,
    frames: int = 6,
    seed: int = 0,
    fps: float | None = None,
) -> int:
    """Draw a clip as skeletons, or random views of it as pre-training draws them; unseen joints are left out.

    Args:
        id: The clip's id.
        index: Its place in the pack, from 0, instead of the id.
        out: A .gif that moves, or a .png or .svg strip; the id with .gif unless told.
        views: How many augmented views of --config to draw instead of the clip itself.
        frames: Frames of a strip.
        seed: Of the views.
        fps: Frames a second of the GIF; the pack's, or 25, unless told.
    """
    opened = Pack(pack)
    row = row_of(opened, id, index)
    name = opened.table["id"][row].as_py()
    target = out or Path(re.sub(r"[^\w.-]+", "_", name) + ".gif")
    kind = ending_of(target, PICTURES)
    if views < 0 or frames < 1 or (fps is not None and fps <= 0):
        raise InputError(f"{views} views, {frames} frames, {fps} fps", "at least 0, at least 1, above 0")
    drawn = panels(opened, row, recipe, views, seed)
    if kind == ".gif":
        rate = fps or opened.table["fps"][row].as_py() or USUAL_FPS
        write_bytes(target, moving(drawn, rate * (drawn[0].points.shape[0] / int(opened.frames[row]) if views else 1)))
    else:
        write_bytes(target, (svg if kind == ".svg" else png)(strips(drawn, frames)))
    console.print(f"{name}: {int(opened.frames[row])} frames, {target}", markup=False)
    return OK


def map_clips(
    model: Path,
    data: list[str],
    where: list[str],
    glosses: list[str],
    out: Path,
    split: str = "val",
    top: int = 10,
    onto: str | None = None,
    seed: int = 0,
) -> int:
    """Draw t-SNE maps of a RUN's clips by joint, motion and both, coloured by gloss (Fig. 3).

    Args:
        model: RUN of any kind.
        out: A .html, .svg or .png.
        split: The clips: splits joined by commas, or `all`.
        top: How many of the most frequent glosses are coloured, where --glosses names none.
        onto: A split whose clips shape the maps; those of --split are placed on them.
        seed: Of the maps.
    """
    kind = ending_of(out, (".html", ".svg", ".png"))
    figure = run_maps(model, ClipSelection(data, where), parse_splits(split), glosses or top, onto, seed)
    if kind == ".html":
        lead = f"{split}{f' placed on {onto}' if onto else ''}, by each branch of the encoder and by all."
        caption = "Nearness means similar embeddings; distances between far groups mean little."
        facts = {"Run": str(model), "Data": ", ".join(data), "Where": " and ".join(where) or "–", "Seed": str(seed)}
        pictures = [("Map of the embeddings", caption, figure)]
        write_report(out, title="Map of clips", lead=lead, facts=facts, tables=[], figures=pictures)
    else:
        write_bytes(out, (svg if kind == ".svg" else png)(figure))
    console.print(f"map: {out}", markup=False)
    return OK
