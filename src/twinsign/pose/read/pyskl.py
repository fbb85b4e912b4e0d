"""PYSKL's and MMAction2's pickles: {"split": {name: [frame_dir, ...]}, "annotations": [{...}, ...]}, in pixels.

An annotation has frame_dir (the id), total_frames, label, img_shape (height, width), keypoint (M T V 2) and
keypoint_score (M T V) of M persons. Only V = 133, COCO-WholeBody, has hands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import COCO_WHOLEBODY_POINTS
from twinsign.pose.read.coco_wholebody import ESTIMATOR, select_joints
from twinsign.pose.read.frames import record_signer
from twinsign.pose.read.pose_set import SPLITS, PoseSet
from twinsign.pose.recording import FloatArray, Recording

_WANTED = '{"split": {name: [ids]}, "annotations": [{"frame_dir", "keypoint", "keypoint_score", ...}]}'
_AXES = ("persons", "frames")


@dataclass(frozen=True)
class Annotations(PoseSet):
    """The annotations of a pickle, in its order."""

    annotations: list[Mapping[str, Any]]

    def _read(self, number: int, clip: ClipFile) -> Recording:
        annotation = self.annotations[number]
        persons = _select_persons(clip, annotation)
        stated = annotation.get("total_frames")
        if stated is not None and stated != len(persons):
            raise clip.error(f"{len(persons)} frames of keypoints", f"{stated}, the total_frames stated")
        return record_signer(clip, persons, unit="pixel", stated=annotation, estimator=ESTIMATOR)


def _select_persons(clip: ClipFile, annotation: Mapping[str, Any]) -> FloatArray:
    """All persons' 49 joints (T M 49 3); a third column of keypoint is the score where no keypoint_score is stated."""
    points = clip.numbers(annotation["keypoint"], "keypoint", (*_AXES, "joints", (2, 3)))
    if 0 in points.shape:
        raise clip.error(f"keypoint of shape {points.shape}", "at least one person, frame and joint")
    if points.shape[2] != COCO_WHOLEBODY_POINTS:
        hint = "Layouts of the body alone, such as COCO-17, OpenPose-18 and NTU-25, show no hands."
        raise clip.error(f"{points.shape[2]} joints", f"{COCO_WHOLEBODY_POINTS}, the whole body", hint=hint)
    score = annotation.get("keypoint_score")
    if score is None and points.shape[3] == 2:
        raise clip.error("keypoint without keypoint_score", "keypoint_score (persons, frames, joints)")
    points = points if score is None else points[..., :2]
    return select_joints(clip, points, score, _AXES, names=("keypoint", "keypoint_score")).swapaxes(0, 1)


def is_annotations(content: object) -> bool:
    """Whether an unpickled value is a list of annotations, or a dictionary with one."""
    listed = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(listed, list) or not listed:
        return isinstance(content, dict) and isinstance(listed, list)
    return isinstance(listed[0], dict) and "keypoint" in listed[0]


def from_content(file: ClipFile, content: Any) -> Annotations:
    """The set of an unpickled value that `is_annotations`; InputError if one lacks its id or keypoint.

    Splits named train, val and test are the column `split`; a split of another name is a column `split_NAME` of 1s.
    """
    listed = content["annotations"] if isinstance(content, dict) else content
    splits = _parse_splits(file, content.get("split")) if isinstance(content, dict) else {}
    columns = sorted({column for row in splits.values() for column in row})
    rows = []
    for number, annotation in enumerate(listed):
        id = annotation.get("frame_dir") if isinstance(annotation, dict) and "keypoint" in annotation else None
        if not isinstance(id, str):
            raise file.error(f"annotation number {number} without frame_dir or keypoint", _WANTED)
        gloss = {"gloss": str(annotation["label"])} if annotation.get("label") is not None else {}
        rows.append({"id": id} | gloss | dict.fromkeys(columns, "") | splits.get(id, {}))
    return Annotations(file, rows, listed)


def _parse_splits(file: ClipFile, stated: object) -> dict[str, dict[str, str]]:
    """The columns about splits of each id's row."""
    if stated is None:
        return {}
    if not isinstance(stated, dict) or not all(isinstance(ids, list | tuple | set) for ids in stated.values()):
        raise file.error("splits that are no lists of ids by name", _WANTED)
    rows: dict[str, dict[str, str]] = {}
    for name, ids in stated.items():
        column, value = ("split", name) if str(name).casefold() in SPLITS else (f"split_{name}", "1")
        for id in map(str, ids):
            row = rows.setdefault(id, {})
            if row.setdefault(column, value) != value:
                raise file.error(f"{id!r} in the splits {row['split']} and {name}", "one of them")
    return rows
