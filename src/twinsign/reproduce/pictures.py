"""An experiment's pictures: accuracy bars, and its curve, the maps of its pre-trainings, or clips with predictions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from twinsign.distributed import fastest_device
from twinsign.nn.features import embed, joint_embedding
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import clip_ids
from twinsign.report.cases import part_cases, signer_cases
from twinsign.report.figures import accuracy_bars
from twinsign.report.html import Picture
from twinsign.report.run_page import MOST_MAPPED
from twinsign.report.trends import learning_curve
from twinsign.report.tsne import embedding_map
from twinsign.reproduce.grid import Grid
from twinsign.reproduce.plan import Column
from twinsign.reproduce.results import ScoresByCell
from twinsign.runs.models import evaluation_loader, load_encoders, viewer_of
from twinsign.runs.run import load_run
from twinsign.terminal import escape_controls

log = logging.getLogger("twinsign")
SHOWN = 4
"""Clips of Fig. 5."""
INTERVAL = "Top-1 per instance with its 95 % interval."


def draw_pictures(grid: Grid, scores: ScoresByCell, summary: Mapping[str, Any]) -> list[Picture]:
    """The experiment's pictures: bars of each column, then those of its `picture` (paper, Figs. 3 to 6)."""
    picture = grid.experiment.picture
    if picture is not None and picture.kind == "map":
        return [_maps(grid)]
    drawn, special = [], []
    for column in grid.inputs.columns:
        rows = [(row, _top1(row["ours"][column])) for row in summary["rows"] if column in row["ours"]]
        if not rows:
            continue
        drawn.append(
            (f"{summary['title']}: {column}", INTERVAL, accuracy_bars({row["name"]: top1 for row, top1 in rows}))
        )
        if picture is not None and picture.kind == "curve":
            points: dict[float, dict[str, tuple[float, float, float]]] = {}
            for row, top1 in rows:
                if row["x"] is not None:
                    points.setdefault(row["x"], {})[row["line"] or column] = top1
            curve = learning_curve(sorted(points.items()), x_label=picture.x, log=picture.log)
            special.append((f"{column} by {picture.x}", INTERVAL, curve))
        elif picture is not None:
            special += _cases(grid, scores, column, picture.kind)
    return drawn + special


def _top1(entry: Mapping[str, Any]) -> tuple[float, float, float]:
    low, high = entry["interval95"]["per_instance.top1"]
    return entry["per_instance"]["top1"], low, high


def _evaluated(grid: Grid, column: Column) -> tuple[Pack, Indices]:
    pack = Pack(list(grid.inputs.data))
    return pack, pack.select(list(grid.inputs.splits), [*column.train, *column.evaluate])


def _cases(grid: Grid, scores: ScoresByCell, column: str, kind: str) -> list[Picture]:
    """Clips with the first seed's predictions by each row; none, with a logged note, where the rows never differ so."""
    pack, rows = _evaluated(grid, grid.inputs.columns[column])
    place = dict(zip(clip_ids(pack, rows), rows.tolist(), strict=True))
    experiment = grid.experiment
    models = {row.name: scores[row.name, column][0] for row in experiment.rows if (row.name, column) in scores}
    clips = np.asarray([place[name] for name in next(iter(models.values())).ids])
    if kind == "parts":
        figure, caption = part_cases(models, pack, clips, whole=experiment.rows[-1].name, count=SHOWN, converse=2)
    else:
        figure, caption = signer_cases(models, pack, clips)
    if figure is None:
        log.warning("note: no picture of %s: %s", escape_controls(column), escape_controls(caption))
        return []
    return [(f"{experiment.title}: {column}", caption, figure)]


def _maps(grid: Grid) -> Picture:
    """The first seed's pre-trained encoders on the evaluated clips of the first column."""
    first = grid.inputs.seeds[0]
    pack, rows = _evaluated(grid, next(iter(grid.inputs.columns.values())))
    rows = rows[pack.usable[rows]][:MOST_MAPPED]
    embeddings = {}
    for cell in grid.cells:
        start = grid.pretrained(cell)
        if cell.seed == first and start is not None:
            run = load_run(start)
            encoders = load_encoders(run).to(fastest_device())
            features, _ = embed(encoders, evaluation_loader(pack, rows, run.recipe), viewer_of(run))
            embeddings[cell.row.name] = joint_embedding(features).numpy()
    glosses = pack.table["gloss"].take(rows).to_pylist()
    caption = f"{len(rows)} clips of {', '.join(grid.inputs.splits)}; t-SNE; the colours are the most frequent glosses."
    return "Embeddings after pre-training", caption, embedding_map(embeddings, glosses, first)
