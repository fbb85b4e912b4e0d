"""COCO-WholeBody-133 in pixels: MMPose's JSON, and arrays in .npz, .npy or pickles.

Arrays: keypoints (T 133 3) of x, y, score, or (T 133 2) with scores or keypoint_scores (T 133). The image's size may
stand beside them (size, image_size: width, height; img_shape: height, width), and fps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.pose.clip_file import LONE_ARRAY, Axis, ClipFile
from twinsign.pose.layout import COCO_WHOLEBODY, COCO_WHOLEBODY_POINTS
from twinsign.pose.read.frames import check_finite, record_signer, spread_in_time
from twinsign.pose.recording import FloatArray, Recording

ESTIMATOR = "coco_wholebody"
"""The estimator that recordings of this layout name."""
_IMAGES = ("image_name", "image_id", "frame_id", "img_name", "img_path", "file_name", "image", "frame")
"""Keys under which a person's image may stand."""
_TRACKS = ("track_id", "idx", "person_id")
_SCORES = ("scores", "keypoint_scores")
_JSON = 'MMPose predictions: {"instance_info": [{"instances": [...]}]} or a list with the instances of each frame'


def select_joints(
    clip: ClipFile,
    points: object,
    scores: object | None,
    axes: Sequence[Axis] = (),
    *,
    names: tuple[str, str] = ("keypoints", "scores"),
    frame: int | None = None,
) -> FloatArray:
    """The 49 joints (... 49 3) of x, y, score from points (... 133 2) and scores (... 133), or from points (... 133 3).

    `axes` are the leading ones. Raises InputError on other shapes.
    """
    columns = 3 if scores is None else 2
    array = clip.numbers(points, names[0], (*axes, COCO_WHOLEBODY_POINTS, columns), frame=frame)
    if scores is not None:
        score = clip.numbers(scores, names[1], array.shape[:-1], frame=frame)
        array = np.concatenate([array, score[..., None]], axis=-1)
    joints: FloatArray = array[..., list(COCO_WHOLEBODY), :]
    return joints


def from_arrays(clip: ClipFile, arrays: Mapping[str, object]) -> Recording:
    """The Recording of keypoints (T 133 3), or (T 133 2) and scores (T 133), in pixels; InputError on other shapes."""
    scores = next((arrays[name] for name in _SCORES if name in arrays), None)
    joints = select_joints(clip, arrays.get("keypoints", arrays.get(LONE_ARRAY)), scores, ("frames",))
    return clip.recording(joints[..., :2], joints[..., 2], unit="pixel", stated=arrays, estimator=ESTIMATOR)


def read_json(clip: ClipFile) -> Recording:
    """Read MMPose's predictions for one video, one entry a frame, following the signer; InputError on bad content."""
    content = clip.read_json(_JSON)
    top = content if isinstance(content, dict) else {}
    entries = top.get("instance_info") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise clip.error(f"JSON with {', '.join(map(str, top)) or 'neither'}"[:200], _JSON)
    with clip.decoding(_JSON):  # a number may have too many digits
        if entries and all(isinstance(entry, dict) and "keypoints" in entry for entry in entries):
            entries = _group_by_image(clip, entries)
        numbers = [entry.get("frame_id") if isinstance(entry, dict) else None for entry in entries]
        numbers = [int(number) if isinstance(number, str) and number.isdecimal() else number for number in numbers]
    clip.check_frames(len(entries))
    frames = [_persons(clip, entry, frame) for frame, entry in enumerate(entries)]
    gaps: tuple[str, ...] = ()
    counted = [number for number in numbers if type(number) is int]
    if len(counted) == len(entries):  # else the entries follow each other
        frames, gaps = spread_in_time(clip, counted, frames, [])
    meta = top.get("meta_info")
    stated = {**(meta if isinstance(meta, dict) else {}), **top}
    return record_signer(clip, frames, unit="pixel", stated=stated, estimator=ESTIMATOR, notes=gaps)


def _group_by_image(clip: ClipFile, persons: list[dict[str, Any]]) -> list[Any]:
    """Persons as frames: those of one image together, images in the order of their numbers.

    MMPose writes the list of a single image's persons, without its name; scripts, the persons of many images.
    """
    key = next((key for key in _IMAGES if any(key in person for person in persons)), None)
    if key is None:
        tracks = [str(person.get(name)) for name in _TRACKS for person in persons if person.get(name) is not None]
        if len(set(tracks)) < len(tracks):
            problem = f"{len(persons)} persons of {len(set(tracks))} tracks, none with an image"
            raise clip.error(problem, f"persons with {_IMAGES[0]}, {_IMAGES[1]} or frame_id, or {_JSON}")
        return [persons]
    groups: dict[str, list[Any]] = {}
    for index, person in enumerate(persons):
        if not isinstance(person.get(key), str | int):
            raise clip.error(f"person number {index} without {key}", f"{key} for each person, or for none")
        groups.setdefault(str(person[key]), []).append(person)
    numbers = {image: int(digits[-1]) for image in groups if (digits := re.findall(r"\d+", Path(image).stem))}
    if len(set(numbers.values())) < len(groups):
        return [{"instances": groups[image]} for image in sorted(groups)]
    return [
        {"frame_id": numbers[image], "instances": groups[image]} for image in sorted(groups, key=numbers.__getitem__)
    ]


def _persons(clip: ClipFile, entry: object, frame: int) -> list[FloatArray]:
    """The joints (49 3) of each of a frame's persons."""
    instances = entry.get("instances") if isinstance(entry, dict) else entry
    if not isinstance(instances, list):
        raise clip.error("no list of instances", _JSON, frame=frame)
    clip.at_most(len(instances), clip.bounds.persons, "persons")
    persons = []
    for person in instances:
        if not isinstance(person, dict) or "keypoints" not in person:
            raise clip.error("an instance without keypoints", _JSON, frame=frame)
        points = clip.numbers(person["keypoints"], "keypoints", frame=frame)
        if points.shape == (3 * COCO_WHOLEBODY_POINTS,):  # COCO's own results
            points = points.reshape(-1, 3)
        joints = select_joints(clip, points, person.get("keypoint_scores"), frame=frame)
        persons.append(check_finite(clip, joints, frame))
    return persons
