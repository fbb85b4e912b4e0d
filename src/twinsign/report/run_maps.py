"""Maps of a RUN's embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.nn.config import PARTS
from twinsign.nn.features import embed, joint_embedding
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection
from twinsign.report.tsne import embedding_map
from twinsign.runs.models import (
    evaluation_loader,
    head_recipe,
    load_encoders,
    viewer_of,
)
from twinsign.runs.run import load_run


def maps(
    model: str | Path,
    clips: ClipSelection,
    splits: list[str] | None,
    coloured: int | Sequence[str],
    onto: str | None = None,
    seed: int = 0,
) -> Figure:
    """Maps of a RUN's clips by each of its branches and by all, coloured by gloss (paper, Fig. 3).

    With `onto` that split's clips shape the maps and the others are placed on them.
    """
    run, pack = load_run(model), Pack(clips.data)
    if onto is not None and (splits is None or onto in splits):
        raise InputError(f"split {onto!r} as map and as the clips placed on it", "another split", file=pack.paths[0])
    rows = pack.select(splits, clips.where)
    shaping = rows[:0] if onto is None else pack.select([onto], clips.where)
    both = np.concatenate([shaping, rows])
    parts = head_recipe(run).head.parts if run.kind == "classifier" else PARTS
    encoders = load_encoders(run).to(fastest_device())
    features, _ = embed(encoders, evaluation_loader(pack, both, run.recipe), viewer_of(run), parts)
    found = {name: joint_embedding({name: value}).numpy() for name, value in features.items()}
    if len(features) > 1:
        found[" + ".join(features)] = joint_embedding(features).numpy()
    glosses = pack.table["gloss"].take(both).to_pylist()
    placed = None if onto is None else np.arange(len(both)) >= len(shaping)
    return embedding_map(found, glosses, seed, coloured, placed)
