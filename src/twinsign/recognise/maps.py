"""Maps of embeddings on a plane by t-SNE, coloured by gloss (paper, Fig. 3)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from openTSNE import TSNE
from openTSNE.initialization import pca
from sklearn.decomposition import PCA

from twinsign.errors import InputError
from twinsign.recognise.figures import COLOURS, GREY, plain

COLOURED_GLOSSES = 20
MARKERS = ("o", "^", "s")
MOST_POINTS = 2000
_FEWEST_FOR_TSNE = 10
_PERPLEXITY = 30


def project(embeddings: ArrayLike, seed: int = 0) -> NDArray[np.float64]:
    """A seeded map (N 2) of embeddings (N D), each scaled to length 1: t-SNE from PCA; PCA alone under 10 clips (ours).

    Embeddings that are all the same (a collapsed model) stay one point.
    """
    features = np.asarray(embeddings, np.float64)
    features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    features = np.pad(features, ((0, 0), (0, max(0, 2 - features.shape[1]))))
    if np.ptp(features, axis=0).max() < 1e-9:
        return np.zeros((len(features), 2))
    if len(features) < _FEWEST_FOR_TSNE:
        flat: NDArray[np.float64] = PCA(2, random_state=seed).fit_transform(features)
        return flat
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, initialization=pca(features, random_state=seed), random_state=seed, n_jobs=1)
    return np.asarray(tsne.fit(features))


def embedding_map(embeddings: Mapping[str, ArrayLike], glosses: Sequence[str | None], seed: int = 0) -> Figure:
    """One t-SNE panel a name ("before", "after", …) of embeddings (N D) of the same N clips (paper, Fig. 3).

    The 20 most frequent glosses are coloured, the rest and clips without a gloss (None) grey; of more than 2,000 clips
    a seeded draw is shown. Raises InputError where the numbers of clips disagree or a number is not finite.
    """
    _check(embeddings, len(glosses))
    drawn = np.arange(len(glosses))
    if len(glosses) > MOST_POINTS:
        drawn = np.sort(np.random.default_rng(seed).choice(len(glosses), MOST_POINTS, replace=False))
    names = np.array([gloss or "" for gloss in glosses])[drawn]
    frequent = [gloss for gloss, _ in Counter(str(name) for name in names if name).most_common(COLOURED_GLOSSES)]
    shown = f"{len(drawn):,} of {len(glosses):,}" if len(drawn) < len(glosses) else f"{len(drawn):,}"
    columns = min(3, len(embeddings))
    lines = math.ceil(len(embeddings) / columns)
    figure = Figure(figsize=(3.9 * columns + 1.6, 3.9 * lines), layout="constrained")
    for number, (title, found) in enumerate(embeddings.items(), 1):
        axes = figure.add_subplot(lines, columns, number)
        axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
        axes.spines[:].set_color("#d0d0d0")
        axes.set_title(f"{plain(title)} ({shown} clips)", loc="left", fontsize=11)
        _draw_points(axes, project(np.asarray(found)[drawn], seed), names, frequent)
    handles = [handle for handle in figure.axes[0].collections if len(np.asarray(handle.get_offsets()))]
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


def _draw_points(axes: Axes, points: NDArray[np.float64], names: NDArray[np.str_], frequent: Sequence[str]) -> None:
    rest = points[~np.isin(names, frequent)]
    axes.scatter(rest[:, 0], rest[:, 1], s=5, color=GREY, alpha=0.5, linewidth=0, rasterized=True, label="other")
    for place, gloss in enumerate(frequent):
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place // len(COLOURS)]
        own, label = points[names == gloss], plain(gloss, 18)
        axes.scatter(own[:, 0], own[:, 1], s=13, color=colour, marker=marker, linewidth=0, rasterized=True, label=label)
