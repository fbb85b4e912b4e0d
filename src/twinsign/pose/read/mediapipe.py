"""MediaPipe Holistic arrays in image fractions, from .npz or .npy.

Either one array a part, pose (T 33 2..4), left_hand (T 21 2..3), right_hand (T 21 2..3), any of them absent; or one
array of all points: 543 in Holistic's order (face 468, left hand 21, pose 33, right hand 21) or 75 without the face
(pose 33, left hand 21, right hand 21). Columns: x, y, z, visibility; the pose's visibility is its score. A part that
is all NaN or all zero in a frame was not found there; a found hand has score 1.

Or the numbers of a frame in a row, (T numbers), as webcam tutorials and their many descendants write them: FLAT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.clip_file import ClipFile
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
from twinsign.pose.recording import FloatArray, Recording

PARTS = {"pose": MEDIAPIPE_POSE_POINTS, "left_hand": len(HAND_JOINTS), "right_hand": len(HAND_JOINTS)}
_COLUMNS = {"pose": (2, 3, 4), "left_hand": (2, 3), "right_hand": (2, 3)}
_ROWS = {"pose": TRUNK, "left_hand": LEFT_HAND, "right_hand": RIGHT_HAND}
_ORDERS = {
    sum(PARTS.values()): ("pose", "left_hand", "right_hand"),
    sum(PARTS.values()) + MEDIAPIPE_FACE_POINTS: ("face", "left_hand", "pose", "right_hand"),
}
FLAT: dict[int, tuple[tuple[str, int], ...]] = {
    1662: (("pose", 4), ("face", 3), ("left_hand", 3), ("right_hand", 3)),
    2172: (("face", 4), ("left_hand", 4), ("pose", 4), ("right_hand", 4)),
    300: (("pose", 4), ("left_hand", 4), ("right_hand", 4)),
    258: (("pose", 4), ("left_hand", 3), ("right_hand", 3)),
    225: (("pose", 3), ("left_hand", 3), ("right_hand", 3)),
    150: (("pose", 2), ("left_hand", 2), ("right_hand", 2)),
    126: (("left_hand", 3), ("right_hand", 3)),
    84: (("left_hand", 2), ("right_hand", 2)),
}
"""By the count of numbers a frame: parts in order, and the columns of each of their points. Where two orders have one
count, as with 1629, it is not here."""
WHOLE_POINTS = tuple(_ORDERS)
"""The numbers of points that one array may hold: 75 and 543."""
_VISIBILITY = 3
_BEYOND = 0.1
"""How far a visibility may leave [0, 1] by rounding or a model's slack."""


def from_arrays(clip: ClipFile, arrays: Mapping[str, NDArray[np.generic]], notes: tuple[str, ...] = ()) -> Recording:
    """A Recording of Holistic's parts, or of the one array (T 75 2..4) or (T 543 2..4); InputError on other shapes."""
    parts = {name: clip.joints(arrays[name], PARTS[name], _COLUMNS[name], name) for name in PARTS if name in arrays}
    if not parts:
        parts, flat = _split(clip, arrays)
        notes = (*notes, *flat)
    _check_names(clip, arrays)
    return _of_parts(clip, parts, arrays, notes)


def with_confidences(clip: ClipFile, arrays: Mapping[str, NDArray[np.generic]]) -> Recording:
    """OpenHands: keypoints (T 75 2..3) and, if there, confidences (T 75); InputError on other shapes."""
    points, given = arrays["keypoints"], arrays.get("confidences")
    points = clip.joints(points, sum(PARTS.values()), (2, 3), "keypoints")[..., :2]
    if given is None:
        return _of_parts(clip, dict(zip(PARTS, _parts_of(points, tuple(PARTS)), strict=True)), arrays, ())
    scores = clip.numbers(given, "confidences")
    if scores.shape != points.shape[:2]:
        raise clip.error(f"confidences of shape {scores.shape}", f"{points.shape[:2]}, one a point")
    recording = _of_parts(clip, dict(zip(PARTS, _parts_of(points, tuple(PARTS)), strict=True)), arrays, ())
    score = np.zeros_like(recording.score)
    for name, part in zip(PARTS, _parts_of(scores, tuple(PARTS)), strict=True):
        score[:, _ROWS[name]] = part[:, list(MEDIAPIPE_TRUNK)] if name == "pose" else part
    return replace(recording, score=np.where(recording.seen, clip.scores(score), np.float32(0)))


