"""The interface of pose estimators, and how one is configured and loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from pose_format import Pose

from twinsign.errors import InputError
from twinsign.extract import holistic, rtm
from twinsign.extract.config import EstimatorConfig
from twinsign.extract.video import Image


class Estimator(Protocol):
    """Finds people's joints in the frames of one video after another; no video affects the next."""

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
        return rtm.identity(config.pose_model, config.detector)
    if config.pose_model or config.detector:
        raise InputError("ONNX models for holistic, which has its own", "none, or --estimator.name rtm")
    return holistic.identity()


def load_estimator(config: EstimatorConfig) -> Estimator:
    """The chosen estimator, its models loaded; InputError where a package or model is missing or unfit."""
    identity(config)
    if config.pose_model is not None:
        return rtm.RtmEstimator(config.pose_model, config.detector, config.device)
    return holistic.HolisticEstimator()


class Loader(NamedTuple):
    """How an estimator is identified and loaded; both functions must pickle, for other processes call them too."""

    identity: Callable[[EstimatorConfig], dict[str, str]] = identity
    load: Callable[[EstimatorConfig], Estimator] = load_estimator


LOADER = Loader()
"""The package's own estimators."""
