"""What the server knows and does: a RUN, a dictionary, an estimator; answers as plain containers, without HTTP."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from twinsign import __version__
from twinsign.dictionary.entries import Entries, Sign
from twinsign.dictionary.lookup import Dictionary, SearchResult, default_dictionary, with_notice
from twinsign.dictionary.store import DictionaryStore
from twinsign.errors import InputError, InUseError
from twinsign.extract.config import HOLISTIC, EstimatorConfig
from twinsign.inference.embedder import Embedder
from twinsign.inference.input_check import Notice
from twinsign.inference.recogniser import Prediction, Recogniser, explain
from twinsign.pose.recording import Recording
from twinsign.runs.run import load_run
from twinsign.serve.errors import RequestError
from twinsign.serve.options import Limits
from twinsign.serve.reader_process import POSE_FILES, missing_estimator
from twinsign.web.skeleton import skeleton

log = logging.getLogger("twinsign")
RETRY = 2
"""Seconds after which a dictionary that was being changed may be tried again."""


@dataclass(frozen=True)
class Sources:
    """The RUN's folder, the dictionary's (default: the RUN's own) and the estimator."""

    model: Path
    dictionary: Path | None = None
    estimator: EstimatorConfig = HOLISTIC
    vendor: Path | None = None
    """Files with which the browser estimates poses itself; None: the server does, from pictures."""


class Service:
    """Answers about recordings; safe to be called from several threads."""

    def __init__(self, sources: Sources, limits: Limits) -> None:
        run = load_run(sources.model)
        self.limits, self.run = limits, run
        self.recogniser = Recogniser.load(sources.model) if run.kind == "classifier" else None
        embedder = Embedder(run, self.recogniser.classifier.encoders if self.recogniser else None)
        folder = sources.dictionary or default_dictionary(run)
        self._lookup = Dictionary(embedder, DictionaryStore.of(folder, run, embedder.width))
        self._lock = threading.RLock()
        self.blind = missing_estimator(sources.estimator)
        """Why the server cannot read videos; empty where it can."""
        self.live = not self.blind and sources.estimator.name == "holistic"
        """Whether the server can read pictures of a camera."""
        self.vendor = sources.vendor

    @contextmanager
    def _entries(self) -> Iterator[Entries]:
        """The dictionary's entries, locked; errors of its folder become RequestErrors, those of a recording pass.

        409 where another process holds the folder, 507 where the disk is full, 503 where it cannot be read or written.
        """
        try:
            with self._lock:
                yield self._lookup.dictionary.refresh()
        except InUseError as error:
            raise RequestError(409, "a dictionary that is being changed", "another try", retry=RETRY) from error
        except InputError as error:
            if isinstance(error.__cause__, OSError):
                raise _disk_error(error.__cause__) from error
            if error.file is not None and error.clip is None and "empty dictionary" not in error.found:
                log.error("the dictionary cannot be read: %s", error)
                problem = "a dictionary that cannot be read"
                raise RequestError(503, problem, "an undamaged dictionary", retry=RETRY) from error
            raise
        except OSError as error:
            raise _disk_error(error) from error

    def describe(self) -> dict[str, Any]:
        """The model, its glosses, the number of enrolled signs, and how to draw a skeleton."""
        with self._entries() as entries:
            enrolled = len(entries.ids)
        return {
            "twinsign": __version__,
            "model": self.run.path.name,
            "glosses": self.run.labels,
            "enrolled": enrolled,
            "threshold": self.recogniser.calibration.threshold if self.recogniser else None,
            "video": not self.blind,
            "live": self.live,
            "pose": "server" if self.vendor is None else "browser",
            "why_no_video": self.blind,
            **skeleton(),
            "pose_files": POSE_FILES,
            "limits": asdict(self.limits),
        }

    def predict(self, recordings: Sequence[Recording], top: int, detailed: bool) -> list[dict[str, Any]]:
        """The answer to each recording; InputError names the first that shows no hand.

        A RUN without a classifier answers by its dictionary alone; InputError where that is empty.
        """
        if self.recogniser is None:
            with self._entries():
                findings = self._lookup.search_many(recordings, top)
            details = [{"nearest": _nearest(finding), "votes": {}} if detailed else {} for finding in findings]
            return [_answer(finding) | more for finding, more in zip(findings, details, strict=True)]
        explained = explain(self.recogniser, recordings, top)
        vectors = torch.stack([clip.embedding for clip in explained]).float().numpy()
        with self._entries() as entries:
            findings = self._lookup.find(vectors, top) if entries.ids else []
        answers = []
        for number, clip in enumerate(explained):
            answer = _answer(clip.prediction)
            nearest = []
            if findings:
                finding = with_notice(findings[number], Notice(clip.prediction.note, clip.prediction.unlike))
                answer["enrolled"], nearest = _guesses(finding), _nearest(finding)
            if detailed:
                answer["votes"] = {name: [asdict(guess) for guess in best] for name, best in clip.votes.items()}
                answer["nearest"] = nearest
            answers.append(answer)
        return answers

    def signs(self) -> list[dict[str, Any]]:
        """Every enrolled recording: id, gloss, signer, when it was added, frames."""
        with self._entries():
            listed = [asdict(entry) for entry in self._lookup.dictionary.listed()]
        return [{name: value for name, value in entry.items() if name != "source"} for entry in listed]

    def recording(self, id: str) -> Recording:
        """An enrolled recording; RequestError 404 where there is none of that id."""
        with self._entries() as entries:
            if id not in entries.places:
                raise unknown_sign(id)
            return self._lookup.dictionary.recording(id)

    def enrol(self, recording: Recording, gloss: str, signer: str) -> dict[str, Any]:
        """Keep a recording as an example of a sign; RequestError 507 where the dictionary is full."""
        with self._entries() as entries:
            if len(entries.ids) >= self.limits.enrolled:
                problem = f"a dictionary of {len(entries.ids)} recordings"
                raise RequestError(507, problem, f"at most {self.limits.enrolled}")
            added = self._lookup.enrol([Sign(recording, gloss, signer)])
        return {"added": added.ids, "known": [id for _, id in added.known]}

    def delete(self, name: str) -> list[str]:
        """Delete an enrolled recording, or a gloss with all of its own; RequestError 404 where there is none."""
        with self._entries() as entries:
            if name not in entries.places and name not in entries.glosses:
                raise unknown_sign(name)
            return self._lookup.delete([name])


def unknown_sign(name: str) -> RequestError:
    """The refusal where no sign of that gloss or id is enrolled."""
    return RequestError(404, f"no sign {name[:40]!r}", "a gloss or an id of GET /dictionary")


def _guesses(answer: Prediction | SearchResult) -> dict[str, Any]:
    return {"guesses": [guess.as_dict() for guess in answer.guesses], "sure": bool(answer.sure)}


def _answer(answer: Prediction | SearchResult) -> dict[str, Any]:
    return _guesses(answer) | {"note": answer.note, "unlike": answer.unlike}


def _nearest(finding: SearchResult) -> list[dict[str, Any]]:
    return [asdict(match) for match in finding.nearest]


def _disk_error(error: OSError) -> RequestError:
    log.error("the dictionary: %s", error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return RequestError(507, "no room on the server's disk", "a disk with room", retry=RETRY)
    return RequestError(503, "a dictionary that cannot be read or written", "one that can", retry=RETRY)
