"""RTMPose, RTMW and DWPose by rtmlib: COCO-WholeBody-133, the paper's points, from ONNX files that the user has."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

from twinsign.errors import InputError
from twinsign.extract.extras import version_of
from twinsign.extract.video import Image
from twinsign.files import hash_file
from twinsign.pose.layout import COCO_WHOLEBODY_POINTS

NAME = "rtmlib"


def identity(pose_model: Path | None, detector: Path | None) -> dict[str, str]:
    """Name, version and the models' hashes; InputError where rtmlib or a model is missing."""
    if pose_model is None:
        hint = "Pass --estimator.pose_model FILE.onnx, and --estimator.detector FILE.onnx."
        raise InputError("no model for rtm, which comes without any", "an ONNX file of 133 points", hint=hint)
    version_of("av", "rtm")
    version_of("onnxruntime", "rtm")
    models = {"pose_model": pose_model, **({"detector": detector} if detector else {})}
    for path in models.values():
        if not path.is_file():
            raise InputError("no such file", "an ONNX model", file=path)
    hashes = {role: f"{path.name} {hash_file(path)}" for role, path in models.items()}
    return {"name": NAME, "version": version_of("rtmlib", "rtm"), **hashes}


class RtmEstimator:
    """A detector of persons, if there is one, and a model of 133 points for each of them."""

    name = NAME

    def __init__(self, pose_model: Path, detector: Path | None, device: str) -> None:
        from rtmlib import YOLOX, RTMPose

        self.version = f"{version_of('rtmlib', 'rtm')} {pose_model.name}"
        self._file = pose_model
        self._pose = _load_model(RTMPose, pose_model, device, width_first=True)
        self._detect = _load_model(YOLOX, detector, device, width_first=False) if detector else None

    def estimate(self, frames: Iterable[Image], size: tuple[int, int]) -> Pose:
        """Estimate frame by frame, each on its own: every person found, unordered (T P 133), zeros where fewer."""
        persons = [self._persons(frame, size) for frame in frames]
        shape = (len(persons), max([1, *map(len, persons)]), COCO_WHOLEBODY_POINTS, 3)
        points = np.zeros(shape, np.float32)
        for padded, people in zip(points, persons, strict=True):
            padded[: len(people)] = people
        from pose_format.utils.alphapose_133 import AlphaPose133_Components

        header = PoseHeader(0.2, PoseHeaderDimensions(*size, 0), AlphaPose133_Components)
        return Pose(header, NumPyPoseBody(0, points[..., :2], points[..., 2]))

    def _persons(self, frame: Image, size: tuple[int, int]) -> NDArray[np.float32]:
        """(P 133 3): x, y in pixels of `size`, score."""
        height, width = frame.shape[:2]
        image = np.ascontiguousarray(frame[..., ::-1])  # rtmlib wants blue, green, red
        boxes = [[0, 0, width, height]] if self._detect is None else self._detect(image)
        if not len(boxes):
            return np.zeros((0, COCO_WHOLEBODY_POINTS, 3), np.float32)
        points, scores = self._pose(image, bboxes=boxes)
        if points.shape[1:] != (COCO_WHOLEBODY_POINTS, 2):
            problem, wanted = f"a model of {points.shape[1]} points", f"one of {COCO_WHOLEBODY_POINTS} (COCO-WholeBody)"
            raise InputError(problem, wanted, file=self._file)
        scaled = points * np.asarray(size) / (width, height)
        return np.concatenate([scaled, np.clip(scores, 0, 1)[..., None]], axis=-1).astype(np.float32)


def _load_model(kind: Any, model: Path, device: str, width_first: bool) -> Any:
    """rtmlib's tool for a model, whose input size is read from the file; the order of its sides depends on the tool."""
    import onnxruntime

    try:
        shape = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_inputs()[0].shape
        height, width = (int(side) for side in shape[2:])
        size = (width, height) if width_first else (height, width)
        with contextlib.redirect_stdout(io.StringIO()):
            return kind(str(model), model_input_size=size, backend="onnxruntime", device=device)
    except Exception as error:  # onnxruntime's errors have no common base of their own
        problem = f"a model that cannot be loaded ({type(error).__name__}: {error})".splitlines()[0][:200]
        wanted = "an ONNX model of images of a fixed size, and a device that exists"
        raise InputError(problem, wanted, file=model) from error
