"""A dictionary's calibration: its own recordings, each looked up among those of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twinsign.dictionary.calibration import FEWEST, OpenCalibration, fit_open_set
from twinsign.evaluation.retrieve import Ranker, nearest_scores, prototype_scores

Ranking = Literal["nearest", "prototype"]
RANKERS: dict[Ranking, Ranker] = {"nearest": nearest_scores, "prototype": prototype_scores}
AT_ONCE = 64
"""Vectors compared with all entries at once."""
MAX_QUERIES = 512
"""Most recordings that a calibration is fitted on: a seeded draw of a dictionary's."""


def calibrate_held_out(vectors: Tensor, labels: Tensor, signers: Sequence[str | None], by: Ranking) -> OpenCalibration:
    """Calibration fitted on unit vectors (N D) with labels (N), each looked up among the others.

    Who enrols a sign seldom looks it up: where enough recordings have their gloss from another named signer, too, these
    are looked up among other named signers' recordings alone. Else each is looked up among all others.
    """
    glosses = int(labels.max()) + 1 if len(labels) else 0
    names = np.asarray([name or "" for name in signers])
    several = (labels.bincount(minlength=glosses)[labels] > 1).nonzero().squeeze(1)
    crossing = _crossing(labels, names)
    for query, search in ((crossing, _by_other_signers), (several, _by_all_others)):
        drawn = query[torch.randperm(len(query), generator=torch.Generator().manual_seed(0))[:MAX_QUERIES]]
        if len(drawn) >= FEWEST and len(labels[drawn].unique()) > 1:
            return fit_open_set(search(vectors, labels, names, drawn, by), labels[drawn])
    return OpenCalibration()


def _crossing(labels: Tensor, names: NDArray[np.str_]) -> Tensor:
    """The entries whose gloss another signer shows, too, both named."""
    named = np.flatnonzero(names != "")
    signer, gloss = np.unique(names[named], return_inverse=True)[1], labels.numpy()[named]
    signers_of = np.bincount(np.unique(np.stack([gloss, signer]), axis=1)[0], minlength=len(labels))
    return torch.from_numpy(named[signers_of[gloss] > 1])


def _by_other_signers(vectors: Tensor, labels: Tensor, names: NDArray[np.str_], query: Tensor, by: Ranking) -> Tensor:
    """Similarities (Q C) of entries to the glosses as other named signers sign them; -1 where none of them does."""
    glosses = int(labels.max()) + 1
    similarity = vectors.new_full((len(query), glosses), -1.0)
    for name in np.unique(names[query]):
        rows, kept = np.flatnonzero(names[query] == name), np.flatnonzero((names != name) & (names != ""))
        scores = RANKERS[by](vectors[query[rows]], vectors[kept], labels[kept], glosses)
        signed = labels[kept].bincount(minlength=glosses) > 0
        similarity[rows] = torch.where(signed, scores, -1.0)
    return similarity


def _by_all_others(vectors: Tensor, labels: Tensor, names: NDArray[np.str_], query: Tensor, by: Ranking) -> Tensor:
    """Similarities (Q C) of entries to all glosses, each without the entry itself."""
    glosses = int(labels.max()) + 1
    similarity = torch.cat([RANKERS[by](batch, vectors, labels, glosses) for batch in vectors[query].split(AT_ONCE)])
    own = torch.stack([_own_similarity(vectors, labels, row, by) for row in query.tolist()])
    return similarity.scatter_(1, labels[query][:, None], own[:, None])


def _own_similarity(vectors: Tensor, labels: Tensor, row: int, by: Ranking) -> Tensor:
    """Similarity of an entry to its gloss's other recordings: to the nearest, or to their unit mean."""
    rows = (labels == labels[row]).nonzero().squeeze(1)
    gallery = vectors[rows[rows != row]]
    return RANKERS[by](vectors[row : row + 1], gallery, torch.zeros(len(gallery), dtype=torch.long), 1)[0, 0]
