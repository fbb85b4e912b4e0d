"""Which pose estimator sees videos; light, for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class EstimatorConfig:
    """Which pose estimator, and the models of one that brings none.

    Args:
        name: holistic: MediaPipe Holistic, one person. rtm: RTMPose or alike, COCO-WholeBody-133, several persons.
        pose_model: ONNX file of a whole-body model with 133 points; for rtm.
        detector: ONNX file of a YOLOX person detector; for rtm. Without it the whole picture is one person.
        device: cpu, cuda or mps; for rtm.
    """

    name: Literal["holistic", "rtm"] = "holistic"
    pose_model: Path | None = None
    detector: Path | None = None
    device: str = "cpu"


HOLISTIC = EstimatorConfig()
"""The default."""
