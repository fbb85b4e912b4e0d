"""COCO-WholeBody-133 in pixels: MMPose's JSON, and arrays in .npz, .npy or pickles.

Arrays: keypoints (T 133 3) of x, y, score, or (T 133 2) with scores or keypoint_scores (T 133). The image's size may
stand beside them (size, image_size: width, height; img_shape: height, width), and fps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.pose.clip_file import LONE_ARRAY, ClipFile
from twinsign.pose.layout import COCO_WHOLEBODY, COCO_WHOLEBODY_POINTS
from twinsign.pose.read.frame_numbers import in_time
from twinsign.pose.read.signer import follow
from twinsign.pose.recording import FloatArray, Recording

ESTIMATOR = "coco_wholebody"
"""What recordings of this layout are said to come from."""
_JOINTS = list(COCO_WHOLEBODY)
_IMAGES = ("image_name", "image_id", "frame_id", "img_name", "img_path", "file_name", "image", "frame")
"""Keys under which a person's image may stand."""
_TRACKS = ("track_id", "idx", "person_id")
_SCORES = ("scores", "keypoint_scores")
_JSON = 'MMPose predictions: {"instance_info": [{"instances": [...]}]} or a list with the instances of each frame'


def read_json(clip: ClipFile) -> Recording:
    """Read MMPose's predictions for one video, one entry a frame, following the signer; InputError on bad content."""
    content = clip.read_json(_JSON)
    top = content if isinstance(content, dict) else {}
    meta = top.get("meta_info")
    stated = {**(meta if isinstance(meta, dict) else {}), **top}
    size = clip.stated_size(stated)
    extent = clip.extent("pixel", size)
    entries = top.get("instance_info") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise clip.error(f"JSON with {', '.join(map(str, top)) or 'neither'}"[:200], _JSON)
    if entries and all(isinstance(entry, dict) and "keypoints" in entry for entry in entries):
        entries = _by_image(clip, entries)
    clip.check_frames(len(entries))
    frames = [[_person(clip, person, t) for person in _instances(clip, entry, t)] for t, entry in enumerate(entries)]
    frames, gaps = _in_time(clip, entries, frames)
    track = follow(frames, extent)
    return clip.recording(
        track.xy,
        track.score,
        unit="pixel",
        size=size,
        fps=clip.stated_fps(stated),
        estimator=ESTIMATOR,
        notes=gaps + track.notes,
    )


def _by_image(clip: ClipFile, persons: list[Any]) -> list[Any]:
    """A list of persons as frames: those of one image together, images by their numbers; of one image if none is named.

    MMPose writes the list of an image's persons alone, and scripts the persons of many images one after the other.
    """
    key = next((key for key in _IMAGES if any(key in person for person in persons)), None)
    if key is None:
        tracks = [str(person.get(name)) for name in _TRACKS for person in persons if person.get(name) is not None]
        if len(set(tracks)) < len(tracks):
            found = f"{len(persons)} persons of {len(set(tracks))} tracks, none with an image"
            raise clip.error(found, f"persons with {_IMAGES[0]}, {_IMAGES[1]} or frame_id, or {_JSON}")
        return [persons]
    images = [person.get(key) for person in persons]
    bare = next((number for number, image in enumerate(images) if not isinstance(image, str | int)), None)
    if bare is not None:
        raise clip.error(f"person number {bare} without {key}", f"{key} for each person, or for none")
    together: dict[str, list[Any]] = {}
    for image, person in zip(images, persons, strict=True):
        together.setdefault(str(image), []).append(person)
    numbers = [re.findall(r"\d+", Path(image).stem) for image in together]
    if not all(numbers) or len({int(found[-1]) for found in numbers}) < len(together):
        return [{"instances": together[image]} for image in sorted(together)]
    numbered = {int(found[-1]): image for found, image in zip(numbers, together, strict=True)}
    return [{"frame_id": number, "instances": together[numbered[number]]} for number in sorted(numbered)]


def _in_time(
    clip: ClipFile, entries: list[object], frames: list[list[FloatArray]]
) -> tuple[list[list[FloatArray]], tuple[str, ...]]:
    """Frames with empty ones where numbers are missing; entries without a `frame_id` follow each other."""
    numbers = [entry.get("frame_id") if isinstance(entry, dict) else None for entry in entries]
    numbers = [int(one) if isinstance(one, str) and one.isdecimal() else one for one in numbers]
    counted = [number for number in numbers if type(number) is int]
    if not counted or len(counted) != len(numbers):
        return frames, ()
    return in_time(clip, counted, frames)


def _instances(clip: ClipFile, entry: object, frame: int) -> list[object]:
    instances = entry.get("instances") if isinstance(entry, dict) else entry
    if not isinstance(instances, list):
        raise clip.error("no list of instances", _JSON, frame=frame)
    clip.at_most(len(instances), clip.bounds.persons, "persons")
    return instances


def _person(clip: ClipFile, person: object, frame: int) -> FloatArray:
    """One instance's 49 joints (49 3) of x, y, score."""
    if not isinstance(person, dict) or "keypoints" not in person:
        raise clip.error("an instance without keypoints", _JSON, frame=frame)
    points = clip.numbers(person["keypoints"], "keypoints", frame=frame)
    if points.shape == (3 * COCO_WHOLEBODY_POINTS,):  # COCO's own results
        points = points.reshape(-1, 3)
    if "keypoint_scores" in person:
        scores = clip.numbers(person["keypoint_scores"], "keypoint_scores", frame=frame)
        if points.shape[1:] != (2,) or scores.shape != points.shape[:1]:
            wanted = f"({COCO_WHOLEBODY_POINTS}, 2) and ({COCO_WHOLEBODY_POINTS},)"
            raise clip.error(f"keypoints and scores of shapes {points.shape}, {scores.shape}", wanted, frame=frame)
        points = np.column_stack([points, scores])
    if points.shape != (COCO_WHOLEBODY_POINTS, 3):
        wanted = f"({COCO_WHOLEBODY_POINTS} joints, 3), or 2 with keypoint_scores"
        raise clip.error(f"keypoints of shape {points.shape}", wanted, frame=frame)
    joints: FloatArray = points[_JOINTS]
    if not np.isfinite(joints).all():
        raise clip.error("NaN or infinity in keypoints", "finite coordinates and scores", frame=frame)
    return joints


def from_arrays(clip: ClipFile, arrays: Mapping[str, object]) -> Recording:
    """A Recording of keypoints (T 133 3), or (T 133 2) and scores (T 133), in pixels; InputError on other shapes."""
    values = arrays.get("keypoints", arrays.get(LONE_ARRAY))
    scores = next((arrays[name] for name in _SCORES if name in arrays), None)
    points = clip.joints(values, COCO_WHOLEBODY_POINTS, (3,) if scores is None else (2,), "keypoints")[:, _JOINTS]
    if scores is None:
        score = points[..., 2]
    else:
        score = clip.numbers(scores, "scores")
        if score.shape != (len(points), COCO_WHOLEBODY_POINTS):
            raise clip.error(f"scores of shape {score.shape}", f"({len(points)}, {COCO_WHOLEBODY_POINTS})")
        score = score[:, _JOINTS]
    size, fps = clip.stated_size(arrays), clip.stated_fps(arrays)
    return clip.recording(points[..., :2], score, unit="pixel", size=size, fps=fps, estimator=ESTIMATOR)
