"""Pickles of one clip in COCO-WholeBody-133: {"keypoints": array (T 133 3), "img_list"} in pixels, as published with
the method, and {"keypoints": [(M 133 2), ...], "scores": [(M 133), ...]} in image fractions, as of Uni-Sign; and
MediaPipe's {"keypoints": (T 75 3), "confidences": (T 75)} in image fractions, as of OpenHands.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import COCO_WHOLEBODY, COCO_WHOLEBODY_POINTS
from twinsign.pose.pickles import unpickle
from twinsign.pose.read import coco_wholebody, mediapipe
from twinsign.pose.read.signer import follow
from twinsign.pose.recording import FloatArray, Recording

_WANTED = (
    f'a dictionary with the array "keypoints" (frames, {COCO_WHOLEBODY_POINTS} joints, 3), or the lists "keypoints" and'
    f' "scores" of (persons, {COCO_WHOLEBODY_POINTS}, 2) and (persons, {COCO_WHOLEBODY_POINTS}), one a frame, or'
    ' MediaPipe\'s "keypoints" (frames, 75, 2 or 3) with "confidences"'
)


def read(clip: ClipFile) -> Recording:
    """Read one clip's pickle; InputError on all that is no plain array of a known layout."""
    content = unpickle.load(clip)
    if not isinstance(content, dict) or "keypoints" not in content:
        raise clip.error(f"a pickled {type(content).__name__} without keypoints", _WANTED, hint=_hint(content))
    return from_content(clip, content)


def from_content(clip: ClipFile, content: Mapping[str, object]) -> Recording:
    """A Recording of unpickled `keypoints` and what stands beside them; InputError on other types and shapes."""
    points = content["keypoints"]
    if isinstance(points, list) or (isinstance(points, np.ndarray) and points.ndim == 4):
        return _of_persons(clip, content)
    if not isinstance(points, np.ndarray):
        raise clip.error(f"keypoints that are a {type(points).__name__}", _WANTED)
    if points.ndim == 3 and points.shape[1] == mediapipe.WHOLE_POINTS[0]:
        stated = ("confidences", "size", "image_size", "fps")
        arrays = {name: np.asarray(content[name]) for name in stated if content.get(name) is not None}
        return mediapipe.with_confidences(clip, {"keypoints": points, **arrays})
    images = content.get("img_list")
    if isinstance(images, list | tuple) and len(images) != len(points):
        raise clip.error(f"{len(points)} frames of keypoints for {len(images)} images", "as many of both")
    return coco_wholebody.from_arrays(clip, content)


def _hint(content: object) -> str:
    many = isinstance(content, list) or (isinstance(content, dict) and len(content) > 0)
    return "Does it hold many clips? Pack those with `twinsign pack set`." if many else ""


def _of_persons(clip: ClipFile, content: Mapping[str, object]) -> Recording:
    """Uni-Sign: lists of a frame's persons, x / width and y / height, with scores."""
    points, scores = content["keypoints"], content.get("scores")
    if not isinstance(points, list | np.ndarray) or not isinstance(scores, list | np.ndarray):
        raise clip.error("keypoints without scores", _WANTED)
    if len(points) != len(scores):
        raise clip.error(f"{len(points)} frames of keypoints, {len(scores)} of scores", "as many of both")
    frames = [_persons(clip, *frame, t) for t, frame in enumerate(zip(points, scores, strict=True))]
    size = clip.stated_size(content)
    track = follow(frames, clip.extent("fraction", size))
    fps, estimator = clip.stated_fps(content), coco_wholebody.ESTIMATOR
    return clip.recording(
        track.xy, track.score, unit="fraction", size=size, fps=fps, estimator=estimator, notes=track.notes
    )


def _persons(clip: ClipFile, points: object, scores: object, frame: int) -> list[FloatArray]:
    xy, score = clip.numbers(points, "keypoints", frame=frame), clip.numbers(scores, "scores", frame=frame)
    if xy.ndim != 3 or xy.shape[1:] != (COCO_WHOLEBODY_POINTS, 2) or score.shape != xy.shape[:2]:
        wanted = f"(persons, {COCO_WHOLEBODY_POINTS}, 2) and (persons, {COCO_WHOLEBODY_POINTS})"
        raise clip.error(f"keypoints and scores of shapes {xy.shape}, {score.shape}", wanted, frame=frame)
    clip.at_most(len(xy), clip.bounds.persons, "persons")
    joints: FloatArray = np.concatenate([xy, score[..., None]], axis=-1)[:, list(COCO_WHOLEBODY)]
    if not np.isfinite(joints).all():
        raise clip.error("NaN or infinity in keypoints", "finite coordinates and scores", frame=frame)
    return list(joints)
