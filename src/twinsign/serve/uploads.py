"""Uploaded files: pose files and short videos, read in memory and within limits; nothing of them touches the disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from pose_format import Pose

from twinsign.errors import InputError
from twinsign.extract.clip import extract
from twinsign.extract.estimator import Estimator, EstimatorConfig, identity, load_estimator
from twinsign.extract.holistic import LiveHolistic
from twinsign.extract.video import Image, is_video
from twinsign.pose.bounds import Bounds
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.recording import Recording
from twinsign.serve.options import MEGA, Limits
from twinsign.serve.refusals import RefusedError

POSES = (".pose", ".npz", ".npy", ".json")
"""Endings of pose files that are taken: those whose readers are safe and whose sizes can be told."""
UPLOAD = "upload"
SIDE = 256
"""Pixels of a side of the picture that the models are loaded with."""
LOOKS = 4
"""Frames between two looks for a person in a video that has shown nobody yet."""


def check_name(name: str, blind: str) -> bool:
    """Whether a file of that name is a video.

    RefusedError 415 for an ending that is not taken, 501 for a video where `blind` says why none can be seen.
    """
    ending = Path(name).suffix.lower()
    film = is_video(name)
    if not film and ending not in POSES:
        raise RefusedError(415, f"a file that ends in {ending or 'nothing'!r}", f"{', '.join(POSES)} or a video")
    if film and blind:
        raise RefusedError(501, blind, "a pose file, or a server with the extra `video`")
    return film


def why_blind(config: EstimatorConfig) -> str:
    """Why no video can be seen; empty where it can."""
    try:
        identity(config)
    except InputError as error:
        return f"{error.found}. {error.hint}".strip()
    return ""


def bounds_of(limits: Limits) -> Bounds:
    """What one uploaded file may hold."""
    return Bounds(
        frames=limits.frames,
        seconds=limits.seconds,
        pixels=limits.megapixels * MEGA,
        persons=limits.persons,
        points=limits.points,
        members=limits.members,
        values=limits.upload_mb * MEGA / 8,
        nodes=limits.nodes,
    )


class Films:
    """Videos to recordings, with the estimator's models in memory from the start."""

    def __init__(self, config: EstimatorConfig, limits: Limits) -> None:
        self._limits, self._estimator = limits, load_estimator(config)
        self._watcher = LiveHolistic() if config.name == "holistic" else None
        grey = np.full((SIDE, SIDE, 3), 128, np.uint8)  # models load with the first picture
        self._estimator.estimate([grey], (SIDE, SIDE))
        if self._watcher is not None:
            self._watcher.estimate(grey)

    def read(self, content: bytes, name: str) -> Recording:
        """The recording in a video; RefusedError where it shows nobody for long, InputError for bad content."""
        clip = ClipFile(Path(UPLOAD + Path(name).suffix.lower()), content=content, bounds=bounds_of(self._limits))
        return extract(clip, _Impatient(self._estimator, self._watcher, self._limits.empty_frames)).recording


class _Impatient:
    """An estimator that gives up on a video whose first frames show nobody: an empty frame costs the most."""

    def __init__(self, estimator: Estimator, watcher: LiveHolistic | None, most: int) -> None:
        self.name, self.version = estimator.name, estimator.version
        self._estimator, self._watcher, self._most = estimator, watcher, most

    def estimate(self, frames: Iterable[Image], size: tuple[int, int]) -> Pose:
        """As the estimator's own; RefusedError where the first frames show nobody."""
        rest = iter(frames)
        return self._estimator.estimate(chain(self._until_somebody(rest), rest), size)

    def _until_somebody(self, frames: Iterator[Image]) -> list[Image]:
        """The frames up to the first of those looked at that shows somebody."""
        first = list[Image]()
        for number, frame in enumerate(frames):
            first.append(frame)
            if self._watcher is None or (number % LOOKS == 0 and self._watcher.estimate(frame)[1].any()):
                break
            if number >= self._most:
                wanted = "a video that shows the signer from the start"
                raise RefusedError(422, f"nobody in the first {number} frames", wanted)
        return first
