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
from twinsign.pose.read.frame_numbers import in_time
from twinsign.pose.read.signer import follow
from twinsign.pose.recording import FloatArray, Recording

ENDING = "_keypoints.json"
"""How the names of OpenPose's frames end."""
_HAND = tuple(range(len(HAND_JOINTS)))
_BODY = (OPENPOSE_BODY25_POINTS, OPENPOSE_COCO18_POINTS)  # both begin with the trunk's points, in the same order
_PARTS = (
    ("pose_keypoints", _BODY, TRUNK, OPENPOSE_BODY25_TRUNK),
    ("hand_left_keypoints", (len(HAND_JOINTS),), LEFT_HAND, _HAND),
    ("hand_right_keypoints", (len(HAND_JOINTS),), RIGHT_HAND, _HAND),
)
"""Keys, up to _2d, which files of before version 1.2 lack; numbers of points, our joints, and their points."""
_FRAME = 'a frame of OpenPose: {"people": [{"pose_keypoints_2d": [...], ...}]}'
FOLDER = "a folder of OpenPose JSON files, NAME_<frame number>_keypoints.json"
"""What `read` wants, for messages."""


def read(clip: ClipFile) -> Recording:
    """Read a folder of frames, following the signer; a frame without a person has nothing seen; else InputError."""
    files = _frame_files(clip)
    extent = clip.extent("pixel", None)
    frames = [_persons(clip, path, frame) for frame, path in enumerate(files.values())]
    frames, gaps = in_time(clip, list(files), frames)
    track = follow(frames, extent)
    return clip.recording(track.xy, track.score, unit="pixel", estimator="openpose", notes=gaps + track.notes)


def _frame_files(clip: ClipFile) -> dict[int, Path]:
    with clip.decoding(FOLDER):
        paths = [path for path in clip.path.iterdir() if path.suffix == ".json" and not path.name.startswith(".")]
    numbered: dict[int, Path] = {}
    for path in paths:
        numbers = re.findall(r"\d+", path.stem.removesuffix("_keypoints"))
        if not numbers:
            raise clip.error(f"{path.name} without a frame number", FOLDER)
        number = int(numbers[-1])
        if number in numbered:
            found = f"{path.name} and {numbered[number].name} with the same frame number"
            raise clip.error(found, "the frames of one clip", hint="Give each clip its own folder.")
        numbered[number] = path
    if not numbered:
        raise clip.error("0 frames", FOLDER)
    return dict(sorted(numbered.items()))


def _persons(clip: ClipFile, path: Path, frame: int) -> list[FloatArray]:
    file = ClipFile(path, clip_id=clip.id, bounds=clip.bounds)
    content = file.read_json(_FRAME)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise file.error("JSON without people", _FRAME, frame=frame)
    file.at_most(len(people), file.bounds.persons, "persons")
    return [_person(file, person, frame) for person in people]


def _person(file: ClipFile, person: dict[str, object], frame: int) -> FloatArray:
    """One person's 49 joints (49 3) of x, y, score; a part that is absent or empty was not looked for."""
    joints = np.zeros((JOINT_COUNT, 3), np.float32)
    read = 0
    for name, counts, rows, numbers in _PARTS:
        key = next((key for key in (f"{name}_2d", name) if person.get(key)), f"{name}_2d")
        values = file.numbers(person.get(key, []), key, frame=frame)
        read += values.size
        if values.size == 0:
            continue
        if values.shape not in [(3 * count,) for count in counts]:
            wanted = f"{' or '.join(map(str, counts))} times x, y, score"
            raise file.error(f"{key} of shape {values.shape}", wanted, frame=frame)
        joints[rows] = values.reshape(-1, 3)[list(numbers)]
    _check_keys(file, person, frame, empty=not read)
    if not np.isfinite(joints).all():
        raise file.error("NaN or infinity in keypoints", "finite coordinates and scores", frame=frame)
    return joints


def _check_keys(file: ClipFile, person: dict[str, object], frame: int, *, empty: bool) -> None:
    """InputError where a person's points, or hands, stand under keys that are not read, and would be lost."""
    known = [key for name, *_ in _PARTS for key in (f"{name}_2d", name)]
    given = [key for key, value in person.items() if "keypoints" in key and not key.startswith("face") and value]
    hands = [key for key in given if "hand" in key and key not in known]
    lost = hands if not any(person.get(key) for key in known if "hand" in key) else []
    if lost or (empty and (given or not person.keys() & set(known))):
        keys = ", ".join(given or person) or "(none)"
        raise file.error(f"a person with {keys}"[:200], f"one with {', '.join(known[::2])}", frame=frame)
