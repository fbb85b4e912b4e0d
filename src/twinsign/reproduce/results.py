"""A grid's results: accuracies over seeds and clips, differences between rows, the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.evaluation.fuse import fuse, fusion_weights
from twinsign.evaluation.metrics import ClipScores, accuracy_report
from twinsign.evaluation.score_files import NAMED, ScoreFile, align_scores, read_scores
from twinsign.evaluation.significance import compare, report_over_seeds
from twinsign.files import parse_json, sha256
from twinsign.pack.open import Pack
from twinsign.pack.selection import clip_ids
from twinsign.reproduce.grid import Grid
from twinsign.reproduce.plan import Column, Row

REQUIRED = ("cell", "split_hash", "selected_on", "signers", "overlap", "ece_calibrated")
"""Keys of a cell's report that are read."""
RECOMPUTE = "Delete the cell's .json, and the same command computes it again."
ScoresByCell = dict[tuple[str, str], list[ClipScores]]
"""Scores of each seed's model on the same clips, by row and column."""


def collect_scores(grid: Grid, rgb: Mapping[str, str]) -> ScoresByCell:
    """Every row's scores by column, seed by seed; rows with RGB add the scores of another model, one file a column."""
    scores: ScoresByCell = {}
    for name in grid.inputs.columns:
        cells = [cell for cell in grid.cells if cell.name == name]
        if not cells:
            continue
        rgb_scores = [read_scores(rgb[name])] if name in rgb else []
        members = align_scores([*(_read_scores(grid.report(cell)) for cell in cells), *rgb_scores])
        for cell, member in zip(cells, members, strict=False):
            scores.setdefault((cell.row.name, name), []).append(member)
        trained: list[ClipScores] = []
        for row in grid.experiment.rows:
            trained = scores.get((row.name, name), trained)
            if row.with_rgb and rgb_scores:
                scores[row.name, name] = [fuse([member, members[-1]], fusion_weights(2)) for member in trained]
    return scores


def check_rgb(files: Mapping[str, str], pack: Pack, columns: Mapping[str, Column], splits: Sequence[str]) -> None:
    """InputError where another model's scores lack clips of their column: before hours of training."""
    for name, file in files.items():
        column, scored = columns[name], {*read_scores(file).ids}
        wanted = clip_ids(pack, pack.select(list(splits), [*column.train, *column.evaluate]))
        lost = [clip for clip in wanted if clip not in scored]
        if lost:
            gap = f"no scores of {len(lost)} clips ({', '.join(lost[:NAMED])}{', …' if len(lost) > NAMED else ''})"
            raise InputError(gap, f"the {len(wanted)} clips of {name}", file=file)


def parse_rgb_files(words: list[str], columns: Mapping[str, Any]) -> dict[str, str]:
    """RGB score files by column from words COLUMN=FILE, or one FILE where there is one column."""
    files = {}
    for word in words:
        name, separator, file = word.partition("=")
        if not separator and len(columns) == 1:
            name, file = next(iter(columns)), word
        if name not in columns or not file:
            raise InputError(f"RGB scores {word!r}", f"COLUMN=FILE with a column of {', '.join(columns)}")
        files[name] = file
    return files


def summarize(name: str, grid: Grid, scores: ScoresByCell, minutes: float) -> dict[str, Any]:
    """The experiment as JSON: a row's reports by column, its difference from its reference, and the paper's numbers."""
    experiment, inputs = grid.experiment, grid.inputs
    paths = {grid.report(cell) for cell in grid.cells if cell.column is not None}
    reports = {path: _read_report(path) for path in paths}
    pretraining = [report["cell"]["pretrain_minutes"] for report in reports.values()]
    recipe = inputs.recipe.as_dict()
    return {
        "experiment": name,
        "title": experiment.title,
        "section": experiment.section,
        "measures": experiment.measures,
        "columns": {name: vars(column) for name, column in inputs.columns.items()},
        "reference": experiment.reference,
        "rows": [
            {
                "name": row.name,
                "x": _position(grid, row),
                "line": row.line,
                "paper": row.paper,
                "ours": {
                    column: _entry(grid, scores, row, column, reports)
                    for column in inputs.columns
                    if (row.name, column) in scores
                },
                "cited": row.cited,
                "init": row.init,
                "change": row.change,
                "head": row.head,
                "label_fraction": row.label_fraction,
            }
            for row in experiment.rows
        ],
        "protocols": sorted({cell.protocol for cell in grid.cells}),
        "recipe": inputs.config,
        "recipe_hash": sha256(repr(recipe)),
        "recipe_values": recipe,
        "twinsign": __version__,
        "seeds": list(inputs.seeds),
        "splits": list(inputs.splits),
        "data": list(inputs.data),
        "pretrained_on": list(inputs.pretrain_on),
        "cells": len(grid.cells),
        "minutes": round(minutes, 1),
        "pretrain_minutes": max((spent for spent in pretraining if spent is not None), default=None),
    }


def _entry(
    grid: Grid, scores: ScoresByCell, row: Row, column: str, reports: Mapping[Path, dict[str, Any]]
) -> dict[str, Any]:
    """A row's accuracies in a column over its seeds, what its cells report, and its difference from its reference."""
    seeds = scores[row.name, column]
    entry = report_over_seeds(seeds)
    if len(seeds) == 1:  # as in `evaluate`: Wilson's interval does not shrink to nothing at 0 and 100 %
        entry["interval95"] = accuracy_report(seeds[0])["interval95"]
    files = [grid.report(cell) for cell in grid.cells if (cell.row.name, cell.name) == (row.name, column)]
    entry |= {key: reports[files[0]][key] if files else None for key in ("split_hash", "selected_on")}
    if files:
        first, calibrated = reports[files[0]], [reports[file]["ece_calibrated"] for file in files]
        entry["signers"] = first["signers"]
        entry["training_clips_shared"] = None if first["overlap"] is None else len(first["overlap"])
        entry["ece_calibrated"] = None if None in calibrated else round(fmean(calibrated), 2)
        entry["files"] = [file.name for file in files]
    reference = grid.experiment.compared_with(row)
    if reference is not None and (reference.name, column) in scores:
        entry["difference"] = {"from": reference.name, **compare(seeds, scores[reference.name, column])}
    return entry


def _position(grid: Grid, row: Row) -> float | None:
    """A row's x on the curve: its own, or its number of neighbours."""
    if row.neighbours is None:
        return row.x
    return next(float(cell.recipe.objective.neighbours) for cell in grid.cells if cell.row.name == row.name)


def _read_report(path: Path) -> dict[str, Any]:
    """A cell's report; InputError where the file is damaged."""
    try:
        report: dict[str, Any] = parse_json(path.read_bytes())
        missing = [name for name in REQUIRED if name not in report]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"no JSON ({error})", "a cell's report", file=path, hint=RECOMPUTE) from error
    if missing:
        raise InputError(f"no {missing[0]}", "a cell's report", file=path, hint=RECOMPUTE)
    return report


def _read_scores(path: Path) -> ScoreFile:
    """A cell's scores, beside its report; InputError where the file is damaged."""
    try:
        return read_scores(path.with_suffix(".npz"))
    except InputError as error:
        raise InputError(error.found, error.wanted, file=error.file, hint=RECOMPUTE) from error
