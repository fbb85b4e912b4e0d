"""MediaPipe Holistic arrays in image fractions, from .npz or .npy.

Either one array a part, pose (T 33 2..4), left_hand (T 21 2..3), right_hand (T 21 2..3), any of them absent; or one
array of all points: 543 in Holistic's order (face 468, left hand 21, pose 33, right hand 21) or 75 without the face
(pose 33, left hand 21, right hand 21). Columns: x, y, z, visibility; the pose's visibility is its score. A part that
is all NaN or all zero in a frame was not found there; a detected hand has score 1.

Or the numbers of a frame in a row, (T numbers), as webcam tutorials and their many descendants write them: FLAT. Such
rows may also stand in a folder of .npy files, one a frame, named by its number (0.npy).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from twinsign.pose.clip_file import LONE_ARRAY, Arrays, ClipFile
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
from twinsign.pose.read.frames import spread_in_time
from twinsign.pose.recording import FloatArray, Recording

PARTS = {"pose": MEDIAPIPE_POSE_POINTS, "left_hand": len(HAND_JOINTS), "right_hand": len(HAND_JOINTS)}
_POINTS = PARTS | {"face": MEDIAPIPE_FACE_POINTS}
_JOINTS: dict[str, tuple[slice, list[int] | slice]] = {
    "pose": (TRUNK, list(MEDIAPIPE_TRUNK)),
    "left_hand": (LEFT_HAND, slice(None)),
    "right_hand": (RIGHT_HAND, slice(None)),
}
"""For each part, the rows of the 49 joints, and the part's points that go there."""
_ORDERS = {
    sum(PARTS.values()): ("pose", "left_hand", "right_hand"),
    sum(_POINTS.values()): ("face", "left_hand", "pose", "right_hand"),
}
FLAT = {
    1662: {"pose": 4, "face": 3, "left_hand": 3, "right_hand": 3},
    2172: {"face": 4, "left_hand": 4, "pose": 4, "right_hand": 4},
    300: {"pose": 4, "left_hand": 4, "right_hand": 4},
    258: {"pose": 4, "left_hand": 3, "right_hand": 3},
    225: {"pose": 3, "left_hand": 3, "right_hand": 3},
    150: {"pose": 2, "left_hand": 2, "right_hand": 2},
    126: {"left_hand": 3, "right_hand": 3},
    84: {"left_hand": 2, "right_hand": 2},
}
"""By the count of numbers a frame: parts in order, and the columns of each of their points. A count that two orders
share, such as 1629, is not listed."""
WHOLE_POINTS = tuple(_ORDERS)
"""The numbers of points that one array may hold: 75 and 543."""
_VISIBILITY = 3
_TOLERANCE = 0.1
"""How far a visibility may leave [0, 1] by rounding or a model's slack."""
_FRAME_ENDING = ".npy"
_FRAMES = f"frames of one kind: rows of {', '.join(map(str, sorted(FLAT)))} numbers"


def from_arrays(clip: ClipFile, arrays: Arrays, notes: tuple[str, ...] = ()) -> Recording:
    """The Recording of Holistic's parts, or of one array of all points or numbers; InputError on other shapes."""
    parts = {
        name: clip.numbers(arrays[name], name, ("frames", points, (2, 3, 4) if name == "pose" else (2, 3)))
        for name, points in PARTS.items()
        if name in arrays
    }
    if not parts:
        parts, order = _split_array(clip, arrays)
        notes += order
    missing = [name for name in ("left_hand", "right_hand") if name not in arrays]
    hands = [name for name, array in arrays.items() if array.ndim == 3 and array.shape[1] == len(HAND_JOINTS)]
    misnamed = [name for name in hands if name not in PARTS]
    if misnamed and missing and arrays.keys() & PARTS.keys():  # a hand would be lost
        raise clip.error(f"arrays {', '.join(arrays)}", f"hands called {' and '.join(missing)}, not {misnamed[0]}")
    return _join_parts(clip, parts, arrays, notes)


def with_confidences(clip: ClipFile, arrays: Arrays) -> Recording:
    """OpenHands: keypoints (T 75 2..3) and, if any, confidences (T 75); InputError on other shapes."""
    points = clip.numbers(arrays["keypoints"], "keypoints", ("frames", WHOLE_POINTS[0], (2, 3)))[..., :2]
    parts = _split(points, dict.fromkeys(PARTS, 2))
    if "confidences" not in arrays:
        return _join_parts(clip, parts, arrays)
    scores = clip.numbers(arrays["confidences"], "confidences", points.shape[:2])
    recording = _join_parts(clip, parts, arrays)
    score = np.zeros_like(recording.score)
    for name, part in _split(scores, dict.fromkeys(PARTS, 1)).items():
        rows, numbers = _JOINTS[name]
        score[:, rows] = part[:, numbers, 0]
    return replace(recording, score=np.where(recording.seen, clip.scores(score), np.float32(0)))


