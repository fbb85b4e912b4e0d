"""What requests and live messages hold: pydantic models that check it and describe it in OpenAPI; poses as JSON."""

from __future__ import annotations

import json
import reprlib
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from twinsign.pose.bounds import count_nodes
from twinsign.pose.plausible import FARTHEST, check_plausible
from twinsign.pose.recording import FloatArray, Recording
from twinsign.serve.errors import RequestError
from twinsign.serve.options import Limits

DEFAULT_TOP = 5
MAX_NAME = 200
MAX_SIDE = 100_000
MAX_SECONDS = 1e9
"""The latest time of a live stream, in seconds: 30 years."""
DECIMALS = 4
Model = TypeVar("Model", bound="Body")


def _parse_numbers(values: Any, info: ValidationInfo) -> FloatArray:
    """Nested lists as float32, null as NaN. An array of objects first: long text among numbers would cost memory."""
    array = np.asarray(values, dtype=object)
    allowed = {int, float, type(None)} | ({bool} if info.field_name == "seen" else set())
    if not array.ndim or not {type(value) for value in array.ravel().tolist()} <= allowed:
        raise ValueError("numbers or null in nested lists of equal lengths")
    try:
        with np.errstate(over="ignore"):
            return array.astype(np.float64).astype(np.float32)
    except OverflowError as error:
        raise ValueError("numbers that fit into 64 bits") from error


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("text without control characters")
    return text


Name = Annotated[str, StringConstraints(max_length=MAX_NAME, strip_whitespace=True), AfterValidator(_printable)]
Top = Annotated[int, Field(ge=1, le=100, description="Number of glosses.")]
Side = Annotated[int, Field(gt=0, le=MAX_SIDE)]
Size = Annotated[tuple[Side, Side], Strict(False), Field(description="The image's [width, height] in pixels.")]
Numbers = Annotated[FloatArray, PlainValidator(_parse_numbers)]
Scores = Annotated[FloatArray | None, PlainValidator(_parse_numbers)]
AnyClip = Annotated[Any, WithJsonSchema({"type": "object"})]
"""A clip's JSON, which is validated as a Clip on its own."""
_JOINT = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "maxItems": 2}
_FRAMES = {"type": "array", "items": {"type": "array", "items": _JOINT}}
_SCORES = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}


