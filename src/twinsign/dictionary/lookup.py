"""Signs known from a few recordings, without training: enrol them, and find the nearest to another recording.

lookup = Lookup.load("runs/pre", "mine.signs")
lookup.enrol([Sign(read("hello1.pose"), "hello"), Sign(read("hello2.pose"), "hello")])
lookup.search(read("clip.pose")).guesses
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twinsign.dictionary.calibration import FEWEST, OpenCalibration, fit_open_set
from twinsign.dictionary.entries import Added, Entries, Sign
from twinsign.dictionary.store import Dictionary
from twinsign.errors import InputError
from twinsign.evaluation.retrieve import Ranker, nearest, prototypes
from twinsign.inference.embeddings import Embedder
from twinsign.inference.notice import Notice
from twinsign.inference.recogniser import Guess, Recogniser
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import BATCH_MOST, POSE_HASH
from twinsign.pose.recording import FloatArray, Recording
from twinsign.runs.run import load_run

Ranking = Literal["nearest", "prototype"]
RANKED: dict[Ranking, Ranker] = {"nearest": nearest, "prototype": prototypes}
DICTIONARY = "dictionary"
"""A RUN's own dictionary, in its folder, where no other is named."""
AT_ONCE = 64
"""Vectors that are compared with all entries at once."""
ASKED = 512
"""At most so many of a dictionary's recordings are asked of the others, drawn by a fixed seed."""


@dataclass(frozen=True)
class Match:
    """An entry of the dictionary, and the cosine of the angle between it and what was signed."""

    id: str
    gloss: str
    similarity: float


@dataclass(frozen=True)
class Finding:
    """The likeliest glosses, best first, whether the first is to be trusted, and the nearest entries."""

    guesses: list[Guess]
    sure: bool
    nearest: list[Match]
    note: str = ""
    """What is unlike the clips that the model learnt from, in words."""
    unlike: bool = False
    """Whether it is so unlike them that no answer is sure."""


class Lookup:
    """A RUN and a dictionary of its vectors."""

    def __init__(self, embedder: Embedder, dictionary: Dictionary) -> None:
        dictionary.check(embedder.run)
        self.embedder, self.dictionary = embedder, dictionary
        if dictionary.renew(embedder.run, embedder.of_pack):
            self._calibrate()

    @classmethod
    def load(
        cls, run: str | PathLike[str] | None = None, dictionary: str | PathLike[str] | None = None, device: str = "cpu"
    ) -> Lookup:
        """Load a RUN of any kind and a dictionary: the RUN's own unless told, and its RUN unless told."""
        if run is None:
            if dictionary is None:
                raise InputError("neither a RUN nor a dictionary", "one of them")
            run = Dictionary.open(dictionary).about.run
        found = load_run(run)
        embedder = Embedder(found)
        embedder.encoders.to(device)
        path = found.path / DICTIONARY if dictionary is None else Path(dictionary)
        return cls(embedder, Dictionary.of(path, found, embedder.width))

    @classmethod
    def of(cls, recogniser: Recogniser, dictionary: str | PathLike[str]) -> Lookup:
        """The dictionary beside a classifier, whose encoders it shares; InputError where there is none."""
        embedder = Embedder(recogniser.run, recogniser.classifier.encoders)
        return cls(embedder, Dictionary.open(dictionary))

    def enrol(self, signs: Sequence[Sign]) -> Added:
        """Add recordings; InputError, and nothing added, where one shows no hand. Not trained, but calibrated anew."""
        vectors = self.embedder.of([sign.recording for sign in signs])
        return self._settled(self.dictionary.add(signs, vectors))

    def enrol_pack(self, pack: Pack, rows: Indices, tick: Callable[[int], object] = lambda clips: None) -> Added:
        """Add these rows of a pack that show a hand and have a gloss; `tick` is told of each batch's clips."""
        named = np.asarray([bool(gloss) for gloss in pack.table["gloss"].take(rows).to_pylist()], bool)
        usable, done = rows[pack.usable[rows] & named], Added([], [])
        for first in range(0, len(usable), BATCH_MOST):
            part = usable[first : first + BATCH_MOST]
            entries = self.dictionary.refresh()
            there = dict(zip(entries.column(POSE_HASH), entries.ids, strict=True))
            hashes = pack.pose_hashes(part)
            new = part[[one not in there for one in hashes]]
            columns = (pack.table[name].take(new).to_pylist() for name in ("gloss", "signer"))
            signs = [
                Sign(pack.recording(row), gloss, signer or "")
                for row, gloss, signer in zip(new.tolist(), *columns, strict=True)
            ]
            added = self.dictionary.add(signs, self.embedder.of_pack(pack, new)) if len(new) else Added([], [])
            ids = pack.table["id"].take(part).to_pylist()
            known = [(name, there[one]) for name, one in zip(ids, hashes, strict=True) if one in there]
            done = Added([*done.ids, *added.ids], [*done.known, *known, *added.known])
            tick(len(part))
        return self._settled(done)

    def delete(self, names: Sequence[str]) -> list[str]:
        """Delete entries by id, and glosses with all of theirs; gives the ids. InputError, and nothing, for others."""
        gone = self.dictionary.remove(names)
        self._calibrate()
        return gone

    def search(self, recording: Recording, top: int = 5, by: Ranking = "prototype") -> Finding:
        """The glosses and entries nearest to one recording; InputError where it shows no hand."""
        return self.search_many([recording], top, by)[0]

    def search_many(self, recordings: Sequence[Recording], top: int = 5, by: Ranking = "prototype") -> list[Finding]:
        """The same for each of several recordings."""
        found = self.find(self.embedder.of(recordings), top, by)
        notices = self.embedder.noticer.look(recordings)
        return [noticed(*each) for each in zip(found, notices, strict=True)]

    def find(self, vectors: FloatArray, top: int = 5, by: Ranking = "prototype") -> list[Finding]:
        """The same for unit vectors (N D) of this RUN; InputError where the dictionary is empty, or `top` below 1.

        Vectors alone do not tell whether the recordings were unlike what the RUN learnt from (`noticed`).
        """
        if top < 1:
            raise InputError(f"top {top}", "1 or more")
        entries = self.dictionary.refresh()
        if not entries.ids:
            raise InputError("an empty dictionary", "enrolled signs", file=self.dictionary.path)
        found: list[Finding] = []
        for first in range(0, len(vectors), AT_ONCE):
            found += _findings(entries, torch.from_numpy(vectors[first : first + AT_ONCE]), top, by)
        return found

    def _settled(self, added: Added) -> Added:
        if added.ids or self.dictionary.entries.calibration is None:  # a process that was killed left it so
            self._calibrate()
        return added

    def _calibrate(self) -> None:
        entries = self.dictionary.refresh()
        signers = entries.column("signer")
        fitted: dict[str, OpenCalibration] = {
            by: leave_one_out(entries.vectors, entries.labels, signers, by) for by in RANKED
        }
        self.dictionary.calibrated(fitted)


