"""Bodies without a server: what is accepted, what is refused with which words, and what OpenAPI says of them."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest

from twinsign.errors import InputError
from twinsign.pose.layout import JOINT_COUNT
from twinsign.serve.errors import RequestError
from twinsign.serve.options import Limits
from twinsign.serve.schemas import BatchBody, Clip, EnrolBody, PredictBody, parse_json, validate

JOINT: list[Any] = [0.25, 0.5]
FRAME = [JOINT] * JOINT_COUNT
UNSEEN = [None, None]


def clip_of(body: dict[str, Any]) -> Any:
    return validate(Clip, json.loads(json.dumps(body))).recording(Limits())


def test_null_is_unseen_and_numbers_are_float32() -> None:
    clip = clip_of({"xy": [[UNSEEN, [1, 0.1], *FRAME[2:]]] * 3, "fps": 25, "size": [640, 480]})
    assert (clip.fps, clip.size, clip.unit, clip.id) == (25.0, (640, 480), "fraction", "clip")
    assert clip.score[:, 0].tolist() == [0, 0, 0]
    assert clip.score[:, 1:].all()
    assert clip.xy.dtype == np.float32
    assert clip.xy[0, 1].tolist() == [1, np.float32(0.1)]
    assert clip_of({"xy": [FRAME], "seen": [[True] * JOINT_COUNT]}).score.all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"xy": [[[True, 0.5]] * JOINT_COUNT]}, "numbers or null"),
        ({"xy": [[["1", 0.5]] * JOINT_COUNT]}, "numbers or null"),
        ({"xy": [FRAME, FRAME[:-1]]}, "numbers or null"),
        ({"xy": [[[10**400, 0.5]] * JOINT_COUNT]}, "64 bits"),
        ({"xy": 5}, "numbers or null"),
        ({"seen": None}, "numbers or null"),
        ({"fps": 0}, "greater than 0"),
        ({"fps": True}, "valid number"),
        ({"size": [640]}, "size"),
        ({"size": [640, 480.0]}, "valid integer"),
        ({"size": [1.5] * 100_000}, "size"),
        ({"unit": "metre"}, "'fraction' or 'pixel'"),
        ({"id": ""}, "id"),
        ({"id": "a\nb"}, "control characters"),
        ({"id": "x" * 201}, "200"),
        ({"colour": 1}, "keys among xy, seen"),
    ],
)
def test_wrong_values_are_refused_with_what_was_found_and_wanted(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as error:
        clip_of({"xy": [FRAME]} | change)
    assert error.value.status == 422
    assert words in " ".join(error.value.body["error"].values())
    assert len(json.dumps(error.value.body)) < 600


def test_lengths_and_shapes() -> None:
    with pytest.raises(RequestError) as error:
        clip_of({"xy": [FRAME] * (Limits().frames + 1)})
    assert error.value.status == 413
    with pytest.raises(InputError, match="49 joints"):
        clip_of({"xy": [FRAME[1:]]})
    with pytest.raises(InputError, match="NaN or infinity"):
        clip_of({"xy": [[[1e308, 0.5], *FRAME[1:]]]})


def test_hosts_of_unknown_keys_are_one_refusal() -> None:
    with pytest.raises(RequestError, match="k0"):
        validate(PredictBody, {f"k{number}": 1 for number in range(200_000)})
    sign = validate(EnrolBody, {"gloss": "a", "clip": {f"\ud800{number}": 1 for number in range(200_000)}})
    with pytest.raises(RequestError, match="keys among xy"):
        validate(Clip, sign.clip)


def test_deep_and_constant_json() -> None:
    for text, status in (("[" * 100_000, 400), ("NaN", 400), ("{", 400), ("[1,1,1,1]", 413)):
        with pytest.raises(RequestError) as error:
            parse_json(text, 3 if status == 413 else 10**6)
        assert error.value.status == status


def test_a_refusal_passes_between_processes() -> None:
    error = RequestError(503, "much", "less", where="here", retry=1)
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.body, again.retry) == (503, error.body, 1)


def test_openapi_describes_what_is_checked() -> None:
    schema = PredictBody.model_json_schema()
    assert set(schema["properties"]) == {"xy", "seen", "fps", "size", "unit", "id", "top", "detailed"}
    assert (schema["required"], schema["additionalProperties"]) == (["xy"], False)
    assert schema["properties"]["xy"]["items"]["items"]["items"] == {"type": ["number", "null"]}
    assert "(frames, 49, 2)" in schema["properties"]["xy"]["description"]
    assert schema["properties"]["top"]["maximum"] == 100
    for model in (PredictBody, BatchBody, EnrolBody):
        assert "$ref" not in json.dumps(model.model_json_schema()), "it stands inside another document"
