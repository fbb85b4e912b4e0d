"""Signs known from a few recordings, without training: enrol them, and search for the nearest to another recording.

lookup = Dictionary.load("runs/pre", "mine.signs")
lookup.enrol([Sign(read("hello1.pose"), "hello"), Sign(read("hello2.pose"), "hello")])
lookup.search(read("clip.pose")).guesses
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from twinsign.dictionary.calibration import OpenCalibration
from twinsign.dictionary.entries import ABOUT, EnrolResult, Entries, Sign
from twinsign.dictionary.held_out import AT_ONCE, RANKERS, Ranking, calibrate_held_out
from twinsign.dictionary.store import DictionaryStore
from twinsign.errors import InputError
from twinsign.evaluation.retrieve import class_maxima
from twinsign.inference.embedder import Embedder
from twinsign.inference.input_check import Notice
from twinsign.inference.recogniser import Guess, Recogniser
from twinsign.pack.open import Indices, Pack
from twinsign.pack.schema import BATCH_MOST, POSE_HASH
from twinsign.pose.recording import FloatArray, Recording
from twinsign.runs.run import Run
from twinsign.runs.shipped import ENCODER

DICTIONARY = "dictionary"
"""Folder of a RUN's own dictionary, the default, and in the working folder that of a shipped model."""


def default_dictionary(run: Run) -> Path:
    """A RUN's own dictionary; that of a shipped model is in the working folder, under a name of its own."""
    if not run.shipped:
        return run.path / DICTIONARY
    return Path(DICTIONARY if run.reference == str(ENCODER) else f"{DICTIONARY}-{run.reference}")


@dataclass(frozen=True)
class Match:
    """An entry of the dictionary, and the cosine of the angle between its vector and the query's."""

    id: str
    gloss: str
    similarity: float


@dataclass(frozen=True)
class SearchResult:
    """The likeliest glosses, best first, whether the first is sure, and the nearest entries."""

    guesses: list[Guess]
    sure: bool
    nearest: list[Match]
    note: str = ""
    """What is unlike the model's training clips, in words."""
    unlike: bool = False
    """Whether it is so unlike them that no answer is sure."""