def is_frame_folder(folder: Path, names: Sequence[str]) -> bool:
    """Whether the files of a folder are numbered frames: its .npy files have numbers for names, and hold one row."""
    arrays = [name for name in names if name.lower().endswith(_FRAME_ENDING) and not name.startswith(".")]
    if not arrays or not all(Path(name).stem.isdecimal() for name in arrays):
        return False
    try:
        first = np.load(folder / arrays[0], mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return bool(first.ndim == 1)


def read_frame_folder(clip: ClipFile) -> Recording:
    """Read a folder of numbered frames; a missing one shows nothing. InputError on frames of other or several kinds."""
    with clip.decoding("a folder of frames"):
        paths = [path for path in clip.path.iterdir() if path.suffix.lower() == _FRAME_ENDING]
        files = {int(path.stem): path for path in paths if path.stem.isdecimal()}
    rows = []
    for frame, (_, path) in enumerate(sorted(files.items())):
        file = ClipFile(path, clip_id=clip.id, bounds=clip.bounds)
        (array,) = file.read_arrays().values()
        if array.ndim != 1:
            raise file.error(f"an array of shape {array.shape}", _FRAMES, frame=frame)
        rows.append(file.numbers(array, "numbers", frame=frame))
    lengths = {len(row) for row in rows}
    if len(lengths) != 1 or not lengths <= FLAT.keys():
        raise clip.error(f"frames of {' and '.join(map(str, sorted(lengths)))} numbers", _FRAMES)
    rows, notes = spread_in_time(clip, sorted(files), rows, np.full(lengths.pop(), np.nan, np.float32))
    return from_arrays(clip, {LONE_ARRAY: np.stack(rows)}, notes)


def _join_parts(clip: ClipFile, parts: Arrays, stated: Arrays, notes: tuple[str, ...] = ()) -> Recording:
    lengths = {name: len(points) for name, points in parts.items()}
    if len(set(lengths.values())) != 1:
        raise clip.error(f"frames {lengths}", "as many in each part")
    xy = np.zeros((next(iter(lengths.values())), JOINT_COUNT, 2), np.float32)
    score = np.zeros(xy.shape[:2], np.float32)
    for name, points in parts.items():
        rows, numbers = _JOINTS[name]
        xy[:, rows] = points[:, numbers, :2]
        score[:, rows] = _score(clip, points[:, numbers], name)
    return clip.recording(xy, score, unit="fraction", stated=stated, estimator="mediapipe_holistic", notes=notes)


def _split(values: FloatArray, columns: Mapping[str, int]) -> dict[str, FloatArray]:
    """The parts (T V C), without the face, of values that hold them in this order, each point with so many columns."""
    rows = values.reshape(len(values), math.prod(values.shape[1:]))
    ends = np.cumsum([_POINTS[name] * width for name, width in columns.items()])
    pieces = zip(columns.items(), np.split(rows, ends[:-1], axis=1), strict=True)
    return {name: piece.reshape(-1, _POINTS[name], width) for (name, width), piece in pieces if name in PARTS}


def _split_array(clip: ClipFile, arrays: Arrays) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """The parts of the one array, and a note of the assumed order where the count of numbers alone tells it."""
    tables: dict[int, Mapping[int, object]] = {2: FLAT, 3: _ORDERS}
    whole = [array for array in arrays.values() if array.ndim in tables and array.shape[1] in tables[array.ndim]]
    if len(whole) != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise clip.error(shapes or "no array", f"{', '.join(PARTS)}, or one array (frames, 75 or 543 points, 2 to 4)")
    length = whole[0].shape[1]
    if whole[0].ndim == 3:
        points = clip.numbers(whole[0], "points", ("frames", length, (2, 3, 4)))
        return _split(points, dict.fromkeys(_ORDERS[length], int(points.shape[2]))), ()
    columns = FLAT[length]
    listed = ", ".join(f"{name.replace('_', ' ')} {_POINTS[name]} x {width}" for name, width in columns.items())
    return _split(clip.numbers(whole[0], "numbers"), columns), (f"{length} numbers a frame taken as {listed}",)


def _score(clip: ClipFile, part: FloatArray, name: str) -> FloatArray:
    """(T V): the pose's visibility if any, else 1; 0 in frames where the part is all NaN or all zero."""
    xy = part[..., :2]
    detected = ~(np.isnan(xy) | (xy == 0)).all(axis=(1, 2))
    score: FloatArray = np.ones(xy.shape[:2], np.float32)
    if name == "pose" and part.shape[2] > _VISIBILITY and not np.isnan(part[..., _VISIBILITY]).all():
        score = part[..., _VISIBILITY]
        finite = score[np.isfinite(score)]
        if len(finite) and not -_TOLERANCE <= finite.min() <= finite.max() <= 1 + _TOLERANCE:
            problem = f"visibilities from {finite.min():.4g} to {finite.max():.4g}"
            raise clip.error(problem, "from 0 to 1: are these other numbers?")
    return np.where(detected[:, None], score, 0).astype(np.float32)
