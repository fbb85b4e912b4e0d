"""Files of signs that a page exports: read as they were, damaged ones refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.page_rules import floats

from twinsign.dictionary.signs_file import are_signs_files, read_signs
from twinsign.errors import InputError
from twinsign.pose.layout import JOINT_COUNT


@pytest.fixture
def sign() -> dict[str, Any]:
    numbers = np.random.default_rng(0)
    xy, score = numbers.random((5, JOINT_COUNT, 2)), numbers.random((5, JOINT_COUNT))
    poses = {"xy": floats(xy), "score": floats(score), "fps": 25.5, "size": [640, 480]}
    return {"id": "hello:2026-01-01", "gloss": "hello", "signer": "Ada", "estimator": "mediapipe_holistic", **poses}


def written(folder: Path, **content: Any) -> Path:
    file = folder / "my.signs.json"
    file.write_text(json.dumps({"format": "twinsign-signs", "version": 1, **content}))
    return file


def test_signs_are_read_as_they_were(sign: dict[str, Any], tmp_path: Path) -> None:
    file = written(tmp_path, signs=[sign, {**sign, "id": "", "size": None, "fps": None}])
    assert are_signs_files([str(file)])
    assert not are_signs_files([str(file), "a pack"])
    first, second = read_signs(file)
    recording = first.recording
    assert (first.gloss, first.signer, recording.id, recording.size, recording.fps) == (
        *("hello", "Ada", "2026-01-01"),
        (640, 480),
        25.5,
    )
    assert (recording.xy.shape, floats(recording.score)) == ((5, JOINT_COUNT, 2), sign["score"])
    assert (second.recording.id, second.recording.size, second.recording.fps) == ("sign 2", None, None)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"xy": "AAAA"}, "no file of signs"),
        ({"score": "?"}, "base64"),
        ({"gloss": " "}, "no gloss"),
        ({"score": floats(np.full((5, JOINT_COUNT), 2.0))}, "score 2.0"),
        ({"fps": -1}, "-1.0 frames a second"),
    ],
)
def test_a_damaged_sign_is_refused(sign: dict[str, Any], change: dict[str, Any], found: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=found):
        read_signs(written(tmp_path, signs=[{**sign, **change}]))


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other", "version": 1}', '{"format": "twinsign-signs"}'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(InputError, match="no file of signs"):
        read_signs(file)
