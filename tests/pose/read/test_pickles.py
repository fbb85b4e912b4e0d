"""Uni-Sign's pickles of one clip; the method's own are in test_coco_wholebody."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import published_formats

from twinsign.errors import InputError
from twinsign.pose.read import read

Refused = Callable[[Path], InputError]


def write(folder: Path, content: Any) -> Path:
    path = folder / "a.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return path


def frames(one: Any) -> dict[str, Any]:
    content: dict[str, Any] = pickle.loads(published_formats.uni_sign(one))
    return content


@pytest.mark.parametrize("stacked", [False, True])
def test_round_trip(tmp_path: Path, stacked: bool) -> None:
    one = published_formats.signer(0, 5)
    content = frames(one)
    content = {name: np.stack(values) for name, values in content.items()} if stacked else content
    found = read(write(tmp_path, content))
    assert (found.unit, found.size, found.estimator, found.notes) == ("fraction", None, "coco_wholebody", ())
    np.testing.assert_allclose(found.xy, one.xy, atol=1e-6)
    np.testing.assert_array_equal(found.score, one.score)
    assert read(write(tmp_path, content), size=published_formats.SIZE).size == published_formats.SIZE


def test_the_signer_is_followed(tmp_path: Path) -> None:
    one = published_formats.signer(0, 5)
    content = frames(one)
    for t in range(0, 5, 2):
        other = content["keypoints"][t] * 0.2
        content["keypoints"][t] = np.concatenate([other, content["keypoints"][t]])
        content["scores"][t] = np.concatenate([content["scores"][t]] * 2)
    found = read(write(tmp_path, content))
    np.testing.assert_allclose(found.xy, one.xy, atol=1e-6)
    assert found.notes[0].startswith("several persons in 3 of 5 frames: followed person ")


def test_a_frame_of_nobody_is_unseen(tmp_path: Path) -> None:
    content = frames(published_formats.signer(0, 5))
    content["keypoints"][2], content["scores"][2] = np.zeros((0, 133, 2)), np.zeros((0, 133))
    assert read(write(tmp_path, content)).seen.any(axis=1).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"scores": None},
        {"scores": []},
        {"keypoints": []},
        {"keypoints": [np.zeros((1, 17, 2))] * 5},
        {"keypoints": [np.zeros((133, 2))] * 5},
        {"keypoints": ["abc"] * 5},
        {"keypoints": [np.full((1, 133, 2), np.nan)] * 5},
        {"keypoints": [np.full((1, 133, 2), 300.0)] * 5},
        {"scores": [np.zeros((2, 133))] * 5},
    ],
    ids=lambda change: str(change)[:40],
)
def test_bad_content(tmp_path: Path, refused: Refused, change: dict[str, Any]) -> None:
    refused(write(tmp_path, frames(published_formats.signer(0, 5)) | change))


def test_pixels_in_its_place_are_refused(tmp_path: Path, refused: Refused) -> None:
    one = published_formats.signer(0, 5)
    content = frames(one)
    content["keypoints"] = [frame * published_formats.SIZE for frame in content["keypoints"]]
    assert "--unit pixel" in refused(write(tmp_path, content)).hint
    found = read(write(tmp_path, content), size=published_formats.SIZE, unit="pixel")
    np.testing.assert_allclose(found.xy, published_formats.in_pixels(one).xy, rtol=1e-5)
