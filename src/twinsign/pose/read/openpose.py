"""OpenPose: a folder of JSON files, one a frame, ordered by the number in the name; BODY_25 and hands, in pixels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import (
    HAND_JOINTS,
    JOINT_COUNT,
    LEFT_HAND,
    OPENPOSE_BODY25_POINTS,
    OPENPOSE_BODY25_TRUNK,
    OPENPOSE_COCO18_POINTS,
    RIGHT_HAND,
    TRUNK,
)
from twinsign.pose.read.frames import check_finite, record_signer, spread_in_time
from twinsign.pose.recording import FloatArray, Recording

ENDING = "_keypoints.json"
"""How the names of OpenPose's frames end."""
_HAND = tuple(range(len(HAND_JOINTS)))
_BODY = (OPENPOSE_BODY25_POINTS, OPENPOSE_COCO18_POINTS)  # both begin with the trunk's points, in the same order
_PARTS = {
    "pose_keypoints": (_BODY, TRUNK, OPENPOSE_BODY25_TRUNK),
    "hand_left_keypoints": ((len(HAND_JOINTS),), LEFT_HAND, _HAND),
    "hand_right_keypoints": ((len(HAND_JOINTS),), RIGHT_HAND, _HAND),
}
"""Keys, up to _2d, which files before version 1.2 lack: numbers of points, the 49 joints' rows, and their points."""
_FRAME = 'a frame of OpenPose: {"people": [{"pose_keypoints_2d": [...], ...}]}'
FOLDER = "a folder of OpenPose JSON files, NAME_<frame number>_keypoints.json"
"""What `read` expects, for messages."""


def read(clip: ClipFile) -> Recording:
    """Read a folder of frames, following the signer; a frame without persons shows nothing; InputError on bad files."""
    files = _find_frames(clip)
    clip.extent("pixel")  # an unknown size is refused before thousands of files are read
    frames = [_read_frame(clip, path, frame) for frame, path in enumerate(files.values())]
    frames, gaps = spread_in_time(clip, list(files), frames, [])
    return record_signer(clip, frames, unit="pixel", estimator="openpose", notes=gaps)


def _find_frames(clip: ClipFile) -> dict[int, Path]:
    with clip.decoding(FOLDER):
        paths = [path for path in clip.path.iterdir() if path.suffix == ".json" and not path.name.startswith(".")]
    files: dict[int, Path] = {}
    for path in paths:
        digits = re.findall(r"\d+", path.stem.removesuffix("_keypoints"))
        if not digits:
            raise clip.error(f"{path.name} without a frame number", FOLDER)
        first = files.setdefault(int(digits[-1]), path)
        if first is not path:
            problem = f"{path.name} and {first.name} with the same frame number"
            raise clip.error(problem, "the frames of one clip", hint="Give each clip its own folder.")
    if not files:
        raise clip.error("0 frames", FOLDER)
    return dict(sorted(files.items()))


def _read_frame(clip: ClipFile, path: Path, frame: int) -> list[FloatArray]:
    """The joints (49 3) of each of a frame's persons."""
    file = ClipFile(path, clip_id=clip.id, bounds=clip.bounds)
    content = file.read_json(_FRAME)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise file.error("JSON without people", _FRAME, frame=frame)
    file.at_most(len(people), file.bounds.persons, "persons")
    return [_select_joints(file, person, frame) for person in people]


def _select_joints(file: ClipFile, person: dict[str, object], frame: int) -> FloatArray:
    """One person's 49 joints (49 3) of x, y, score; a part that is absent or empty was not looked for."""
    joints = np.zeros((JOINT_COUNT, 3), np.float32)
    empty = True
    for name, (counts, rows, points) in _PARTS.items():
        key = next((key for key in (f"{name}_2d", name) if person.get(key)), f"{name}_2d")
        lengths = tuple(3 * count for count in counts)
        values = file.numbers(person.get(key, []), key, ((0, *lengths),), frame=frame)
        if values.size:
            empty = False
            joints[rows] = values.reshape(-1, 3)[list(points)]
    _check_keys(file, person, frame, empty=empty)
    return check_finite(file, joints, frame)


def _check_keys(file: ClipFile, person: dict[str, object], frame: int, *, empty: bool) -> None:
    """InputError if a person's points, or hands, stand under keys that are not read, and would be lost."""
    keys = [key for name in _PARTS for key in (f"{name}_2d", name)]
    filled = [key for key, value in person.items() if "keypoints" in key and not key.startswith("face") and value]
    hands = [key for key in filled if "hand" in key]
    lost = hands and not set(hands) & set(keys)
    if lost or (empty and (filled or not person.keys() & set(keys))):
        problem = ", ".join(filled or person) or "(none)"
        raise file.error(f"a person with {problem}"[:200], f"one with {', '.join(keys[::2])}", frame=frame)
