"""Pickles of clips, one or many by name.

One clip in COCO-WholeBody-133: {"keypoints": array (T 133 3), "img_list"} in pixels, as published with the method, and
{"keypoints": [(M 133 2), ...], "scores": [(M 133), ...]} in image fractions, as of Uni-Sign; and MediaPipe's
{"keypoints": (T 75 3), "confidences": (T 75)} in image fractions, as of OpenHands. Many clips by name, as of NLA-SLR:
{name: clip}, or {name: array (T 133 3)}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import COCO_WHOLEBODY_POINTS
from twinsign.pose.pickles import unpickle
from twinsign.pose.read import coco_wholebody, mediapipe
from twinsign.pose.read.frames import check_finite, record_signer
from twinsign.pose.read.pose_set import PoseSet
from twinsign.pose.recording import Recording

_WANTED = (
    f'a dictionary with the array "keypoints" (frames, {COCO_WHOLEBODY_POINTS} joints, 3), or the lists "keypoints" and'
    f' "scores" of (persons, {COCO_WHOLEBODY_POINTS}, 2) and (persons, {COCO_WHOLEBODY_POINTS}), one a frame, or'
    ' MediaPipe\'s "keypoints" (frames, 75, 2 or 3) with "confidences"'
)


def read(clip: ClipFile) -> Recording:
    """Read one clip's pickle; InputError on all but plain arrays of a known layout."""
    content = unpickle.load(clip)
    if not isinstance(content, dict) or "keypoints" not in content:
        hint = "Does it hold many clips? Pack those with `twinsign pack set`."
        hint = hint if isinstance(content, list) or (isinstance(content, dict) and content) else ""
        raise clip.error(f"a pickled {type(content).__name__} without keypoints", _WANTED, hint=hint)
    return from_content(clip, content)


def from_content(clip: ClipFile, content: Mapping[str, object]) -> Recording:
    """The Recording of unpickled `keypoints` and what stands beside them; InputError on other types and shapes."""
    points = content["keypoints"]
    if isinstance(points, list) or (isinstance(points, np.ndarray) and points.ndim == 4):
        return _of_persons(clip, points, content)
    if not isinstance(points, np.ndarray):
        raise clip.error(f"keypoints that are a {type(points).__name__}", _WANTED)
    if points.ndim == 3 and points.shape[1] == mediapipe.WHOLE_POINTS[0]:
        keys = ("keypoints", "confidences", "size", "image_size", "fps")
        arrays = {name: np.asarray(content[name]) for name in keys if content.get(name) is not None}
        return mediapipe.with_confidences(clip, arrays)
    images = content.get("img_list")
    if isinstance(images, list | tuple) and len(images) != len(points):
        raise clip.error(f"{len(points)} frames of keypoints for {len(images)} images", "as many of both")
    return coco_wholebody.from_arrays(clip, content)


def _of_persons(clip: ClipFile, points: list[object] | NDArray[Any], content: Mapping[str, object]) -> Recording:
    """Uni-Sign: lists of a frame's persons, x / width and y / height, with scores."""
    scores = content.get("scores")
    if not isinstance(scores, list | np.ndarray):
        raise clip.error("keypoints without scores", _WANTED)
    if len(points) != len(scores):
        raise clip.error(f"{len(points)} frames of keypoints, {len(scores)} of scores", "as many of both")
    frames = []
    for frame, (persons, confidences) in enumerate(zip(points, scores, strict=True)):
        joints = coco_wholebody.select_joints(clip, persons, confidences, ("persons",), frame=frame)
        clip.at_most(len(joints), clip.bounds.persons, "persons")
        frames.append(list(check_finite(clip, joints, frame)))
    return record_signer(clip, frames, unit="fraction", stated=content, estimator=coco_wholebody.ESTIMATOR)


@dataclass(frozen=True)
class NamedClips(PoseSet):
    """The clips of a dictionary, in its order; each may be in any layout of a pickle of one clip."""

    clips: Mapping[str, object]

    def _read(self, number: int, clip: ClipFile) -> Recording:
        value = self.clips[clip.id]
        content = value if isinstance(value, dict) else {"keypoints": value}
        if "keypoints" not in content:
            raise clip.error(f"keys {', '.join(map(str, content)) or '(none)'}"[:200], "keypoints")
        return from_content(clip, content)


def is_named_clips(content: object) -> TypeGuard[dict[str, object]]:
    """Whether an unpickled value is a dictionary of clips by name."""
    if not isinstance(content, dict) or not content or "keypoints" in content:
        return False
    first = next(iter(content.values()))
    return all(isinstance(name, str) for name in content) and (
        isinstance(first, np.ndarray) or (isinstance(first, dict) and "keypoints" in first)
    )
