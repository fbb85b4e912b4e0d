"""The commands that ask a finished run more than its accuracy: neighbours, retrieval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from twinsign import probes, protocols
from twinsign.commands import OK, console, show, splits_of, with_interval
from twinsign.files import write_json
from twinsign.prepare import Clips
from twinsign.recipe import Recipe
from twinsign.recognise.retrieve import KINDS
from twinsign.recognise.scores import write_scores


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


def _show_retrieval(found: dict[str, Any]) -> None:
    title = f"{found['clips']} clips among {found['label_count']} glosses by {found['by']}, in percent [95 %]"
    table = Table(title=f"{', '.join(found['split'])}: {title}")
    for name in ("", *(kind.replace("_", " ") for kind in KINDS)):
        table.add_column(name, justify="right" if name else "left")
    for name in found["per_instance"]:
        table.add_row(name, *(with_interval(found, kind, name) for kind in KINDS))
    console.print(table)
