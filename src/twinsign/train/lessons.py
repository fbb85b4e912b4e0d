"""What a classifier learns from others' answers, on labelled and on unlabelled clips (Hinton et al. 2015).

Several models' answers together are better than one's. A classifier that imitates their mean keeps part of what they
gain by being several, and costs as much as one; on clips without a label it also learns where they are unsure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from twinsign.errors import InputError
from twinsign.evaluation.scoring import compute_logits
from twinsign.pack.open import Indices, Pack
from twinsign.pack.selection import ClipSelection, select_pretraining
from twinsign.runs.models import evaluation_loader, load_classifier, viewer_of
from twinsign.runs.run import load_run
from twinsign.train.precision import training_device
from twinsign.views.batches import ClipReader

UNLABELLED = -1
"""Stands for the label of a clip that has none."""


@dataclass(frozen=True)
class Teachers:
    """Whose answers to learn from, and packs whose clips have no part in the labels: all outside val and test.

    Examples:
        >>> import twinsign as ts
        >>> ts.Teachers(["demo/run"], unlabelled=["packs/signs.pack"]).models
        ['demo/run']
    """

    models: Sequence[str | Path]
    unlabelled: Sequence[str | Path] = ()

    def facts(self) -> dict[str, list[str]]:
        """What a RUN records of them."""
        digests = [load_run(model).digest() for model in self.models]
        return {"digests": digests, "unlabelled": [str(path) for path in self.unlabelled]}


class Lessons(NamedTuple):
    """The clips to learn from, labelled ones first, and the teachers' mean probabilities (N C) of each."""

    reader: ClipReader
    place: Tensor
    """Of each row of the pack: where its probabilities stand."""
    probability: Tensor

    def of(self, rows: Tensor) -> Tensor:
        """The teachers' probabilities (B C) of these rows (B) of the pack."""
        return self.probability[self.place[rows.cpu()]].to(rows.device)


def prepare_lessons(teachers: Teachers, clips: ClipSelection, labelled: ClipReader, glosses: Sequence[str]) -> Lessons:
    """The labelled clips and the unlabelled ones, each with what the teachers answer; InputError on other glosses.

    An unlabelled clip that repeats a val or test clip, here or among the labelled packs, is left out.
    """
    pack, rows = labelled.pack, labelled.rows
    labels = labelled.labels
    if teachers.unlabelled:
        pack = Pack([*clips.data, *teachers.unlabelled])  # the labelled rows keep their numbers
        more = select_pretraining(pack)
        more = np.setdiff1d(more[more >= len(labelled.pack)], rows)
        rows, labels = np.concatenate([rows, more]), np.concatenate([labels, np.full(len(more), UNLABELLED)])
    probability = torch.stack([answers_of(model, pack, rows, glosses) for model in teachers.models]).mean(dim=0)
    place = torch.full((len(pack),), -1)
    place[torch.from_numpy(rows)] = torch.arange(len(rows))
    return Lessons(ClipReader(pack, rows, labelled.config, labels.tolist()), place, probability)


def answers_of(model: str | Path, pack: Pack, rows: Indices, glosses: Sequence[str]) -> Tensor:
    """A classifier's probabilities (N C) of these rows, as it sees clips in tests."""
    run = load_run(model)
    if run.labels != [*glosses]:
        raise InputError(f"a teacher of {len(run.labels)} glosses", "of the student's own", file=run.path)
    classifier = load_classifier(run).to(training_device(run.recipe))
    loader = evaluation_loader(pack, rows, run.recipe)
    return torch.from_numpy(compute_logits(classifier, loader, viewer_of(run))).softmax(dim=1)
