"""The commands that ask a finished run more than its accuracy: neighbours, retrieval, robustness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from twinsign.cli.console import OK, console, ending_of, parse_splits, print_report, with_interval
from twinsign.evaluation.knn import knn as knn_accuracy
from twinsign.evaluation.retrieve import KINDS, Ranking
from twinsign.evaluation.retrieve import retrieve as retrieve_glosses
from twinsign.evaluation.robust import robustness as robustness_curves
from twinsign.evaluation.scores import write_scores
from twinsign.files import write_json
from twinsign.inference.embeddings import Choice
from twinsign.pack.selection import ClipSelection
from twinsign.report.html import Table as ReportTable
from twinsign.report.html import write_report
from twinsign.report.trends import robustness_figure
from twinsign.runs.recipe import Recipe


def knn(
    recipe: Recipe,
    model: str,
    data: list[str],
    where: list[str],
    strict: bool,
    branches: list[str],
    parts: list[str],
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
    clips = ClipSelection(data, where, label_fraction, labels_per_class, strict)
    splits = parse_splits(split) or []
    choice = Choice(branches, parts)
    found, scored = knn_accuracy(model, recipe, clips, splits, gallery=gallery, k=k, seed=seed, choice=choice)
    print_report(found)
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
    by: Ranking | None = None,
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
    found, scored = retrieve_glosses(
        model, ClipSelection(data, where), parse_splits(split) or [], gallery=gallery, by=by
    )
    _show_retrieval(found)
    if scores:
        write_scores(scores, scored, found)
    if json:
        write_json(json, found)
    return OK


def robustness(
    model: Path, data: list[str], where: list[str], kinds: list[str], out: Path, split: str = "test", seed: int = 0
) -> int:
    """Report how a classifier's accuracy falls as recordings get worse: noise, lost joints, other cameras.

    Args:
        model: RUN of finetune or linear.
        out: A .html page or a .json report.
        split: One split, several joined by commas, or `all`.
        seed: Of what is lost and added.
    """
    kind = ending_of(out, (".html", ".json"))
    with console.status("as recorded") as status:
        found = robustness_curves(model, ClipSelection(data, where), parse_splits(split), kinds, seed, status.update)
    print_report(found)
    rows = [
        [
            name,
            f"{point['level']:g}",
            with_interval(point, "per_instance", "top1"),
            point["change"],
            f"{point['p']:.2g}",
        ]
        for name, curve in found["curves"].items()
        for point in curve["points"]
    ]
    header = ["damage", "level", "top-1 % [95 %]", "change", "p"]
    table = Table(title="top-1 as recordings get worse")
    for name in header:
        table.add_column(name, justify="left" if name == "damage" else "right")
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
    if kind == ".json":
        write_json(out, found)
    else:
        _write_curves(out, found, header, rows)
    console.print(f"robustness: {out}", markup=False)
    return OK


def _write_curves(out: Path, found: dict[str, Any], header: list[str], rows: list[list[Any]]) -> None:
    units = "; ".join(f"{name}: {curve['unit']}" for name, curve in found["curves"].items())
    caption = f"Levels mean: {units}. p: McNemar's test against the clips as recorded."
    lead = f"{found['per_instance']['top1']:.1f} % top-1 of {found['clips']} clips as recorded, and as they get worse."
    if found["selected_on"]:
        lead += f" The model was selected on {', '.join(found['selected_on'])}: not a test result."
    facts = {"Run": found["run"], "Data": ", ".join(found["data"]), "Split hash": found["split_hash"]}
    pictures = [("Curves", "Top-1 per instance with Wilson's 95 % interval.", robustness_figure(found))]
    tables = [ReportTable("Points", header, rows, caption)]
    write_report(out, title="Robustness", lead=lead, facts=facts, tables=tables, figures=pictures)


def _show_retrieval(found: dict[str, Any]) -> None:
    title = f"{found['clips']} clips among {found['label_count']} glosses by {found['by']}, in percent [95 %]"
    table = Table(title=f"{', '.join(found['split'])}: {title}")
    for name in ("", *(kind.replace("_", " ") for kind in KINDS)):
        table.add_column(name, justify="right" if name else "left")
    for name in found["per_instance"]:
        table.add_row(name, *(with_interval(found, kind, name) for kind in KINDS))
    console.print(table)
