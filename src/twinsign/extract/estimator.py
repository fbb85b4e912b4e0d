"""What an estimator is, which there are, and how one is chosen and loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from pose_format import Pose

from twinsign.errors import InputError
from twinsign.extract import holistic, rtm
from twinsign.extract.config import EstimatorConfig
from twinsign.extract.video import Image


class Estimator(Protocol):
    """Finds people's joints in the frames of one video after another; each video starts afresh."""

    name: str
    version: str

    def estimate(self, frames: Iterable[Image], size: tuple[int, int]) -> Pose:
        """Every frame's points in pixels of `size` (width, height), under names that the `.pose` reader knows.

        Points that were not found have confidence 0. Frames may be smaller than `size`.
        """
        ...


def identity(config: EstimatorConfig) -> dict[str, str]:
    """What decides the estimator's results: name, version, models; InputError where it could not be loaded."""
    if config.name == "rtm":
        return rtm.identity(_pose_model(config), config.detector)
    if config.pose_model or config.detector:
        raise InputError("ONNX models for holistic, which has its own", "none, or --estimator.name rtm")
    return holistic.identity()


def load_estimator(config: EstimatorConfig) -> Estimator:
    """The chosen estimator, its models loaded; InputError where a package or model is missing or unfit."""
    identity(config)
    if config.name == "rtm":
        return rtm.RtmEstimator(_pose_model(config), config.detector, config.device)
    return holistic.HolisticEstimator()


class Loader(NamedTuple):
    """How an estimator is named and loaded; in other processes too, so both functions are a module's own."""

    identity: Callable[[EstimatorConfig], dict[str, str]] = identity
    load: Callable[[EstimatorConfig], Estimator] = load_estimator


LOADER = Loader()
"""The package's own estimators."""


def _pose_model(config: EstimatorConfig) -> Path:
    if config.pose_model is None:
        hint = "Pass --estimator.pose_model FILE.onnx, and --estimator.detector FILE.onnx."
        raise InputError("no model for rtm, which comes without any", "an ONNX file of 133 points", hint=hint)
    return config.pose_model