class Dictionary:
    """A RUN and a dictionary of its vectors.

    Examples:
        >>> import twinsign as ts
        >>> dictionary = ts.Dictionary.load("demo/pretrained", "tea_signs")  # made if it is not there
        >>> added = dictionary.enrol([ts.Sign(ts.read("clip.npz"), "tea")])
        >>> dictionary.search(ts.read("clip.npz")).guesses[0].gloss
        'tea'
    """

    def __init__(self, embedder: Embedder, dictionary: DictionaryStore) -> None:
        dictionary.check(embedder.run)
        self.embedder, self.dictionary = embedder, dictionary
        if dictionary.renew(embedder.run, embedder.embed_pack):
            self._calibrate()

    @classmethod
    def load(
        cls, run: str | PathLike[str] | None = None, dictionary: str | PathLike[str] | None = None, device: str = "cpu"
    ) -> Dictionary:
        """Load a RUN of any kind and a dictionary; each defaults to the one that belongs to the other.

        Without either, the shipped model `asl2000` and the folder `dictionary`.
        """
        if run is None:
            folder = Path(DICTIONARY) if dictionary is None else Path(dictionary)
            run = DictionaryStore.open(folder).metadata.run if (folder / ABOUT).is_file() else ENCODER
        embedder = Embedder.load(run, device)
        path = default_dictionary(embedder.run) if dictionary is None else Path(dictionary)
        return cls(embedder, DictionaryStore.of(path, embedder.run, embedder.width))

    @classmethod
    def of(cls, recogniser: Recogniser, dictionary: str | PathLike[str]) -> Dictionary:
        """A dictionary beside a classifier, whose encoders it shares; raises InputError where there is none."""
        embedder = Embedder(recogniser.run, recogniser.classifier.encoders)
        return cls(embedder, DictionaryStore.open(dictionary))

    def enrol(self, signs: Sequence[Sign]) -> EnrolResult:
        """Add recordings and calibrate again; raises InputError, with nothing added, where one shows no hand."""
        vectors = self.embedder.embed([sign.recording for sign in signs])
        return self._calibrate_if_changed(self.dictionary.add(signs, vectors))

    def enrol_pack(self, pack: Pack, rows: Indices, tick: Callable[[int], object] = lambda clips: None) -> EnrolResult:
        """Add these rows of a pack that show a hand and have a gloss; `tick` is called with each batch's clips."""
        has_gloss = np.asarray([bool(gloss) for gloss in pack.table["gloss"].take(rows).to_pylist()], bool)
        usable, total = rows[pack.usable[rows] & has_gloss], EnrolResult([], [])
        for first in range(0, len(usable), BATCH_MOST):
            batch = usable[first : first + BATCH_MOST]
            entries = self.dictionary.refresh()
            id_of = dict(zip(entries.column(POSE_HASH), entries.ids, strict=True))
            hashes = pack.pose_hashes(batch)
            new = batch[[poses not in id_of for poses in hashes]]
            columns = (pack.table[name].take(new).to_pylist() for name in ("gloss", "signer"))
            signs = [
                Sign(pack.recording(row), gloss, signer or "")
                for row, gloss, signer in zip(new.tolist(), *columns, strict=True)
            ]
            added = self.dictionary.add(signs, self.embedder.embed_pack(pack, new)) if signs else EnrolResult([], [])
            ids = pack.table["id"].take(batch).to_pylist()
            enrolled = [(id, id_of[poses]) for id, poses in zip(ids, hashes, strict=True) if poses in id_of]
            total = EnrolResult([*total.ids, *added.ids], [*total.known, *enrolled, *added.known])
            tick(len(batch))
        return self._calibrate_if_changed(total)

    def delete(self, names: Sequence[str]) -> list[str]:
        """Delete entries by id or gloss and return their ids; InputError, with nothing deleted, for an unknown name."""
        ids = self.dictionary.remove(names)
        self._calibrate()
        return ids

    def search(self, recording: Recording, top: int = 5, by: Ranking = "prototype") -> SearchResult:
        """The glosses and entries nearest to one recording; raises InputError where it shows no hand."""
        return self.search_many([recording], top, by)[0]

    def search_many(
        self, recordings: Sequence[Recording], top: int = 5, by: Ranking = "prototype"
    ) -> list[SearchResult]:
        """The glosses and entries nearest to each recording; raises InputError where one shows no hand."""
        findings = self.find(self.embedder.embed(recordings), top, by)
        return [*map(with_notice, findings, self.embedder.noticer.compare(recordings))]

    def find(self, vectors: FloatArray, top: int = 5, by: Ranking = "prototype") -> list[SearchResult]:
        """The glosses and entries nearest to each unit vector (N D) of this RUN.

        Vectors do not show whether recordings are unlike the RUN's training clips (`with_notice`). Raises InputError
        for an empty dictionary or `top` below 1.
        """
        if top < 1:
            raise InputError(f"top {top}", "1 or more")
        entries = self.dictionary.refresh()
        if not entries.ids:
            raise InputError("an empty dictionary", "enrolled signs", file=self.dictionary.path)
        batches = torch.from_numpy(vectors).split(AT_ONCE) if len(vectors) else ()
        return [finding for batch in batches for finding in _findings(entries, batch, top, by)]

    def _calibrate_if_changed(self, added: EnrolResult) -> EnrolResult:
        if added.ids or self.dictionary.entries.calibration is None:  # as after a killed process
            self._calibrate()
        return added

    def _calibrate(self) -> None:
        entries = self.dictionary.refresh()
        fit = (entries.vectors, entries.labels, entries.column("signer"))
        self.dictionary.save_calibration({by: calibrate_held_out(*fit, by) for by in RANKERS})


def with_notice(finding: SearchResult, notice: Notice) -> SearchResult:
    """A finding with what is unlike in its recording, which makes it unsure if it is too unlike."""
    return replace(finding, sure=finding.sure and not notice.unlike, note=notice.note, unlike=notice.unlike)


def _findings(entries: Entries, query: Tensor, top: int, by: Ranking) -> list[SearchResult]:
    """The `top` glosses and entries nearest to each unit vector (N D)."""
    calibration = (entries.calibration or {}).get(by, OpenCalibration())
    similarity = query @ entries.vectors.T
    gloss_confidences = calibration.confidences(gloss_similarity(entries, query, similarity, by))
    confidences, glosses = gloss_confidences.topk(min(top, len(entries.glosses)), dim=1)
    cosines, rows = similarity.topk(min(top, len(entries.ids)), dim=1)
    owners, findings = entries.labels[rows], []
    for number in range(len(query)):
        by_gloss = zip(confidences[number].tolist(), glosses[number].tolist(), strict=True)
        guesses = [Guess(entries.glosses[gloss], confidence) for confidence, gloss in by_gloss]
        by_entry = zip(cosines[number].tolist(), rows[number].tolist(), owners[number].tolist(), strict=True)
        matches = [Match(entries.ids[row], entries.glosses[owner], min(cosine, 1.0)) for cosine, row, owner in by_entry]
        findings.append(SearchResult(guesses, guesses[0].confidence >= calibration.threshold, matches))
    return findings


def gloss_similarity(entries: Entries, query: Tensor, similarity: Tensor, by: Ranking) -> Tensor:
    """Similarity (N C) of unit vectors (N D) to each gloss: to its nearest entry, or to its unit mean.

    `similarity` (N M) is to each entry.
    """
    if by == "prototype":
        return query @ entries.prototypes.T
    return class_maxima(similarity, entries.labels, len(entries.glosses))
