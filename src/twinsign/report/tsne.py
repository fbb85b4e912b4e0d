"""Maps of embeddings on a plane by t-SNE, coloured by gloss (paper, Fig. 3)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from openTSNE import TSNE
from openTSNE.initialization import pca
from sklearn.decomposition import PCA

from twinsign.errors import InputError
from twinsign.report.figures import COLOURS, GREY, plain

COLOURED_GLOSSES = 20
MARKERS = ("o", "^", "s")
MOST_POINTS = 2000
_FEWEST_FOR_TSNE = 10
_PERPLEXITY = 30
_PLACED_BY = 5
"""Perplexity by which a clip finds its place on a map of others (openTSNE's default)."""


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
    shaping, found = features[~placed], np.empty((len(features), 2))
    if len(shaping) < _FEWEST_FOR_TSNE:
        flat = PCA(2, random_state=seed).fit(shaping) if len(shaping) > 1 else PCA(2, random_state=seed).fit(features)
        found[:] = flat.transform(features)
        return found
    perplexity = min(_PERPLEXITY, (len(shaping) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, initialization=pca(shaping, random_state=seed), random_state=seed, n_jobs=1)
    drawn = tsne.fit(shaping)
    found[~placed] = drawn
    if placed.any():
        found[placed] = drawn.transform(features[placed], perplexity=min(_PLACED_BY, perplexity))
    return found


def embedding_map(
    embeddings: Mapping[str, ArrayLike],
    glosses: Sequence[str | None],
    seed: int = 0,
    coloured: int | Sequence[str] = COLOURED_GLOSSES,
    placed: NDArray[np.bool_] | None = None,
) -> Figure:
    """One t-SNE panel a name ("before", "after", …) of embeddings (N D) of the same N clips (paper, Fig. 3).

    The most frequent glosses, or those named, are coloured, the rest and clips without a gloss (None) grey; of more
    than 2,000 clips a seeded draw is shown. Clips `placed` (N) on the map of the others have a dark edge. Raises
    InputError where the numbers of clips disagree, a number is not finite or a named gloss is none of the clips'.
    """
    _check(embeddings, len(glosses))
    chosen = _coloured(glosses, coloured)
    placed = np.zeros(len(glosses), bool) if placed is None else placed
    drawn = np.arange(len(glosses))
    if len(glosses) > MOST_POINTS:
        drawn = np.sort(np.random.default_rng(seed).choice(len(glosses), MOST_POINTS, replace=False))
    names = np.array([gloss or "" for gloss in glosses])[drawn]
    placed = placed[drawn]
    shown = f"{len(drawn):,} of {len(glosses):,}" if len(drawn) < len(glosses) else f"{len(drawn):,}"
    edged = f"; {placed.sum():,} placed, with an edge" if placed.any() else ""
    columns = min(3, len(embeddings))
    lines = math.ceil(len(embeddings) / columns)
    figure = Figure(figsize=(3.9 * columns + 1.6, 3.9 * lines), layout="constrained")
    for number, (title, found) in enumerate(embeddings.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        axes.spines[:].set_color("#d0d0d0")
        axes.set_title(f"{plain(title)} ({shown} clips{edged})", loc="left", fontsize=11)
        points = project(np.asarray(found)[drawn], seed, placed)
        _draw_points(axes, points[~placed], names[~placed], chosen)
        if placed.any():
            _draw_points(axes, points[placed], names[placed], chosen, "black")
    handles = _once([one for one in figure.axes[0].collections if len(np.asarray(one.get_offsets()))])
    figure.legend(handles=handles, loc="outside right center", fontsize=8, frameon=False, markerscale=1.3)
    return figure


def _check(embeddings: Mapping[str, ArrayLike], clips: int) -> None:
    if not embeddings or not clips:
        raise InputError(f"{len(embeddings)} sets of embeddings of {clips} clips", "at least one of each")
    for name, found in embeddings.items():
        if np.ndim(found) != 2 or np.shape(found)[0] != clips or not np.shape(found)[1]:
            raise InputError(f"{name!r} embeddings of shape {np.shape(found)}", f"({clips} clips, width)")
        if not np.isfinite(found).all():
            raise InputError(f"NaN or infinity in the {name!r} embeddings", "finite numbers")


def _coloured(glosses: Sequence[str | None], wanted: int | Sequence[str]) -> list[str]:
    """The glosses to colour, of at most one a colour and marker."""
    counts, most = Counter(str(name) for name in glosses if name), len(COLOURS) * len(MARKERS)
    found = [one for one, _ in counts.most_common(wanted)] if isinstance(wanted, int) else list(dict.fromkeys(wanted))
    missing = [one for one in found if one not in counts]
    if missing:
        some = ", ".join(sorted(counts)[:8])
        raise InputError(f"gloss {missing[0]!r}", f"glosses of the clips, such as {some}")
    if len(found) > most:
        raise InputError(f"{len(found)} glosses to colour", f"at most {most}, that can be told apart")
    return found


def _once(handles: Sequence[Collection]) -> list[Collection]:
    """The handles of a legend, each label once."""
    return list({str(handle.get_label()): handle for handle in reversed(handles)}.values())[::-1]


def _draw_points(
    axes: Axes, points: NDArray[np.float64], names: NDArray[np.str_], chosen: Sequence[str], edge: str = "none"
) -> None:
    about: dict[str, Any] = {"linewidth": 0 if edge == "none" else 0.7, "edgecolor": edge, "rasterized": True}
    rest = points[~np.isin(names, chosen)]
    axes.scatter(rest[:, 0], rest[:, 1], s=5, facecolor=GREY, alpha=0.5, label="other", **about)
    for place, gloss in enumerate(chosen):
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place // len(COLOURS)]
        own, size = points[names == gloss], 13 if edge == "none" else 26
        axes.scatter(own[:, 0], own[:, 1], s=size, facecolor=colour, marker=marker, label=plain(gloss, 24), **about)
