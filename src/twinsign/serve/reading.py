"""What a reader process does: bytes from outside become recordings. Never loads torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from twinsign.errors import InputError
from twinsign.extract.config import EstimatorConfig
from twinsign.pose.read import read
from twinsign.pose.recording import Recording
from twinsign.serve import bodies
from twinsign.serve.intake import as_object
from twinsign.serve.options import Limits
from twinsign.serve.refusals import RefusedError, refusal_of
from twinsign.serve.shapes import as_json, as_text
from twinsign.serve.uploads import UPLOAD, Films, bounds_of

DEFAULT_TOP = 5


class Task(NamedTuple):
    """What the bytes are: a body of /predict (`clip`), /predict/batch or /dictionary, or a file of that name."""

    kind: Literal["clip", "batch", "sign", "file"]
    name: str = ""
    top: int = DEFAULT_TOP


class Asked(NamedTuple):
    """Clips to name, or in the place of a bad one its error's JSON; how many guesses; whether with details.

    `batch`: the errors of one clip are its own. `poses`: those of a file, as the JSON that the page draws.
    """

    clips: list[Recording | dict[str, Any]]
    top: int
    detailed: bool
    batch: bool = False
    poses: str = ""


class Kept(NamedTuple):
    """A recording to enrol."""

    recording: Recording
    gloss: str
    signer: str


@dataclass
class Reading:
    """Reads pose files and JSON, or videos where `films`."""

    limits: Limits
    estimator: EstimatorConfig
    films: bool = False

    def __post_init__(self) -> None:
        self._films = Films(self.estimator, self.limits) if self.films else None

    def __call__(self, task: Task, content: bytes) -> Asked | Kept:
        """The task's result; RefusedError or InputError on wrong content."""
        if task.kind == "file":
            recording = self._file(task.name, content)
            return Asked([recording], task.top, True, poses=as_text(as_json(recording)))
        values = as_object(content, self.limits.nodes)
        if task.kind == "sign":
            return _sign(values, self.limits)
        if task.kind == "batch":
            return _batch(values, self.limits)
        top, detailed = _wishes(values)
        return Asked([bodies.as_clip(values, self.limits)], top, detailed)

    def _file(self, name: str, content: bytes) -> Recording:
        if self._films is not None:
            recording = self._films.read(content, name)
        else:
            file = UPLOAD + Path(name).suffix.lower()
            recording = read(file, content=content, bounds=bounds_of(self.limits))
        bodies.check_length(len(recording.xy), recording.fps, self.limits, UPLOAD)
        return recording


def _batch(values: dict[str, Any], limits: Limits) -> Asked:
    bodies.only_keys(values, ("clips", "top", "detailed"))
    top, detailed = _wishes(values)
    clips = values.get("clips")
    if not isinstance(clips, list) or not clips:
        raise RefusedError(422, "no list of clips", "clips: one or more")
    if len(clips) > limits.clips:
        raise RefusedError(413, f"{len(clips)} clips", f"at most {limits.clips}")
    return Asked([_one_of(limits, clip, place) for place, clip in enumerate(clips)], top, detailed, True)


def _one_of(limits: Limits, clip: Any, place: int) -> Recording | dict[str, Any]:
    try:
        return bodies.as_clip(clip, limits, f"clips[{place}]")
    except RefusedError as refusal:
        return refusal.body()
    except InputError as error:
        return refusal_of(error).body()


def _sign(values: dict[str, Any], limits: Limits) -> Kept:
    bodies.only_keys(values, ("gloss", "signer", "clip"))
    gloss, signer = bodies.as_text(values, "gloss", needed=True), bodies.as_text(values, "signer")
    if "clip" not in values:
        raise RefusedError(422, "no clip", "clip: poses as /predict takes them")
    return Kept(bodies.as_clip(values["clip"], limits), gloss, signer)


def _wishes(values: dict[str, Any]) -> tuple[int, bool]:
    """How many guesses, and whether details; taken out of `values`."""
    wishes = bodies.as_count(values, "top", DEFAULT_TOP, bodies.MOST_GUESSES), bodies.as_flag(values, "detailed")
    values.pop("top", None)
    values.pop("detailed", None)
    return wishes
