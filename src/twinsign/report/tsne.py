"""Maps of embeddings on a plane by t-SNE, coloured by gloss (paper, Fig. 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from openTSNE import TSNE
from openTSNE.initialization import pca
from sklearn.decomposition import PCA

from twinsign.distributed import fastest_device
from twinsign.errors import InputError
from twinsign.nn.config import PARTS
from twinsign.nn.features import embed, joint_embedding
from twinsign.pack.open import Pack
from twinsign.pack.selection import ClipSelection
from twinsign.report.figures import COLOURS, GREY, label_text, panel_grid
from twinsign.runs.models import evaluation_loader, head_recipe, load_encoders, viewer_of
from twinsign.runs.run import load_run

MARKERS = ("o", "^", "s")
MOST_POINTS = 2000


def run_maps(
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
    drawn = np.concatenate([shaping, rows])
    parts = head_recipe(run).head.parts if run.kind == "classifier" else PARTS
    encoders = load_encoders(run).to(fastest_device())
    features, _ = embed(encoders, evaluation_loader(pack, drawn, run.recipe), viewer_of(run), parts)
    combinations = {name: {name: value} for name, value in features.items()} | {" + ".join(features): features}
    embeddings = {name: joint_embedding(branches).numpy() for name, branches in combinations.items()}
    glosses = pack.table["gloss"].take(drawn).to_pylist()
    placed = None if onto is None else np.arange(len(drawn)) >= len(shaping)
    return embedding_map(embeddings, glosses, seed, coloured, placed)


def embedding_map(
    embeddings: Mapping[str, ArrayLike],
    glosses: Sequence[str | None],
    seed: int = 0,
    coloured: int | Sequence[str] = 20,
    placed: NDArray[np.bool_] | None = None,
) -> Figure:
    """Embeddings (N D) of the same clips side by side, each on a map of its own, in the same colours.

    The most frequent glosses, or those named, are coloured, all others and clips without a gloss (None) grey; of more
    than 2,000 clips a seeded draw is shown. Clips `placed` (N) on the map of the others have a dark edge. Raises
    InputError where the numbers of clips disagree, a number is not finite or a named gloss is none of the clips'.
    """
    clips = len(glosses)
    _check(embeddings, clips)
    chosen = _coloured(glosses, coloured)
    placed = np.zeros(clips, bool) if placed is None else placed
    drawn = np.arange(clips)
    if clips > MOST_POINTS:
        drawn = np.sort(np.random.default_rng(seed).choice(clips, MOST_POINTS, replace=False))
    names, placed = np.array([gloss or "" for gloss in glosses])[drawn], placed[drawn]
    counts = f"{len(drawn):,} of {clips:,}" if len(drawn) < clips else f"{clips:,}"
    edged = f"; {placed.sum():,} placed, with an edge" if placed.any() else ""
    figure, positions = panel_grid(len(embeddings), 3.9, 3.9, 1.6)
    for (title, vectors), position in zip(embeddings.items(), positions, strict=True):
        axes = figure.add_subplot(*position)
        axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        axes.spines[:].set_color("#d0d0d0")
        axes.set_title(f"{label_text(title)} ({counts} clips{edged})", loc="left", fontsize=11)
        points = project(np.asarray(vectors)[drawn], seed, placed)
        _draw_points(axes, points[~placed], names[~placed], chosen)
        if placed.any():
            _draw_points(axes, points[placed], names[placed], chosen, "black")
    filled = [group for group in figure.axes[0].collections if len(np.asarray(group.get_offsets()))]
    handles = {str(group.get_label()): group for group in reversed(filled)}  # each label once
    figure.legend(
        handles=[*handles.values()][::-1], loc="outside right center", fontsize=8, frameon=False, markerscale=1.3
    )
    return figure


def _check(embeddings: Mapping[str, ArrayLike], clips: int) -> None:
    if not embeddings or not clips:
        raise InputError(f"{len(embeddings)} sets of embeddings of {clips} clips", "at least one of each")
    for name, vectors in embeddings.items():
        if np.ndim(vectors) != 2 or np.shape(vectors)[0] != clips or not np.shape(vectors)[1]:
            raise InputError(f"{name!r} embeddings of shape {np.shape(vectors)}", f"({clips} clips, width)")
        if not np.isfinite(vectors).all():
            raise InputError(f"NaN or infinity in the {name!r} embeddings", "finite numbers")


def _coloured(glosses: Sequence[str | None], wanted: int | Sequence[str]) -> list[str]:
    """The glosses to colour, at most one for each colour and marker."""
    counts, most = Counter(str(name) for name in glosses if name), len(COLOURS) * len(MARKERS)
    chosen = [name for name, _ in counts.most_common(wanted)] if isinstance(wanted, int) else [*dict.fromkeys(wanted)]
    missing = [name for name in chosen if name not in counts]
    if missing:
        raise InputError(f"gloss {missing[0]!r}", f"glosses of the clips, such as {', '.join(sorted(counts)[:8])}")
    if len(chosen) > most:
        raise InputError(f"{len(chosen)} glosses to colour", f"at most {most}, that can be told apart")
    return chosen


def project(embeddings: ArrayLike, seed: int = 0, placed: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """A seeded map (N 2) of embeddings (N D), each scaled to length 1: t-SNE from PCA; PCA alone under 10 clips.

    Embeddings that are all the same (a collapsed model) stay one point. Those `placed` (N) do not shape the map: they
    are put onto the map of the others, which stays as it is (Poličar et al. 2019).
    """
    features = np.asarray(embeddings, np.float64)
    features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    features = np.pad(features, ((0, 0), (0, max(0, 2 - features.shape[1]))))
    if np.ptp(features, axis=0).max() < 1e-9:
        return np.zeros((len(features), 2))
    placed = np.zeros(len(features), bool) if placed is None else placed
    shaping = features[~placed]
    points: NDArray[np.float64] = np.empty((len(features), 2))
    if len(shaping) < 10:
        points[:] = PCA(2, random_state=seed).fit(shaping if len(shaping) > 1 else features).transform(features)
        return points
    perplexity = min(30, (len(shaping) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, initialization=pca(shaping, random_state=seed), random_state=seed, n_jobs=1)
    points[~placed] = fitted = tsne.fit(shaping)
    if placed.any():
        points[placed] = fitted.transform(features[placed], perplexity=min(5, perplexity))  # openTSNE's default
    return points


def _draw_points(
    axes: Axes, points: NDArray[np.float64], names: NDArray[np.str_], chosen: Sequence[str], edge: str = "none"
) -> None:
    style: dict[str, Any] = {"linewidth": 0 if edge == "none" else 0.7, "edgecolor": edge, "rasterized": True}
    grey = points[~np.isin(names, chosen)]
    axes.scatter(grey[:, 0], grey[:, 1], s=5, facecolor=GREY, alpha=0.5, label="other", **style)
    for number, gloss in enumerate(chosen):
        marker, size = MARKERS[number // len(COLOURS)], 13 if edge == "none" else 26
        x, y = points[names == gloss].T
        colour = COLOURS[number % len(COLOURS)]
        axes.scatter(x, y, s=size, facecolor=colour, marker=marker, label=label_text(gloss, 24), **style)
