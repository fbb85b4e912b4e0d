"""Poses as the page draws them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from twinsign.pose.recording import FloatArray, Recording

DECIMALS = 4


def as_json(recording: Recording) -> dict[str, Any]:
    """Poses for drawing: image fractions xy, null where unseen, fps and size."""
    one = recording.fractions()
    frames = [drawable(xy, score) for xy, score in zip(one.xy, one.score, strict=True)]
    return {"xy": frames, "fps": one.fps, "size": None if one.size is None else list(one.size)}


def drawable(xy: FloatArray, score: FloatArray) -> list[list[float] | None]:
    """One frame's places (49 2), null where score (49) is 0."""
    places = np.round(xy.astype(np.float64), DECIMALS).tolist()
    return [place if known else None for place, known in zip(places, (score > 0).tolist(), strict=True)]


def as_text(poses: dict[str, Any]) -> str:
    """What `as_json` gives as JSON, made a frame at a time, so that other threads have their turn in between."""
    rest = {name: value for name, value in poses.items() if name != "xy"}
    frames = ",".join(json.dumps(frame) for frame in poses["xy"])
    return f'{{"xy":[{frames}],{json.dumps(rest)[1:]}'
