"""OpenPose: a folder of JSON files, one a frame, ordered by the number in the name; BODY_25 and hands, in pixels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from twinsign.pose.layout import (
    HAND_JOINTS,
    JOINT_COUNT,
    LEFT_HAND,
    OPENPOSE_BODY25_POINTS,
    OPENPOSE_BODY25_TRUNK,
    RIGHT_HAND,
    TRUNK,
)
from twinsign.pose.read.clip_file import ClipFile
from twinsign.pose.read.frame_numbers import in_time
from twinsign.pose.read.signer import follow
from twinsign.pose.recording import FloatArray, Recording

_HAND = tuple(range(len(HAND_JOINTS)))
_PARTS = (
    ("pose_keypoints_2d", OPENPOSE_BODY25_POINTS, TRUNK, OPENPOSE_BODY25_TRUNK),
    ("hand_left_keypoints_2d", len(HAND_JOINTS), LEFT_HAND, _HAND),
    ("hand_right_keypoints_2d", len(HAND_JOINTS), RIGHT_HAND, _HAND),
)
_FRAME = 'a frame of OpenPose: {"people": [{"pose_keypoints_2d": [...], ...}]}'
_FOLDER = "a folder of OpenPose JSON files, NAME_<frame number>_keypoints.json"


def read(clip: ClipFile) -> Recording:
    """Read a folder of frames, following the signer; a frame without a person has nothing seen; else InputError."""
    extent = clip.extent("pixel", None)
    files = _frame_files(clip)
    frames = [_persons(clip, path, frame) for frame, path in enumerate(files.values())]
    frames, gaps = in_time(clip, list(files), frames)
    track = follow(frames, extent)
    return clip.recording(track.xy, track.score, unit="pixel", estimator="openpose", notes=gaps + track.notes)


def _frame_files(clip: ClipFile) -> dict[int, Path]:
    with clip.decoding(_FOLDER):
        paths = [path for path in clip.path.iterdir() if path.suffix == ".json" and not path.name.startswith(".")]
    numbered: dict[int, Path] = {}
    for path in paths:
        numbers = re.findall(r"\d+", path.stem.removesuffix("_keypoints"))
        if not numbers:
            raise clip.error(f"{path.name} without a frame number", _FOLDER)
        number = int(numbers[-1])
        if number in numbered:
            found = f"{path.name} and {numbered[number].name} with the same frame number"
            raise clip.error(found, "the frames of one clip", hint="Give each clip its own folder.")
        numbered[number] = path
    if not numbered:
        raise clip.error("0 frames", _FOLDER)
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
    for name, count, rows, numbers in _PARTS:
        values = file.numbers(person.get(name, []), name, frame=frame)
        if values.size == 0:
            continue
        if values.shape != (3 * count,):
            raise file.error(f"{name} of shape {values.shape}", f"{count} times x, y, score", frame=frame)
        joints[rows] = values.reshape(count, 3)[list(numbers)]
    if not np.isfinite(joints).all():
        raise file.error("NaN or infinity in keypoints", "finite coordinates and scores", frame=frame)
    return joints
