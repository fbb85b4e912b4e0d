"""MediaPipe Holistic: 33 points of the body, 21 a hand, 468 of the face, of the most prominent person."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from pose_format import Pose

from twinsign.extract.extras import version_of
from twinsign.extract.video import Image

NAME = "mediapipe_holistic"
SETTINGS: dict[str, Any] = {"static_image_mode": False, "model_complexity": 1, "smooth_landmarks": True}
"""Complexity 1 is the one whose model the wheel holds; MediaPipe would download the others."""


def identity() -> dict[str, str]:
    """Name and version; InputError where MediaPipe is missing."""
    version_of("av", "video")
    return {"name": NAME, "version": version_of("mediapipe", "video")}


class HolisticEstimator:
    """Holistic by way of pose-format, so that a file is what pose-format's own `video_to_pose` would write."""

    name = NAME

    def __init__(self) -> None:
        self.version = identity()["version"]
        with quiet():
            from pose_format.utils.holistic import load_holistic
        self._load = load_holistic

    def estimate(self, frames: Iterable[Image], size: tuple[int, int]) -> Pose:
        """Estimate frame by frame, tracking and smoothing within this video alone."""
        width, height = size
        with quiet():
            pose: Pose = self._load(
                frames, fps=0, width=width, height=height, reuse=False, additional_holistic_config=dict(SETTINGS)
            )
        return pose


_turn = threading.Lock()
_inside = 0
"""Blocks that want quiet, in whatever threads."""
_undo = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """MediaPipe writes notices straight to the process's standard error, whatever its log level; drop them.

    Blocks of several threads may overlap: the first one silences the process, the last one undoes it.
    """
    global _inside
    with _turn:
        if not _inside:
            _undo.enter_context(_silence())
        _inside += 1
    try:
        yield
    finally:
        with _turn:
            _inside -= 1
            if not _inside:
                _undo.close()


@contextmanager
def _silence() -> Iterator[None]:
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        warnings.filterwarnings("ignore", r"SymbolDatabase\.GetPrototype", UserWarning)  # MediaPipe's, in every frame
