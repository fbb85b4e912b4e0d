"""MediaPipe Holistic: 33 points of the body, 21 a hand, 468 of the face, of the most prominent person.

`HolisticEstimator` takes whole videos, `LiveHolistic` the frames of a camera, one by one.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np
from pose_format import Pose

from twinsign.errors import InputError
from twinsign.extract.extras import version_of
from twinsign.extract.video import Image
from twinsign.pose.layout import JOINT_COUNT, LEFT_HAND, MEDIAPIPE_TRUNK, RIGHT_HAND, TRUNK
from twinsign.pose.recording import FloatArray

NAME = "mediapipe_holistic"
SETTINGS: dict[str, Any] = {"static_image_mode": False, "model_complexity": 1, "smooth_landmarks": True}
"""Complexity 1 is the one whose model the wheel holds; MediaPipe would download the others."""
MAX_JPEG_SIDE = 1280
"""Longest side, in pixels, of a JPEG that is decoded."""
MAX_SCANS = 24
"""Scans of a JPEG: baseline ones have 1 to 3, progressive ones about 10, a thumbnail inside has its own."""


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


class LiveHolistic:
    """Holistic on one camera's frames; tracking and smoothing run from frame to frame. For one thread at a time."""

    name = NAME

    def __init__(self) -> None:
        self.version = identity()["version"]
        with quiet():
            from mediapipe.python.solutions.holistic import Holistic

            self._holistic = Holistic(**SETTINGS)
        self._frames = 0

    def estimate(self, image: Image) -> tuple[FloatArray, FloatArray]:
        """Image fractions xy (49 2) and score (49), 0 where nothing was found, of the next frame (H W 3)."""
        self._frames += 1
        # In its first frames MediaPipe loads one model after the other and reports it.
        with quiet() if self._frames <= 50 else nullcontext():
            result: Any = self._holistic.process(image)
        xy, score = np.zeros((JOINT_COUNT, 2), np.float32), np.zeros(JOINT_COUNT, np.float32)
        for part, hand in ((RIGHT_HAND, result.right_hand_landmarks), (LEFT_HAND, result.left_hand_landmarks)):
            if hand:
                xy[part], score[part] = [(point.x, point.y) for point in hand.landmark], 1
        if result.pose_landmarks:
            body = [result.pose_landmarks.landmark[number] for number in MEDIAPIPE_TRUNK]
            xy[TRUNK] = [(point.x, point.y) for point in body]
            score[TRUNK] = np.clip([point.visibility for point in body], 0, 1)
        return xy, score

    def close(self) -> None:
        """Release the models."""
        self._holistic.close()


def decode_jpeg(content: bytes) -> Image:
    """A JPEG's pixels (H W 3); InputError where it is none, damaged, or beyond MAX_JPEG_SIDE or MAX_SCANS."""
    from PIL import Image as Pictures  # only a server decodes JPEGs

    wanted = f"a JPEG picture of at most {MAX_JPEG_SIDE} pixels a side"
    # A decoder draws the whole picture again for each scan; these bytes begin one, and do not occur within its data.
    scans = content.count(b"\xff\xda")
    if scans > MAX_SCANS:
        raise InputError(f"a picture of {scans} scans", f"at most {MAX_SCANS}")
    try:
        with Pictures.open(io.BytesIO(content), formats=["JPEG"]) as picture:
            if max(picture.size) > MAX_JPEG_SIDE:
                raise InputError(f"a picture of {picture.size[0]} x {picture.size[1]}", wanted)
            return np.asarray(picture.convert("RGB"), np.uint8)
    except InputError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        raise InputError(f"bytes that are no JPEG ({type(error).__name__})", wanted) from error


_lock = threading.Lock()
_quiet_blocks = 0
"""Blocks within `quiet`, in whatever threads."""
_undo = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what MediaPipe writes straight to the process's standard error, whatever its log level.

    Blocks of several threads may overlap: the first one silences the process, the last one undoes it.
    """
    global _quiet_blocks
    with _lock:
        if not _quiet_blocks:
            _undo.enter_context(_silence())
        _quiet_blocks += 1
    try:
        yield
    finally:
        with _lock:
            _quiet_blocks -= 1
            if not _quiet_blocks:
                _undo.close()


@contextmanager
def _silence() -> Iterator[None]:
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        warnings.filterwarnings("ignore", r"SymbolDatabase\.GetPrototype", UserWarning)  # MediaPipe's, in every frame
