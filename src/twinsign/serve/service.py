"""What the server knows and does: a RUN, a dictionary, an estimator; answers as plain containers. Knows no HTTP."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from twinsign import __version__
from twinsign.dictionary.entries import Sign
from twinsign.dictionary.lookup import DICTIONARY, Finding, Lookup, noticed
from twinsign.dictionary.store import Dictionary
from twinsign.extract.estimator import HOLISTIC, EstimatorConfig
from twinsign.inference.embeddings import Embedder
from twinsign.inference.notice import Notice
from twinsign.inference.recogniser import Prediction, Recogniser, explain
from twinsign.pose.layout import BONES, HAND_WRIST, JOINTS, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.recording import Recording
from twinsign.runs.run import load_run
from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError, kept_safe, unknown
from twinsign.serve.shapes import as_json
from twinsign.serve.uploads import POSES, why_blind


@dataclass(frozen=True)
class Sources:
    """What a service is made of: the RUN's folder, the dictionary's (the RUN's own unless told), the estimator."""

    model: Path
    dictionary: Path | None = None
    estimator: EstimatorConfig = HOLISTIC


class Service:
    """Answers about recordings; safe to be called from several threads."""

    def __init__(self, sources: Sources, limits: Limits) -> None:
        run = load_run(sources.model)
        self.limits, self.run = limits, run
        self.recogniser = Recogniser.load(sources.model) if run.kind == "classifier" else None
        embedder = Embedder(run, self.recogniser.classifier.encoders if self.recogniser else None)
        folder = sources.dictionary or run.path / DICTIONARY
        self._lookup = Lookup(embedder, Dictionary.of(folder, run, embedder.width))
        self._dictionary_turn = threading.RLock()
        self.blind = why_blind(sources.estimator)
        """Why no video can be seen; empty where it can."""
        self.live = not self.blind and sources.estimator.name == "holistic"
        """Whether pictures of a camera can be seen."""

    def about(self) -> dict[str, Any]:
        """The model, its glosses, what is enrolled, and how to draw a skeleton."""
        with self._dictionary_turn, kept_safe():
            enrolled = len(self._lookup.dictionary.refresh().ids)
        return {
            "twinsign": __version__,
            "model": self.run.path.name,
            "glosses": self.run.labels,
            "enrolled": enrolled,
            "threshold": self.recogniser.calibration.threshold if self.recogniser else None,
            "video": not self.blind,
            "live": self.live,
            "why_no_video": self.blind,
            "joints": list(JOINTS),
            "bones": [list(bone) for bone in BONES],
            "parts": {
                name: [part.start, part.stop]
                for name, part in (("right", RIGHT_HAND), ("left", LEFT_HAND), ("trunk", TRUNK))
            },
            "wrists": HAND_WRIST,
            "pose_files": list(POSES),
            "limits": asdict(self.limits),
        }

    def answers(self, recordings: Sequence[Recording], top: int, detailed: bool) -> list[dict[str, Any]]:
        """What is said of each recording; InputError names the first that shows no hand.

        A RUN without a classifier answers by its dictionary alone; InputError where that is empty.
        """
        if self.recogniser is None:
            with self._dictionary_turn, kept_safe():
                findings = self._lookup.search_many(recordings, top)
            more = [{"nearest": _nearest(one), "votes": {}} if detailed else {} for one in findings]
            return [_guesses(one) | _note(one) | extra for one, extra in zip(findings, more, strict=True)]
        return self._explained(recordings, top, detailed)

    def _explained(self, recordings: Sequence[Recording], top: int, detailed: bool) -> list[dict[str, Any]]:
        if self.recogniser is None:
            return []
        found = explain(self.recogniser, recordings, top)
        vectors = torch.stack([one.embedding for one in found]).float().numpy()
        with self._dictionary_turn, kept_safe():
            known = len(self._lookup.dictionary.refresh().ids) > 0
            findings = self._lookup.find(vectors, top) if known else []
        told = []
        for number, one in enumerate(found):
            answer: dict[str, Any] = _guesses(one.prediction) | _note(one.prediction)
            notice = Notice(one.prediction.note, one.prediction.unlike)
            finding = noticed(findings[number], notice) if known else None
            if finding is not None:
                answer["enrolled"] = _guesses(finding)
            if detailed:
                answer["votes"] = {name: [asdict(guess) for guess in best] for name, best in one.votes.items()}
                answer["nearest"] = [] if finding is None else _nearest(finding)
            told.append(answer)
        return told

    def signs(self) -> list[dict[str, Any]]:
        """Every enrolled recording: id, gloss, signer, when it was added, frames."""
        with self._dictionary_turn, kept_safe():
            self._lookup.dictionary.refresh()
            return [
                {name: value for name, value in asdict(one).items() if name != "source"}
                for one in self._lookup.dictionary.listed()
            ]

    def poses(self, id: str) -> dict[str, Any]:
        """An enrolled recording to play back; RefusedError 404 where there is none of that id."""
        with self._dictionary_turn, kept_safe():
            if id not in self._lookup.dictionary.refresh().places:
                raise unknown(id)
            return as_json(self._lookup.dictionary.recording(id))

    def enrol(self, recording: Recording, gloss: str, signer: str) -> dict[str, Any]:
        """Keep a recording as an example of a sign; RefusedError 507 where the dictionary is full."""
        with self._dictionary_turn, kept_safe():
            count, most = len(self._lookup.dictionary.refresh().ids), self.limits.enrolled
            if count >= most:
                raise RefusedError(507, f"a dictionary of {count} recordings", f"at most {most}")
            added = self._lookup.enrol([Sign(recording, gloss, signer)])
        return {"added": added.ids, "known": [there for _, there in added.known]}

    def delete(self, name: str) -> list[str]:
        """Delete an enrolled recording, or a gloss with all of its own; RefusedError 404 where there is none."""
        with self._dictionary_turn, kept_safe():
            entries = self._lookup.dictionary.refresh()
            if name not in entries.places and name not in entries.glosses:
                raise unknown(name)
            return self._lookup.delete([name])


def _guesses(found: Any) -> dict[str, Any]:
    return {"guesses": [asdict(guess) for guess in found.guesses], "sure": bool(found.sure)}


def _note(found: Prediction | Finding) -> dict[str, Any]:
    return {"note": found.note, "unlike": found.unlike}


def _nearest(found: Finding) -> list[dict[str, Any]]:
    return [asdict(match) for match in found.nearest]