class Body(BaseModel):
    """JSON of a request or message: exact types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Poses(Body):
    """Joints xy (... 49 2) and, optionally, their scores."""

    xy: Numbers
    seen: Scores = None

    def score(self) -> FloatArray:
        """Scores (... 49); where none are given, 1 for joints that have a place and 0 for null."""
        return (
            np.where(np.isnan(self.xy).any(axis=-1), np.float32(0), np.float32(1)) if self.seen is None else self.seen
        )


class Clip(Poses):
    """Poses of one sign: 49 joints per frame, right hand 21, left hand 21, trunk 7, in the order of GET /model."""

    xy: Annotated[
        Numbers,
        WithJsonSchema(_FRAMES),
        Field(description="(frames, 49, 2): x / image width, y / image height; [null, null] where unseen."),
    ]
    seen: Annotated[
        Scores,
        WithJsonSchema(_SCORES),
        Field(description="(frames, 49): 1 or the joint's score, 0 where unseen."),
    ] = None
    fps: Annotated[float, Field(gt=0, lt=MAX_SIDE, description="Frames per second.")] | None = None
    size: Size | None = None
    unit: Literal["fraction", "pixel"] = "fraction"
    id: Annotated[Name, Field(min_length=1, description="A name for messages and enrolled examples.")] = "clip"

    def recording(self, limits: Limits, name: str = "clip") -> Recording:
        """The clip as a Recording, its id `name` by default; RequestError 413 where it is too long, else InputError."""
        check_length(len(self.xy), self.fps, limits, name)
        id = self.id if "id" in self.model_fields_set else name
        recording = Recording(id, self.xy, self.score(), self.unit, self.size, self.fps)
        return check_plausible(recording, insisted="unit" in self.model_fields_set)


class PredictOptions(Body):
    """How much to answer."""

    top: Top = DEFAULT_TOP
    detailed: bool = Field(False, description="Add the votes of the model's parts and the nearest enrolled examples.")


class PredictBody(Clip, PredictOptions):
    """A clip to predict."""


class BatchBody(PredictOptions):
    """Several clips to predict."""

    clips: list[AnyClip] = Field(min_length=1, description="Clips as for /predict, without top and detailed.")


class EnrolBody(Body):
    """A sign to keep as an example."""

    gloss: Annotated[Name, Field(min_length=1)]
    signer: Name = Field("", description="Who signs; confidences are then fitted across signers.")
    clip: AnyClip = Field(description="The poses, as for /predict.")


class StartMessage(Body):
    """The first message of a live stream."""

    type: Literal["start"]
    token: Name = ""
    frames: Literal["jpeg", "poses"] = "jpeg"
    size: Size | None = None


class FrameMessage(Poses):
    """The poses of one live frame: xy (49 2) in image fractions, at a time in seconds."""

    type: Any = None
    time: float = Field(gt=-MAX_SECONDS, lt=MAX_SECONDS)


def parse_json(content: str | bytes, max_nodes: int) -> Any:
    """The value of a JSON text; RequestError where it is none, is nested too deeply or has too many values."""
    if count_nodes(content.encode("utf-8", "replace") if isinstance(content, str) else content) > max_nodes:
        raise RequestError(413, "JSON of too many values", f"at most {max_nodes:,}")
    try:
        return json.loads(content, parse_constant=_reject_constant)
    except RecursionError as error:
        raise RequestError(400, "JSON nested too deeply", "a JSON object") from error
    except ValueError as error:
        raise RequestError(400, f"invalid JSON ({error})", "a JSON object") from error


def _reject_constant(word: str) -> float:
    raise ValueError(f"{word} is not a JSON number")


def validate(model: type[Model], values: Any, where: str = "") -> Model:
    """The values as `model`; RequestError 422 names the first key that is wrong."""
    if not isinstance(values, dict):
        raise RequestError(422, f"a JSON {type(values).__name__}", "a JSON object", where=where)
    keys = model.model_fields
    unknown = next((key for key in values if key not in keys), None)  # before pydantic, which would list all of them
    if unknown is not None:
        raise RequestError(422, f"key {unknown[:40]!r}", f"keys among {', '.join(keys)}", where=where)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in wrong["loc"])
        problem = f"no {key}" if wrong["type"] == "missing" else f"{key} {reprlib.repr(wrong['input'])}"
        wanted = wrong["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        raise RequestError(422, problem, wanted, where=where) from error


def check_length(frames: int, fps: float | None, limits: Limits, name: str) -> None:
    """RequestError 413 where a clip has too many frames or lasts too long."""
    if frames > limits.frames:
        raise RequestError(413, f"{frames} frames", f"at most {limits.frames}", where=name)
    if fps and frames / fps > limits.seconds:
        raise RequestError(413, f"{frames / fps:.1f} seconds", f"at most {limits.seconds:g}", where=name)


def parse_frame(values: Any) -> tuple[float, FloatArray, FloatArray]:
    """Time, xy (49 2) and score (49) of a live frame's JSON; RequestError where it is wrong."""
    frame = validate(FrameMessage, values)
    if not (np.abs(frame.xy[np.isfinite(frame.xy)]) <= FARTHEST).all():
        raise RequestError(422, "a joint very far away", f"image fractions up to {FARTHEST:g}")
    return frame.time, frame.xy, frame.score()


def poses_to_dict(recording: Recording) -> dict[str, Any]:
    """Poses to draw: image fractions xy, null where unseen; fps and size."""
    drawn = recording.fractions()
    frames = [drawable(xy, score) for xy, score in zip(drawn.xy, drawn.score, strict=True)]
    return {"xy": frames, "fps": drawn.fps, "size": drawn.size}


def drawable(xy: FloatArray, score: FloatArray) -> list[list[float] | None]:
    """One frame's joints (49 2), rounded; null where score (49) is 0."""
    joints = np.round(xy.astype(np.float64), DECIMALS).tolist()
    return [joint if seen else None for joint, seen in zip(joints, (score > 0).tolist(), strict=True)]


def poses_to_json(recording: Recording) -> str:
    """`poses_to_dict` as JSON text, encoded frame by frame, so that other threads run in between."""
    poses = poses_to_dict(recording)
    frames = ",".join(json.dumps(frame) for frame in poses.pop("xy"))
    return f'{{"xy":[{frames}],{json.dumps(poses)[1:]}'
