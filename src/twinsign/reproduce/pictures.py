"""What is drawn of an experiment: its curve, the maps of its pre-trainings, or clips with each row's guess."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from twinsign.distributed import fastest_device
from twinsign.nn.features import embed, joint_embedding
from twinsign.pack.open import Pack
from twinsign.pack.selection import clip_ids
from twinsign.report.cases import part_cases, signer_cases
from twinsign.report.figures import accuracy_bars
from twinsign.report.html import Picture
from twinsign.report.run_page import MOST_MAPPED
from twinsign.report.trends import learning_curve
from twinsign.report.tsne import embedding_map
from twinsign.reproduce.grid import Grid
from twinsign.reproduce.plan import Picture as Wanted
from twinsign.reproduce.results import Answers
from twinsign.runs.models import evaluation_loader, load_encoders, viewer_of
from twinsign.runs.run import load_run
from twinsign.terminal import plain

log = logging.getLogger("twinsign")
SHOWN = 4
"""Clips of Fig. 5."""
INTERVAL = "Top-1 per instance with its 95 % interval."


def pictures(grid: Grid, scores: Answers, found: Mapping[str, Any]) -> list[Picture]:
    """The experiment's pictures: bars of each column, and what the experiment names besides (paper, Figs. 3 to 6)."""
    wanted, columns = grid.experiment.picture, list(grid.ground.columns)
    if wanted is not None and wanted.kind == "map":
        return [_maps(grid)]
    columns = [name for name in columns if any(name in row["ours"] for row in found["rows"])]
    drawn = [_bars(found, column) for column in columns]
    if wanted is not None and wanted.kind == "curve":
        drawn += [_curve(found, column, wanted) for column in columns]
    elif wanted is not None:
        drawn += [picture for column in columns if (picture := _cases(grid, scores, column, wanted.kind))]
    return drawn


def _bars(found: Mapping[str, Any], column: str) -> Picture:
    rows = {row["name"]: _top1(row["ours"][column]) for row in found["rows"] if column in row["ours"]}
    return f"{found['title']}: {column}", INTERVAL, accuracy_bars(rows)


def _curve(found: Mapping[str, Any], column: str, wanted: Wanted) -> Picture:
    points: dict[float, dict[str, tuple[float, float, float]]] = {}
    for row in found["rows"]:
        if row["x"] is not None and column in row["ours"]:
            points.setdefault(row["x"], {})[row["line"] or column] = _top1(row["ours"][column])
    figure = learning_curve(sorted(points.items()), x_label=wanted.x, log=wanted.log)
    return f"{column} by {wanted.x}", INTERVAL, figure


def _top1(entry: Mapping[str, Any]) -> tuple[float, float, float]:
    low, high = entry["interval95"]["per_instance.top1"]
    return entry["per_instance"]["top1"], low, high


def _cases(grid: Grid, scores: Answers, column: str, kind: str) -> Picture | None:
    """Clips with the first seed's guesses by each row; None, but for a note, where the rows never differ so."""
    pack, chosen = Pack(list(grid.ground.data)), grid.ground.columns[column]
    rows = pack.select(list(grid.ground.splits), [*chosen.train, *chosen.evaluate])
    place = dict(zip(clip_ids(pack, rows), rows.tolist(), strict=True))
    models = {row.name: scores[row.name, column][0] for row in grid.experiment.rows if (row.name, column) in scores}
    mine = np.asarray([place[name] for name in next(iter(models.values())).ids])
    if kind == "parts":
        figure, caption = part_cases(models, pack, mine, whole=grid.experiment.rows[-1].name, count=SHOWN, converse=2)
    else:
        figure, caption = signer_cases(models, pack, mine)
    if figure is None:
        log.warning("note: no picture of %s: %s", plain(column), plain(caption))
        return None
    return f"{grid.experiment.title}: {column}", caption, figure


def _maps(grid: Grid) -> Picture:
    """The first seed's pre-trained encoders on the evaluated clips of the first column."""
    pack, first = Pack(list(grid.ground.data)), grid.ground.seeds[0]
    column = next(iter(grid.ground.columns.values()))
    rows = pack.select(list(grid.ground.splits), [*column.train, *column.evaluate])
    rows = rows[pack.usable[rows]][:MOST_MAPPED]
    embeddings = {}
    for cell in grid.cells:
        start = grid.pretrained(cell)
        if cell.seed == first and start is not None:
            run = load_run(start)
            encoders = load_encoders(run).to(fastest_device())
            features, _ = embed(encoders, evaluation_loader(pack, rows, run.recipe), viewer_of(run))
            embeddings[cell.row.name] = joint_embedding(features).numpy()
    glosses = pack.table["gloss"].take(np.asarray(rows)).to_pylist()
    caption = f"{len(rows)} clips of {', '.join(grid.ground.splits)}; t-SNE; the colours are the most frequent glosses."
    return "Embeddings after pre-training", caption, embedding_map(embeddings, glosses, first)
