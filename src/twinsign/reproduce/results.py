"""What a grid's cells say together: accuracies over seeds and clips, differences between rows, the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.evaluation.fuse import fuse, mix_of
from twinsign.evaluation.metrics import Scored, accuracy_report
from twinsign.evaluation.scores import NAMED, ScoreFile, aligned, read_scores
from twinsign.evaluation.significance import compare, report_over_seeds
from twinsign.files import parse_json, sha256
from twinsign.pack.open import Pack
from twinsign.pack.selection import clip_ids
from twinsign.reproduce.grid import Grid
from twinsign.reproduce.plan import Column, Row

NEEDED = ("cell", "split_hash", "selected_on", "signers", "overlap", "ece_calibrated")
"""Keys of a cell's report that are looked at."""
AGAIN = "Delete the cell's .json, and the same command makes it anew."
Answers = dict[tuple[str, str], list[Scored]]
"""By row and column, what each seed's model says of the same clips."""


def answers(grid: Grid, rgb: Mapping[str, str]) -> Answers:
    """Every row's scores by column, seed by seed; rows with RGB add another model's scores, a file a column."""
    found: Answers = {}
    for name in grid.ground.columns:
        cells = [cell for cell in grid.cells if cell.name == name]
        files = [_scores(grid.report(cell)) for cell in cells]
        if not files:
            continue
        extra = [read_scores(rgb[name])] if name in rgb else []
        members = aligned([*files, *extra])
        for cell, scored in zip(cells, members, strict=False):
            found.setdefault((cell.row.name, name), []).append(scored)
        last: list[Scored] = []
        for row in grid.experiment.rows:
            last = found.get((row.name, name), last)
            if row.with_rgb and extra:
                found[row.name, name] = [fuse([one, members[-1]], mix_of(2)) for one in last]
    return found


def check_rgb(files: Mapping[str, str], pack: Pack, columns: Mapping[str, Column], splits: Sequence[str]) -> None:
    """InputError where another model's scores lack clips of their column: before hours of work."""
    for name, file in files.items():
        column, known = columns[name], {*read_scores(file).ids}
        wanted = clip_ids(pack, pack.select(list(splits), [*column.train, *column.evaluate]))
        lost = [one for one in wanted if one not in known]
        if lost:
            found = f"no scores of {len(lost)} clips ({', '.join(lost[:NAMED])}{', …' if len(lost) > NAMED else ''})"
            raise InputError(found, f"the {len(wanted)} clips of {name}", file=file)


def rgb_files(words: list[str], columns: Mapping[str, Any]) -> dict[str, str]:
    """RGB score files by column from words COLUMN=FILE, or one FILE where there is one column."""
    found = {}
    for word in words:
        name, separator, file = word.partition("=")
        if not separator and len(columns) == 1:
            name, file = next(iter(columns)), word
        if name not in columns or not file:
            raise InputError(f"RGB scores {word!r}", f"COLUMN=FILE with a column of {', '.join(columns)}")
        found[name] = file
    return found


def summary(name: str, grid: Grid, found: Answers, minutes: float) -> dict[str, Any]:
    """The experiment as JSON: a row's reports by column, its difference from its reference, and the paper's numbers."""
    experiment, ground = grid.experiment, grid.ground
    rows: list[dict[str, Any]] = []
    for row in experiment.rows:
        ours = {column: _entry(grid, found, row, column) for column in ground.columns if (row.name, column) in found}
        rows.append({"name": row.name, "x": _place(grid, row), "line": row.line, "paper": row.paper, "ours": ours})
        rows[-1] |= {"cited": row.cited, "init": row.init, "change": row.change, "head": row.head}
        rows[-1]["label_fraction"] = row.label_fraction
    return {
        "experiment": name,
        "title": experiment.title,
        "section": experiment.section,
        "measures": experiment.measures,
        "columns": {name: vars(column) for name, column in ground.columns.items()},
        "reference": experiment.reference,
        "rows": rows,
        "protocols": sorted({cell.protocol for cell in grid.cells}),
        "recipe": ground.config,
        "recipe_hash": sha256(repr(ground.recipe.as_dict())),
        "recipe_values": ground.recipe.as_dict(),
        "twinsign": __version__,
        "seeds": list(ground.seeds),
        "splits": list(ground.splits),
        "data": list(ground.data),
        "pretrained_on": list(ground.pretrain_on),
        "cells": len(grid.cells),
        "minutes": round(minutes, 1),
        "pretrain_minutes": _minutes(grid),
    }


def _report(place: Path) -> dict[str, Any]:
    """A cell's report; InputError where the file is damaged."""
    try:
        found: dict[str, Any] = parse_json(place.read_bytes())
        missing = [name for name in NEEDED if name not in found]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"no JSON ({error})", "a cell's report", file=place, hint=AGAIN) from error
    if missing:
        raise InputError(f"no {missing[0]}", "a cell's report", file=place, hint=AGAIN)
    return found


def _scores(place: Path) -> ScoreFile:
    """A cell's scores, beside its report; InputError where the file is damaged."""
    try:
        return read_scores(place.with_suffix(".npz"))
    except InputError as error:
        raise InputError(error.found, error.wanted, file=error.file, hint=AGAIN) from error


def _entry(grid: Grid, found: Answers, row: Row, column: str) -> dict[str, Any]:
    scored = found[row.name, column]
    entry = report_over_seeds(scored)
    if len(scored) == 1:  # as `evaluate` says it: Wilson's interval does not shrink to nothing at 0 and 100 %
        entry["interval95"] = accuracy_report(scored[0])["interval95"]
    reports = [_report(grid.report(cell)) for cell in grid.cells if _is(cell, row, column)]
    for key in ("split_hash", "selected_on"):
        entry[key] = reports[0][key] if reports else None
    if reports:
        entry["signers"] = reports[0]["signers"]
        entry["training_clips_shared"] = len(reports[0]["overlap"]) if reports[0]["overlap"] is not None else None
        calibrated = [one["ece_calibrated"] for one in reports]
        entry["ece_calibrated"] = None if None in calibrated else round(fmean(calibrated), 2)
        entry["files"] = [grid.report(cell).name for cell in grid.cells if _is(cell, row, column)]
    other = grid.experiment.compared_with(row)
    if other is not None and (other.name, column) in found:
        entry["difference"] = {"from": other.name, **compare(scored, found[other.name, column])}
    return entry


def _is(cell: Any, row: Row, column: str) -> bool:
    return bool((cell.row.name, cell.name) == (row.name, column))


def _place(grid: Grid, row: Row) -> float | None:
    """Where a row stands on the curve: its own x, or its number of neighbours."""
    if row.neighbours is None:
        return row.x
    return next(float(cell.recipe.objective.neighbours) for cell in grid.cells if cell.row.name == row.name)


def _minutes(grid: Grid) -> float | None:
    """Minutes of the longest pre-training among the cells."""
    places: set[Path] = {grid.report(cell) for cell in grid.cells if cell.column is not None}
    spent = [_report(one)["cell"]["pretrain_minutes"] for one in places]
    known = [one for one in spent if one is not None]
    return max(known) if known else None
