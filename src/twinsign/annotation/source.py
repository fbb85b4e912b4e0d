"""Long recordings of poses or video in pieces, so that hours of them fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pose_format.numpy import NumPyPoseBody

from twinsign.annotation.resampling import Poses, at_even_rate
from twinsign.errors import InputError
from twinsign.extract.config import HOLISTIC, EstimatorConfig
from twinsign.extract.estimator import Estimator, load_estimator
from twinsign.extract.video import Image, Video, is_video, open_video
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read import read_pieces, write_npz
from twinsign.pose.read.pose_file import from_pose
from twinsign.pose.recording import Recording, Unit
from twinsign.pose.resampling import Times
from twinsign.pose.trim import FPS

PIECE = 3000
"""Frames of a piece: two minutes at 25 a second."""


class Piece(NamedTuple):
    """Consecutive frames of a recording, in image fractions, and when each was shown, in seconds (T)."""

    recording: Recording
    times: Times


@dataclass(frozen=True)
class SourceConfig:
    """How files are read: what they do not state, and the estimator of videos."""

    estimator: EstimatorConfig = HOLISTIC
    size: tuple[int, int] | None = None
    fps: float | None = None
    unit: Unit | None = None


class Source:
    """Opens files one after another; the estimator is loaded with the first video."""

    def __init__(self, config: SourceConfig, load: Callable[[EstimatorConfig], Estimator] = load_estimator) -> None:
        self.config, self._load = config, load
        self._estimator: Estimator | None = None

    def pieces(self, path: Path, frames: int = PIECE) -> Iterator[Piece]:
        """The file's pieces in order; InputError on bad content, and where nothing says how fast frames follow."""
        if is_video(path) and not path.is_dir():
            yield from self._estimated(path, frames)
            return
        config, first = self.config, 0
        for recording in read_pieces(path, frames, size=config.size, fps=config.fps, unit=config.unit):
            if recording.fps is None:
                hint = "State it: --fps 25."
                raise recording.error("no frame rate", "frames a second, without which there are no times", hint=hint)
            yield Piece(recording.fractions(), (first + np.arange(len(recording.xy))) / recording.fps)
            first += len(recording.xy)

    def _estimated(self, path: Path, frames: int) -> Iterator[Piece]:
        """A video's pieces, each estimated by itself: tracking restarts with every piece."""
        if not path.is_file():
            raise InputError("no such file", "a video", file=path, clip=path.stem)
        self._estimator = self._estimator or self._load(self.config.estimator)
        clip = ClipFile(path, fps=self.config.fps, unit="pixel")
        with open_video(clip) as video:
            images = video.frames()
            while True:
                first = len(video.times)
                part = islice(images, frames)
                head = next(part, None)
                if head is None:
                    break
                pose = self._estimator.estimate(_with(head, part), video.size)
                data = np.asarray(pose.body.data.data, np.float32)
                body = NumPyPoseBody(video.fps or 0, data, np.asarray(pose.body.confidence, np.float32))
                recording = from_pose(clip, pose.header, body).fractions()
                if len(recording.xy) != len(video.times) - first:
                    raise clip.error(f"{len(recording.xy)} poses", f"{len(video.times) - first}, one a frame")
                yield Piece(recording, _shown_at(video, first))


def _with(head: Image, rest: Iterator[Image]) -> Iterator[Image]:
    yield head
    yield from rest


def _shown_at(video: Video, first: int) -> Times:
    """When the frames from number `first` on were shown; by the frame rate where the file does not say."""
    times = np.asarray(video.times, np.float64)
    if np.isfinite(times).all() and (np.diff(times) > 0).all():
        return np.asarray(times[first:] - times[0])
    fps = video.fps
    if not fps:
        raise video.clip.error("no frame rate and no times", "either", hint="State it: --fps 25.")
    return np.arange(first, len(times)) / fps


class PoseFile:
    """A video's estimated poses, collected piece by piece in little memory, to be written as one `.npz`."""

    def __init__(self) -> None:
        self._xy: list[NDArray[np.float16]] = []
        self._score: list[NDArray[np.float16]] = []
        self._times: list[Times] = []

    def add(self, piece: Piece) -> None:
        """Add the next piece."""
        self._xy.append(piece.recording.xy.astype(np.float16))
        self._score.append(piece.recording.score.astype(np.float16))
        self._times.append(piece.times)
        self._last = piece.recording

    def write(self, path: Path) -> None:
        """Write the poses at an even frame rate, the median of the video's own."""
        times = np.concatenate(self._times)
        poses = Poses(*(np.concatenate(part).astype(np.float32) for part in (self._xy, self._score)))
        poses, fps = at_even_rate(poses, times, self._last.fps or FPS)
        whole = replace(self._last, id=path.stem, xy=poses.xy, score=poses.score, fps=fps, notes=())
        write_npz(whole, path)
