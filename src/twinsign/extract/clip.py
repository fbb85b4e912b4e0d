"""One video: estimated, trimmed, written; and reading videos and pose files alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody

from twinsign.errors import InputError
from twinsign.extract.config import HOLISTIC, EstimatorConfig
from twinsign.extract.estimator import Estimator, load_estimator
from twinsign.extract.video import MAX_SIDE, is_video, open_video
from twinsign.files import atomic
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read import read, write_npz
from twinsign.pose.read.pose_file import from_pose
from twinsign.pose.recording import Recording, Unit
from twinsign.pose.trim import active_span

Format = Literal["pose", "npz"]


@dataclass(frozen=True)
class Extraction:
    """A video's poses, all of the estimator's points and the 49, of its frames [first, stop) `kept`."""

    pose: Pose
    recording: Recording
    kept: tuple[int, int]
    video_frames: int


def extract(
    path: str | PathLike[str] | ClipFile,
    estimator: Estimator,
    *,
    trim: bool = False,
    max_side: int = MAX_SIDE,
    fps: float | None = None,
) -> Extraction:
    """Estimate the poses of one video, in memory; `fps` where the file states none; InputError on a bad video.

    A ClipFile brings its own content and bounds; TooLargeError where the video has more.
    """
    clip = path if isinstance(path, ClipFile) else ClipFile(Path(path), fps=fps)
    clip = replace(clip, unit="pixel")
    with open_video(clip, max_side) as video:
        estimated = estimator.estimate(video.frames(), video.size)
    data, score = (np.asarray(array, np.float32) for array in (estimated.body.data.data, estimated.body.confidence))
    if len(data) != len(video.times):
        raise clip.error(f"{len(data)} poses for {len(video.times)} frames", "one a frame")
    recording = from_pose(clip, estimated.header, NumPyPoseBody(video.fps or 0, data, score))
    name = f"{estimator.name} {estimator.version}"
    recording = replace(recording, estimator=name, notes=(*video.notes, *recording.notes))
    first, stop = active_span(recording) if trim else (0, len(data))
    if stop - first < len(data):
        recording = replace(recording, xy=recording.xy[first:stop], score=recording.score[first:stop])
    body = NumPyPoseBody(video.fps or 0, data[first:stop], score[first:stop])
    return Extraction(Pose(estimated.header, body), recording, (first, stop), len(data))


def write(extraction: Extraction, path: Path, form: Format) -> None:
    """Write as `.pose` (all points) or twinsign's `.npz` (the 49 joints), whole or not at all."""
    if form == "npz":
        write_npz(extraction.recording, path)
        return
    with atomic(path) as temporary, temporary.open("wb") as stream:
        extraction.pose.write(stream)


class Reader:
    """Reads pose files and videos alike; the estimator is loaded with the first video."""

    def __init__(
        self,
        estimator: EstimatorConfig = HOLISTIC,
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        unit: Unit | None = None,
    ) -> None:
        self._config, self._size, self._fps, self._unit = estimator, size, fps, unit
        self._estimator: Estimator | None = None

    def read(self, path: str | PathLike[str]) -> Recording:
        """One recording of a pose file, a folder of OpenPose frames or a video; InputError on bad content."""
        if not is_video(path) or Path(path).is_dir():
            return read(path, size=self._size, fps=self._fps, unit=self._unit)
        if not Path(path).is_file():
            raise InputError("no such file", "a video", file=path, clip=Path(path).stem)
        self._estimator = self._estimator or load_estimator(self._config)
        return extract(path, self._estimator, fps=self._fps).recording