def _of_parts(
    clip: ClipFile, parts: Mapping[str, FloatArray], arrays: Mapping[str, NDArray[np.generic]], notes: tuple[str, ...]
) -> Recording:
    lengths = {name: len(points) for name, points in parts.items()}
    if len(set(lengths.values())) != 1:
        raise clip.error(f"frames {lengths}", "as many in each part")
    xy = np.zeros((next(iter(lengths.values())), JOINT_COUNT, 2), np.float32)
    score = np.zeros(xy.shape[:2], np.float32)
    for name, points in parts.items():
        part = points[:, list(MEDIAPIPE_TRUNK)] if name == "pose" else points
        xy[:, _ROWS[name]] = part[..., :2]
        score[:, _ROWS[name]] = _score(clip, part, name)
    size, fps = clip.stated_size(arrays), clip.stated_fps(arrays)
    return clip.recording(xy, score, unit="fraction", size=size, fps=fps, estimator="mediapipe_holistic", notes=notes)


def _check_names(clip: ClipFile, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """InputError where a hand stands under a name that is not read, and would be lost."""
    lacking = [name for name in ("left_hand", "right_hand") if name not in arrays]
    strange = [
        name
        for name, array in arrays.items()
        if name not in PARTS and array.ndim == 3 and array.shape[1:2] == (len(HAND_JOINTS),)
    ]
    if strange and lacking and arrays.keys() & PARTS.keys():
        raise clip.error(f"arrays {', '.join(arrays)}", f"hands called {' and '.join(lacking)}, not {strange[0]}")


def _parts_of(points: NDArray[Any], names: tuple[str, ...]) -> list[NDArray[Any]]:
    """The parts of points (T V ...) that stand one after the other."""
    ends = np.cumsum([PARTS.get(name, MEDIAPIPE_FACE_POINTS) for name in names])[:-1]
    return np.split(points, ends, axis=1)


def _split(clip: ClipFile, arrays: Mapping[str, NDArray[np.generic]]) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """The parts of the one array, and a note of the order that was taken where numbers alone tell it."""
    whole = [array for array in arrays.values() if array.ndim == 3 and array.shape[1] in _ORDERS]
    flat = [array for array in arrays.values() if array.ndim == 2 and array.shape[1] in FLAT]
    if len(whole) + len(flat) != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise clip.error(shapes or "no array", f"{', '.join(PARTS)}, or one array (frames, 75 or 543 points, 2 to 4)")
    if flat:
        return _unrolled(clip, clip.numbers(flat[0], "numbers"))
    points = clip.joints(whole[0], whole[0].shape[1], (2, 3, 4), "points")
    names = _ORDERS[points.shape[1]]
    return {name: part for name, part in zip(names, _parts_of(points, names), strict=True) if name in PARTS}, ()


def _unrolled(clip: ClipFile, rows: FloatArray) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    order = FLAT[rows.shape[1]]
    counts = [(PARTS.get(name, MEDIAPIPE_FACE_POINTS), columns) for name, columns in order]
    pieces = np.split(rows, np.cumsum([points * columns for points, columns in counts])[:-1], axis=1)
    parts = {
        name: piece.reshape(len(rows), *shape)
        for (name, _), piece, shape in zip(order, pieces, counts, strict=True)
        if name in PARTS
    }
    words = ", ".join(f"{name.replace('_', ' ')} {points} x {size}" for (name, _), (points, size) in
                      zip(order, counts, strict=True))  # fmt: skip
    return parts, (f"{rows.shape[1]} numbers a frame taken as {words}",)


def _score(clip: ClipFile, part: FloatArray, name: str) -> FloatArray:
    """(T V): the pose's visibility where there is one, else 1; 0 in frames where the part is all NaN or all zero."""
    xy = part[..., :2]
    found = ~(np.isnan(xy) | (xy == 0)).all(axis=(1, 2))
    score: FloatArray = np.ones(xy.shape[:2], np.float32)
    if name == "pose" and part.shape[2] > _VISIBILITY and not np.isnan(part[..., _VISIBILITY]).all():
        score = part[..., _VISIBILITY]
        known = score[np.isfinite(score)]
        if len(known) and not -_BEYOND <= known.min() <= known.max() <= 1 + _BEYOND:
            found = f"visibilities from {known.min():.4g} to {known.max():.4g}"
            raise clip.error(found, "from 0 to 1: are these other numbers?")
    return np.where(found[:, None], score, 0).astype(np.float32)
