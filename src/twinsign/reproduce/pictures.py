"""What is drawn of an experiment: its curve, the maps of its pre-trainings, or clips with each row's guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twinsign.pack.open import Pack
from twinsign.recognise.embed import embed, fastest_device, joint_embedding, test_view
from twinsign.recognise.evaluate import frames_of, in_order
from twinsign.recognise.figures import accuracy_bars
from twinsign.recognise.maps import embedding_map
from twinsign.recognise.report import Picture
from twinsign.recognise.story import MOST_MAPPED
from twinsign.reproduce.found import Answers
from twinsign.reproduce.grid import Grid
from twinsign.run import load_encoders, load_run

SHOWN = 6
"""Clips, or groups of clips, of a picture."""


def pictures(grid: Grid, scores: Answers, found: Mapping[str, Any]) -> list[Picture]:
    """The experiment's pictures: bars of each column, and what the experiment names besides (paper, Figs. 3 to 6)."""
    wanted = grid.experiment.picture
    if wanted is not None and wanted.kind == "map":
        return [_maps(grid)]
    return [_bars(found, column) for column in grid.ground.columns]


def _bars(found: Mapping[str, Any], column: str) -> Picture:
    rows = {}
    for row in found["rows"]:
        if column in row["ours"]:
            entry = row["ours"][column]
            rows[row["name"]] = (entry["per_instance"]["top1"], *entry["interval95"]["per_instance.top1"])
    return f"{found['title']}: {column}", "Top-1 per instance with its 95 % interval.", accuracy_bars(rows)


def _maps(grid: Grid) -> Picture:
    """The first seed's pre-trained encoders on the evaluated clips."""
    pack, first = Pack(list(grid.ground.data)), grid.ground.seeds[0]
    rows = pack.select(list(grid.ground.splits))
    rows = rows[pack.usable[rows]][:MOST_MAPPED]
    embeddings = {}
    for cell in grid.cells:
        start = grid.pretrained(cell)
        if cell.seed == first and start is not None:
            run = load_run(start)
            encoders = load_encoders(run).to(fastest_device())
            features, _ = embed(encoders, in_order(pack, rows, run.recipe), test_view(frames_of(run)))
            embeddings[cell.row.name] = joint_embedding(features).numpy()
    glosses = pack.table["gloss"].take(np.asarray(rows)).to_pylist()
    caption = f"{len(rows)} clips of {', '.join(grid.ground.splits)}; t-SNE; the colours are the most frequent glosses."
    return "Embeddings after pre-training", caption, embedding_map(embeddings, glosses, first)
