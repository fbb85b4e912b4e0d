"""The JSON that comes and goes, for the OpenAPI description; bodies.py checks what comes."""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from twinsign.pose.recording import FloatArray, Recording

DECIMALS = 4

Frames = list[list[list[float | None]]]


class Strict(BaseModel):
    """No other keys."""

    model_config = ConfigDict(extra="forbid")


class ClipBody(Strict):
    """Poses of one sign: 49 joints a frame, right hand 21, left hand 21, trunk 7, in the order of GET /model."""

    xy: Frames = Field(description="(frames, 49, 2): x / image width, y / image height; [null, null] where unseen.")
    seen: list[list[float]] | None = Field(None, description="(frames, 49): 1 or the joint's score, 0 where unseen.")
    fps: float | None = Field(None, gt=0, description="Frames a second.")
    size: list[int] | None = Field(None, description="The image's [width, height] in pixels, where known.")
    unit: Literal["fraction", "pixel"] = "fraction"
    id: str = Field("clip", description="A name for messages and enrolled examples.")


class PredictBody(ClipBody):
    """A clip, and how much is to be said of it."""

    top: int = Field(5, ge=1, description="How many glosses.")
    detailed: bool = Field(False, description="Votes of the model's halves, and the nearest enrolled examples, too.")


class BatchBody(Strict):
    """Several clips."""

    clips: list[dict[str, Any]] = Field(description="Clips as /predict takes them, without top and detailed.")
    top: int = 5
    detailed: bool = False


class EnrolBody(Strict):
    """A sign to keep as an example."""

    gloss: str
    signer: str = Field("", description="Who signs; confidences are then fitted across signers.")
    clip: dict[str, Any] = Field(description="The poses, as /predict takes them.")


class GuessShape(BaseModel):
    """A gloss and the calibrated confidence in it."""

    gloss: str
    confidence: float


class FoundShape(BaseModel):
    """Glosses, best first; unless `sure`, the first is not to be trusted."""

    guesses: list[GuessShape]
    sure: bool


class MatchShape(BaseModel):
    """An enrolled example and its similarity, a cosine."""

    id: str
    gloss: str
    similarity: float


class Answer(FoundShape):
    """What is said of one clip."""

    enrolled: FoundShape | None = Field(None, description="Among the enrolled signs; absent where there is none.")
    note: str = Field("", description="How the clip differs from those the model learnt from.")
    unlike: bool = Field(False, description="Whether it differs so much that no answer is sure.")
    votes: dict[str, list[GuessShape]] | None = Field(None, description="hand, trunk, joint, motion; with `detailed`.")
    nearest: list[MatchShape] | None = Field(None, description="The nearest enrolled examples; with `detailed`.")


class Answers(BaseModel):
    """One entry a clip: its answer, or the error that it alone has."""

    answers: list[dict[str, Any]]


class Error(BaseModel):
    """Why a request was refused."""

    error: dict[str, str] = Field(
        examples=[{"found": "xy of shape (3, 48, 2)", "wanted": "xy: (frames, 49 joints, 2)"}]
    )


class Enrolled(BaseModel):
    """Ids of what was added, and of the same poses that were there."""

    added: list[str]
    known: list[str]


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
