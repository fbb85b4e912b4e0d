"""What a reader process does: bytes from outside, JSON, pose files and videos, become recordings. Never loads torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pose_format import Pose

from twinsign.errors import InputError
from twinsign.extract.clip import extract
from twinsign.extract.config import EstimatorConfig
from twinsign.extract.estimator import identity, load_estimator
from twinsign.extract.holistic import LiveHolistic
from twinsign.extract.video import Image, is_video
from twinsign.pose.bounds import Bounds
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read import read
from twinsign.pose.recording import Recording
from twinsign.serve import schemas
from twinsign.serve.errors import RequestError, as_request_error
from twinsign.serve.options import MEGA, Limits

POSE_FILES = (".pose", ".npz", ".npy", ".json")
"""Endings of the accepted pose files: those whose readers are safe and whose sizes can be checked first."""
UPLOAD = "upload"
WARM_UP_SIDE = 256
"""Pixels of a side of the picture with which the models are loaded."""
LOOK_EVERY = 4
"""Frames between two looks for a person in a video that has not shown anybody yet."""


class Task(NamedTuple):
    """What the bytes are: a body of /predict (`clip`), /predict/batch or /dictionary (`sign`), or a file's content."""

    kind: Literal["clip", "batch", "sign", "file"]
    name: str = ""
    top: int = schemas.DEFAULT_TOP


class Query(NamedTuple):
    """Clips to predict, or for a bad clip of a batch its error's JSON; `poses`: a file's poses as JSON text."""

    clips: list[Recording | dict[str, Any]]
    top: int
    detailed: bool
    batch: bool = False
    poses: str = ""


class NewSign(NamedTuple):
    """A recording to enrol."""

    recording: Recording
    gloss: str
    signer: str


class Reader:
    """Reads JSON and pose files, or the videos where `videos`."""

    def __init__(self, limits: Limits, estimator: EstimatorConfig, videos: bool = False) -> None:
        self._limits, self._videos = limits, VideoReader(estimator, limits) if videos else None

    def __call__(self, task: Task, content: bytes) -> Query | NewSign:
        """The task's result; RequestError or InputError on wrong content."""
        limits = self._limits
        if task.kind == "file":
            recording = self._read_file(task.name, content)
            return Query([recording], task.top, True, poses=schemas.poses_to_json(recording))
        values = schemas.parse_json(content, limits.nodes)
        if task.kind == "sign":
            sign = schemas.validate(schemas.EnrolBody, values)
            return NewSign(schemas.validate(schemas.Clip, sign.clip, "clip").recording(limits), sign.gloss, sign.signer)
        if task.kind == "clip":
            clip = schemas.validate(schemas.PredictBody, values)
            return Query([clip.recording(limits)], clip.top, clip.detailed)
        batch = schemas.validate(schemas.BatchBody, values)
        if len(batch.clips) > limits.clips:
            raise RequestError(413, f"{len(batch.clips)} clips", f"at most {limits.clips}")
        clips: list[Recording | dict[str, Any]] = []
        for number, clip_values in enumerate(batch.clips):
            try:
                name = f"clips[{number}]"
                clips.append(schemas.validate(schemas.Clip, clip_values, name).recording(limits, name))
            except (RequestError, InputError) as error:
                clips.append(as_request_error(error).body)
        return Query(clips, batch.top, batch.detailed, batch=True)

    def _read_file(self, name: str, content: bytes) -> Recording:
        limits, file = self._limits, UPLOAD + Path(name).suffix.lower()
        bounds = Bounds(
            frames=limits.frames,
            seconds=limits.seconds,
            pixels=limits.megapixels * MEGA,
            persons=limits.persons,
            points=limits.points,
            members=limits.members,
            values=limits.upload_mb * MEGA / 8,
            nodes=limits.nodes,
        )
        if self._videos is None:
            recording = read(file, content=content, bounds=bounds)
        else:
            recording = extract(ClipFile(Path(file), content=content, bounds=bounds), self._videos).recording
        schemas.check_length(len(recording.xy), recording.fps, limits, UPLOAD)
        return recording


class VideoReader:
    """A pose estimator, loaded from the start, that gives up on videos whose first frames show nobody.

    A frame without a person costs the most.
    """

    def __init__(self, config: EstimatorConfig, limits: Limits) -> None:
        self._estimator, self._max_empty = load_estimator(config), limits.empty_frames
        self.name, self.version = self._estimator.name, self._estimator.version
        self._watcher = LiveHolistic() if config.name == "holistic" else None
        grey = np.full((WARM_UP_SIDE, WARM_UP_SIDE, 3), 128, np.uint8)  # models load with the first picture
        self._estimator.estimate([grey], (WARM_UP_SIDE, WARM_UP_SIDE))
        if self._watcher is not None:
            self._watcher.estimate(grey)

    def estimate(self, frames: Iterable[Image], size: tuple[int, int]) -> Pose:
        """The estimator's poses; RequestError where the first frames show nobody."""
        remaining = iter(frames)
        return self._estimator.estimate(chain(self._until_person(remaining), remaining), size)

    def _until_person(self, frames: Iterator[Image]) -> list[Image]:
        """The frames up to the first that is looked at and shows somebody."""
        empty = list[Image]()
        for number, frame in enumerate(frames):
            empty.append(frame)
            if self._watcher is None or (number % LOOK_EVERY == 0 and self._watcher.estimate(frame)[1].any()):
                break
            if number >= self._max_empty:
                wanted = "a video that shows the signer from the start"
                raise RequestError(422, f"nobody in the first {number} frames", wanted)
        return empty


def check_name(name: str, why_no_video: str) -> bool:
    """Whether a file of that name is a video.

    RequestError 415 for an ending that is not accepted, 501 for a video where `why_no_video` is not empty.
    """
    ending, video = Path(name).suffix.lower(), is_video(name)
    if not video and ending not in POSE_FILES:
        raise RequestError(415, f"a file that ends in {ending or 'nothing'!r}", f"{', '.join(POSE_FILES)} or a video")
    if video and why_no_video:
        raise RequestError(501, why_no_video, "a pose file, or a server with the extra `video`")
    return video


def missing_estimator(config: EstimatorConfig) -> str:
    """Why the server cannot read videos; empty where it can."""
    try:
        identity(config)
    except InputError as error:
        return f"{error.found}. {error.hint}".strip()
    return ""
