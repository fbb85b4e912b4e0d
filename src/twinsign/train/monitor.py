"""How a pre-training goes, so that collapse is seen: k-NN, effective rank, alignment, uniformity."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import torch
from torch import Tensor, nn

from twinsign.errors import InputError
from twinsign.evaluation.retrieve import knn_scores
from twinsign.nn.features import drawn_views, embed, fixed_views, joint_embedding
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import label_list, labelled_rows
from twinsign.runs.models import evaluation_loader
from twinsign.runs.recipe import Recipe
from twinsign.ssl.pretrain import Pretrainer
from twinsign.views.batches import seeded_generator

MOST_CLIPS = 1000
"""Clips looked at in one measurement, of the gallery and of the questions each."""
NEIGHBOURS = 5


class Monitor:
    """Measures a Pretrainer's query encoders on a fixed, seeded sample: val against train, where there are glosses."""

    def __init__(self, model: Pretrainer, pack: Pack, rows: Indices, recipe: Recipe) -> None:
        self.model, self.pack, self.recipe = model, pack, recipe
        random = np.random.default_rng(0)
        self.gallery = np.sort(random.permutation(rows)[:MOST_CLIPS])
        self.query: Indices = np.zeros(0, np.int64)
        self.glosses: list[str] = []
        with suppress(InputError):
            val = pack.select(["val"])
            labelled_rows = rows[[bool(gloss) for gloss in pack.table["gloss"].take(rows).to_pylist()]]
            glosses = label_list(pack, labelled_rows)
            in_vocabulary = [pack.table["gloss"][int(row)].as_py() in set(glosses) for row in val]
            self.query = random.permutation(val[np.asarray(in_vocabulary, bool)])[:MOST_CLIPS]
            self.gallery = np.sort(random.permutation(labelled_rows)[:MOST_CLIPS])
            self.glosses = glosses

    def encoders(self) -> nn.ModuleDict:
        """The query encoders by branch."""
        return self.model.query_encoders()

    def embeddings(self, encoders: nn.ModuleDict, rows: Indices) -> Tensor:
        """Unit embeddings (N D) of these rows on the test views."""
        viewer = fixed_views(self.recipe.windows, self.recipe.pretrain.frames)
        return joint_embedding(embed(encoders, evaluation_loader(self.pack, rows, self.recipe), viewer)[0])

    def __call__(self) -> dict[str, float]:
        """Online k-NN top-1 in percent, effective rank, alignment and uniformity."""
        encoders = self.encoders()
        embeddings = self.embeddings(encoders, self.gallery)
        measures = {"effective_rank": effective_rank(embeddings), "uniformity": uniformity(embeddings)}
        measures["alignment"] = alignment(*(self._augmented(encoders, number) for number in range(2)))
        if len(self.query):
            gallery = labelled_rows(self.pack, self.gallery, self.glosses)
            query = labelled_rows(self.pack, self.query, self.glosses)
            labels = torch.from_numpy(gallery.labels)
            scores = knn_scores(
                self.embeddings(encoders, self.query), embeddings, labels, len(self.glosses), NEIGHBOURS
            )
            measures["knn_top1"] = 100 * float((scores.argmax(dim=1) == torch.from_numpy(query.labels)).float().mean())
        return {name: round(value, 4) for name, value in measures.items()}

    def _augmented(self, encoders: nn.ModuleDict, number: int) -> Tensor:
        config, generator = self.recipe.pretrain, seeded_generator(0, 3, number)
        rows = self.gallery[: MOST_CLIPS // 4]
        loader = evaluation_loader(self.pack, rows, self.recipe)
        return joint_embedding(embed(encoders, loader, drawn_views(config.augment, config.frames, generator))[0])


def effective_rank(z: Tensor) -> float:
    """Exponential of the entropy of the singular values of centred z (N D) (Roy and Vetterli 2007)."""
    values = torch.linalg.svdvals((z - z.mean(dim=0)).double())
    share = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))


def alignment(first: Tensor, second: Tensor) -> float:
    """Mean squared distance of positive pairs of unit vectors (N D) (Wang and Isola 2020)."""
    return float((first - second).square().sum(dim=1).mean())


def uniformity(z: Tensor, temperature: float = 2.0) -> float:
    """Log of the mean Gaussian potential over pairs of unit vectors (N D) (Wang and Isola 2020)."""
    squared = torch.pdist(z).square()
    return float((-temperature * squared).exp().mean().clamp(min=1e-12).log())