def noticed(finding: Finding, notice: Notice) -> Finding:
    """A finding with what is unlike in its recording: of an unlike one it is not sure."""
    return replace(finding, sure=finding.sure and not notice.unlike, note=notice.note, unlike=notice.unlike)


def _findings(entries: Entries, asked: Tensor, top: int, by: Ranking) -> list[Finding]:
    calibration = (entries.calibration or {}).get(by, OpenCalibration())
    similar = asked @ entries.vectors.T
    shares = calibration.confidences(ranked(entries, asked, similar, by))
    best = shares.topk(min(top, len(entries.glosses)), dim=1)
    near = similar.topk(min(top, len(entries.ids)), dim=1)
    owner = entries.labels[near.indices].tolist()
    return [
        Finding(
            [Guess(entries.glosses[i], value) for i, value in zip(which, values, strict=True)],
            values[0] >= calibration.threshold,
            [Match(entries.ids[i], entries.glosses[j], min(value, 1.0)) for i, j, value in zip(*row, strict=True)],
        )
        for which, values, *row in zip(
            best.indices.tolist(), best.values.tolist(), near.indices.tolist(), owner, near.values.tolist(), strict=True
        )
    ]


def ranked(entries: Entries, asked: Tensor, similar: Tensor, by: Ranking) -> Tensor:
    """Similarity of unit vectors (N D), to each gloss's (N C): its nearest entry's, or its unit mean's.

    `similar` (N M) is the similarity to each entry.
    """
    if by == "prototype":
        return asked @ entries.prototypes.T
    found = torch.full((len(asked), len(entries.glosses)), -1.0)
    return found.scatter_reduce_(1, entries.labels.expand(len(asked), -1), similar, reduce="amax")


def leave_one_out(vectors: Tensor, labels: Tensor, signers: Sequence[str | None], by: Ranking) -> OpenCalibration:
    """What unit vectors (N D) with labels (N) say of their own confidences, each asked of the others.

    Of those of its gloss, the others' signers alone where they are named: who enrolled a sign is seldom who asks.
    """
    glosses = int(labels.max()) + 1 if len(labels) else 0
    several = labels.bincount(minlength=glosses)[labels] > 1 if glosses else labels.bool()
    asked = several.nonzero().squeeze(1)
    asked = asked[torch.randperm(len(asked), generator=torch.Generator().manual_seed(0))[:ASKED]]
    if len(asked) < FEWEST or len(labels[asked].unique()) < 2:
        return OpenCalibration()
    similar = torch.cat([RANKED[by](some, vectors, labels, glosses) for some in vectors[asked].split(AT_ONCE)])
    names = np.asarray([name or "" for name in signers])
    own = torch.stack([_own(vectors, labels, names, one, by) for one in asked.tolist()])
    similar.scatter_(1, labels[asked][:, None], own[:, None])
    return fit_open_set(similar, labels[asked], torch.full_like(own, -1.0))


def _own(vectors: Tensor, labels: Tensor, signers: NDArray[np.str_], place: int, by: Ranking) -> Tensor:
    """Similarity of an entry to its gloss's other recordings: the nearest, or their unit mean."""
    rows = (labels == labels[place]).nonzero().squeeze(1).numpy()
    rows = rows[rows != place]
    others = rows[(signers[rows] != signers[place]) & (signers[rows] != "")] if signers[place] else rows[:0]
    gallery = vectors[others if len(others) else rows]
    return RANKED[by](vectors[place : place + 1], gallery, torch.zeros(len(gallery), dtype=torch.long), 1)[0, 0]
