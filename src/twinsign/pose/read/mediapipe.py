"""MediaPipe Holistic arrays in image fractions, from .npz or .npy.

Either one array a part, pose (T 33 2..4), left_hand (T 21 2..3), right_hand (T 21 2..3), any of them absent; or one
array of all points: 543 in Holistic's order (face 468, left hand 21, pose 33, right hand 21) or 75 without the face
(pose 33, left hand 21, right hand 21). Columns: x, y, z, visibility; the pose's visibility is its score. A part that
is all NaN or all zero in a frame was not found there; a found hand has score 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.layout import (
    HAND_JOINTS,
    JOINT_COUNT,
    LEFT_HAND,
    MEDIAPIPE_FACE_POINTS,
    MEDIAPIPE_POSE_POINTS,
    MEDIAPIPE_TRUNK,
    RIGHT_HAND,
    TRUNK,
)
from twinsign.pose.read.clip_file import ClipFile
from twinsign.pose.recording import FloatArray, Recording

PARTS = {"pose": MEDIAPIPE_POSE_POINTS, "left_hand": len(HAND_JOINTS), "right_hand": len(HAND_JOINTS)}
_COLUMNS = {"pose": (2, 3, 4), "left_hand": (2, 3), "right_hand": (2, 3)}
_ROWS = {"pose": TRUNK, "left_hand": LEFT_HAND, "right_hand": RIGHT_HAND}
_ORDERS = {
    sum(PARTS.values()): ("pose", "left_hand", "right_hand"),
    sum(PARTS.values()) + MEDIAPIPE_FACE_POINTS: ("face", "left_hand", "pose", "right_hand"),
}
WHOLE_POINTS = tuple(_ORDERS)
"""The numbers of points that one array may hold: 75 and 543."""
_VISIBILITY = 3


def from_arrays(clip: ClipFile, arrays: Mapping[str, NDArray[np.generic]], notes: tuple[str, ...] = ()) -> Recording:
    """A Recording of Holistic's parts, or of the one array (T 75 2..4) or (T 543 2..4); InputError on other shapes."""
    parts = {name: clip.joints(arrays[name], PARTS[name], _COLUMNS[name], name) for name in PARTS if name in arrays}
    if not parts:
        parts = _split(clip, arrays)
    lengths = {name: len(points) for name, points in parts.items()}
    if len(set(lengths.values())) != 1:
        raise clip.error(f"frames {lengths}", "as many in each part")
    xy = np.zeros((next(iter(lengths.values())), JOINT_COUNT, 2), np.float32)
    score = np.zeros(xy.shape[:2], np.float32)
    for name, points in parts.items():
        part = points[:, list(MEDIAPIPE_TRUNK)] if name == "pose" else points
        xy[:, _ROWS[name]] = part[..., :2]
        score[:, _ROWS[name]] = _score(part, name)
    size, fps = clip.stated_size(arrays), clip.stated_fps(arrays)
    return clip.recording(xy, score, unit="fraction", size=size, fps=fps, estimator="mediapipe_holistic", notes=notes)


def _split(clip: ClipFile, arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, FloatArray]:
    whole = [array for array in arrays.values() if array.ndim == 3 and array.shape[1] in _ORDERS]
    if len(whole) != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise clip.error(shapes or "no array", f"{', '.join(PARTS)}, or one array (frames, 75 or 543 points, 2 to 4)")
    points = clip.joints(whole[0], whole[0].shape[1], (2, 3, 4), "points")
    names = _ORDERS[points.shape[1]]
    ends = np.cumsum([PARTS.get(name, MEDIAPIPE_FACE_POINTS) for name in names])[:-1]
    return {name: part for name, part in zip(names, np.split(points, ends, axis=1), strict=True) if name in PARTS}


def _score(part: FloatArray, name: str) -> FloatArray:
    """(T V): the pose's visibility where there is one, else 1; 0 in frames where the part is all NaN or all zero."""
    xy = part[..., :2]
    found = ~(np.isnan(xy) | (xy == 0)).all(axis=(1, 2))
    score = part[..., _VISIBILITY] if name == "pose" and part.shape[2] > _VISIBILITY else np.ones(xy.shape[:2])
    return np.where(found[:, None], score, 0).astype(np.float32)
