"""The commands that look into packs and finished runs: clips drawn, maps, neighbours, retrieval."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rich.table import Table

from twinsign import probes, protocols
from twinsign.commands import OK, console, show, splits_of, with_interval
from twinsign.errors import InputError
from twinsign.files import write_bytes, write_json
from twinsign.pack.open import Pack
from twinsign.prepare import Clips
from twinsign.recipe import Recipe
from twinsign.recognise.report import png, svg, write_report
from twinsign.recognise.retrieve import KINDS
from twinsign.recognise.scores import write_scores
from twinsign.recognise.skeletons import moving, strips

PICTURES = (".gif", ".png", ".svg")
USUAL_FPS = 25.0
"""Of clips whose frame rate is not known."""


def knn(
    recipe: Recipe,
    model: str,
    data: list[str],
    where: list[str],
    strict: bool,
    split: str = "test",
    gallery: str = "train",
    k: int = 5,
    label_fraction: float = 1.0,
    labels_per_class: int | None = None,
    seed: int = 0,
    json: Path | None = None,
    scores: Path | None = None,
) -> int:
    """k-NN accuracy of a RUN's encoders: no training, the gallery's clips vote.

    Args:
        model: RUN of any kind, or `none`: a random encoder of --config.
        split: The clips that are asked: splits joined by commas.
        gallery: The split whose clips vote.
        k: How many vote.
        label_fraction: Share of each gloss's gallery clips that vote.
        labels_per_class: How many gallery clips of each gloss vote, instead of a share.
        seed: Of the share and of a random encoder.
        json: Where to write the report as JSON.
        scores: Where to write every clip's scores.
    """
    clips = Clips(data, where, label_fraction, labels_per_class, strict)
    splits = splits_of(split) or []
    found, scored = protocols.knn(model, recipe, clips, splits, gallery=gallery, k=k, seed=seed)
    show(found)
    if scores:
        write_scores(scores, scored, found)
    if json:
        write_json(json, found)
    return OK


def retrieve(
    model: Path,
    data: list[str],
    where: list[str],
    split: str = "test",
    gallery: str = "train",
    by: probes.Ranking | None = None,
    json: Path | None = None,
    scores: Path | None = None,
) -> int:
    """Look clips up as in a dictionary: DCG, mean reciprocal rank, recall at 1, 5, 10 over ranked glosses.

    Args:
        model: RUN of any kind.
        split: The clips that are looked up: splits joined by commas.
        gallery: The split of the dictionary's clips.
        by: Rank glosses by logits, nearest example or prototype; logits for classifiers, else nearest.
        json: Where to write the report as JSON.
        scores: Where to write every clip's scores.
    """
    found, scored = probes.retrieve(model, Clips(data, where), splits_of(split) or [], gallery=gallery, by=by)
    _show_retrieval(found)
    if scores:
        write_scores(scores, scored, found)
    if json:
        write_json(json, found)
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
    kind = _ending(out, (".html", ".svg", ".png"))
    figure = probes.maps(model, Clips(data, where), splits_of(split), glosses or top, onto, seed)
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


def _ending(path: Path, endings: tuple[str, ...]) -> str:
    kind = path.suffix.lower()
    if kind not in endings:
        raise InputError(f"ending {kind or 'none'}", f"one of {', '.join(endings)}", file=path)
    return kind


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
    row = probes.row_of(opened, id, index)
    name = opened.table["id"][row].as_py()
    target = out or Path(re.sub(r"[^\w.-]+", "_", name) + ".gif")
    kind = _ending(target, PICTURES)
    if views < 0 or frames < 1 or (fps is not None and fps <= 0):
        raise InputError(f"{views} views, {frames} frames, {fps} fps", "at least 0, at least 1, above 0")
    drawn = probes.panels(opened, row, recipe, views, seed)
    if kind == ".gif":
        rate = fps or opened.table["fps"][row].as_py() or USUAL_FPS
        write_bytes(target, moving(drawn, rate * (drawn[0].points.shape[0] / int(opened.frames[row]) if views else 1)))
    else:
        write_bytes(target, (svg if kind == ".svg" else png)(strips(drawn, frames)))
    console.print(f"{name}: {int(opened.frames[row])} frames, {target}", markup=False)
    return OK


def _show_retrieval(found: dict[str, Any]) -> None:
    title = f"{found['clips']} clips among {found['label_count']} glosses by {found['by']}, in percent [95 %]"
    table = Table(title=f"{', '.join(found['split'])}: {title}")
    for name in ("", *(kind.replace("_", " ") for kind in KINDS)):
        table.add_column(name, justify="right" if name else "left")
    for name in found["per_instance"]:
        table.add_row(name, *(with_interval(found, kind, name) for kind in KINDS))
    console.print(table)
