"""Poses of a camera's frames as they come, one by one: MediaPipe Holistic with the settings of `holistic.py`."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np
from PIL import Image as Pictures

from twinsign.errors import InputError
from twinsign.extract.holistic import NAME, SETTINGS, identity, quiet
from twinsign.extract.video import Image
from twinsign.pose.layout import JOINT_COUNT, LEFT_HAND, MEDIAPIPE_TRUNK, RIGHT_HAND, TRUNK
from twinsign.pose.recording import FloatArray

MAX_SIDE = 1280
"""Longest side, in pixels, of a picture that is taken."""
MOST_SCANS = 24
"""Scans of a JPEG: baseline ones have 1 to 3, progressive ones about 10, a thumbnail inside has its own."""
_SCAN = b"\xff\xda"
"""How a scan begins; within its data these bytes do not stand together."""
LOUD = 50
"""First frames in which MediaPipe loads one model after the other and says so."""


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
        with quiet() if self._frames <= LOUD else nullcontext():
            found: Any = self._holistic.process(image)
        xy, score = np.zeros((JOINT_COUNT, 2), np.float32), np.zeros(JOINT_COUNT, np.float32)
        if found.pose_landmarks:
            body = [found.pose_landmarks.landmark[number] for number in MEDIAPIPE_TRUNK]
            xy[TRUNK], score[TRUNK] = _places(body), np.clip([point.visibility for point in body], 0, 1)
        for part, hand in ((RIGHT_HAND, found.right_hand_landmarks), (LEFT_HAND, found.left_hand_landmarks)):
            if hand:
                xy[part], score[part] = _places(hand.landmark), 1
        return xy, score

    def close(self) -> None:
        """Let the models go."""
        self._holistic.close()


def _places(points: Iterable[Any]) -> list[tuple[float, float]]:
    return [(point.x, point.y) for point in points]


def decode_jpeg(content: bytes) -> Image:
    """A JPEG's pixels (H W 3); InputError where it is none, damaged, beyond MAX_SIDE or of more than MOST_SCANS."""
    wanted = f"a JPEG picture of at most {MAX_SIDE} pixels a side"
    scans = content.count(_SCAN)  # a decoder draws the whole picture anew for each
    if scans > MOST_SCANS:
        raise InputError(f"a picture of {scans} scans", f"at most {MOST_SCANS}")
    try:
        with Pictures.open(io.BytesIO(content), formats=["JPEG"]) as picture:
            if max(picture.size) > MAX_SIDE:
                raise InputError(f"a picture of {picture.size[0]} x {picture.size[1]}", wanted)
            return np.asarray(picture.convert("RGB"), np.uint8)
    except InputError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes
        raise InputError(f"what is no JPEG ({type(error).__name__})", wanted) from error
