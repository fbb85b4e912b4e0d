"""PYSKL's and MMAction2's pickles: {"split": {name: [frame_dir, ...]}, "annotations": [{...}, ...]}, in pixels.

An annotation has frame_dir (the id), total_frames, label, img_shape (height, width), keypoint (M T V 2) and
keypoint_score (M T V) of M persons. Only V = 133, COCO-WholeBody, has hands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import COCO_WHOLEBODY, COCO_WHOLEBODY_POINTS
from twinsign.pose.read.coco_wholebody import ESTIMATOR
from twinsign.pose.read.pose_set import SPLITS, PoseSet
from twinsign.pose.read.signer import signer_of
from twinsign.pose.recording import FloatArray, Recording

_WANTED = '{"split": {name: [ids]}, "annotations": [{"frame_dir", "keypoint", "keypoint_score", ...}]}'
_SHAPES = f"keypoint (persons, frames, {COCO_WHOLEBODY_POINTS}, 2) and keypoint_score (persons, frames, joints)"


@dataclass(frozen=True)
class Annotations(PoseSet):
    """The annotations of a pickle, in its order."""

    annotations: list[Mapping[str, Any]]

    def _read(self, number: int, clip: ClipFile) -> Recording:
        one = self.annotations[number]
        persons = _persons(clip, one)
        stated = one.get("total_frames")
        if stated is not None and stated != persons.shape[1]:
            raise clip.error(f"{persons.shape[1]} frames of keypoints", f"{stated}, the total_frames stated")
        size = clip.stated_size(one)
        track = signer_of(clip, persons.swapaxes(0, 1), clip.extent("pixel", size))
        return clip.recording(
            track.xy,
            track.score,
            unit="pixel",
            size=size,
            fps=clip.stated_fps(one),
            estimator=ESTIMATOR,
            notes=track.notes,
        )


def _persons(clip: ClipFile, one: Mapping[str, Any]) -> FloatArray:
    """All persons' 49 joints (M T 49 3); a third column of keypoint is the score where there is none beside it."""
    points = clip.numbers(one["keypoint"], "keypoint")
    if points.ndim != 4 or 0 in points.shape or points.shape[3] not in (2, 3):
        raise clip.error(f"keypoint of shape {points.shape}", _SHAPES)
    if points.shape[2] != COCO_WHOLEBODY_POINTS:
        hint = "Layouts of the body alone, such as COCO-17, OpenPose-18 and NTU-25, show no hands."
        raise clip.error(f"{points.shape[2]} joints", f"{COCO_WHOLEBODY_POINTS}, the whole body", hint=hint)
    if one.get("keypoint_score") is None and points.shape[3] == 2:
        raise clip.error("keypoint without keypoint_score", _SHAPES)
    beside = one.get("keypoint_score")
    score = points[..., 2] if beside is None else clip.numbers(beside, "keypoint_score")
    if score.shape != points.shape[:3]:
        raise clip.error(f"keypoint_score of shape {score.shape}", f"{points.shape[:3]}, as keypoint")
    joints = list(COCO_WHOLEBODY)
    together: FloatArray = np.concatenate([points[:, :, joints, :2], score[:, :, joints, None]], axis=-1)
    return together


def holds(content: object) -> bool:
    """Whether an unpickled value is a list of annotations, or a dictionary with one."""
    listed = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(listed, list) or not listed:
        return isinstance(content, dict) and isinstance(listed, list)
    return isinstance(listed[0], dict) and "keypoint" in listed[0]


def from_content(file: ClipFile, content: Any) -> Annotations:
    """The set of an unpickled value that `holds` annotations; InputError where one lacks its id or keypoint.

    Splits named train, val and test are the column `split`; a split of another name is a column `split_NAME` of 1s.
    """
    listed = content["annotations"] if isinstance(content, dict) else content
    splits = _splits(file, content.get("split")) if isinstance(content, dict) else {}
    columns = sorted({column for row in splits.values() for column in row})
    rows = []
    for number, one in enumerate(listed):
        if not isinstance(one, dict) or "keypoint" not in one or not isinstance(one.get("frame_dir"), str):
            raise file.error(f"annotation number {number} without frame_dir or keypoint", _WANTED)
        row = {"id": one["frame_dir"]} | ({"gloss": str(one["label"])} if one.get("label") is not None else {})
        rows.append(row | dict.fromkeys(columns, "") | splits.get(one["frame_dir"], {}))
    return Annotations(file, rows, listed)


def _splits(file: ClipFile, stated: object) -> dict[str, dict[str, str]]:
    """What each id's row says of splits."""
    if stated is None:
        return {}
    if not isinstance(stated, dict) or not all(isinstance(ids, list | tuple | set) for ids in stated.values()):
        raise file.error("splits that are no lists of ids by name", _WANTED)
    rows: dict[str, dict[str, str]] = {}
    for name, ids in stated.items():
        for one in map(str, ids):
            row = rows.setdefault(one, {})
            if str(name).casefold() in SPLITS and row.get("split", name) != name:
                raise file.error(f"{one!r} in the splits {row['split']} and {name}", "one of them")
            row |= {"split": name} if str(name).casefold() in SPLITS else {f"split_{name}": "1"}
    return rows
