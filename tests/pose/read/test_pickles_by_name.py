"""NLA-SLR's pickles of many clips by name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import published_formats

from twinsign.errors import InputError
from twinsign.pose.read import open_set, read

SIZE = published_formats.SIZE


def write(folder: Path, content: Any) -> Path:
    path = folder / "keypoints.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return path


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_round_trip(tmp_path: Path, nested: bool, protocol: int) -> None:
    ones = published_formats.signers()
    opened = open_set(write(tmp_path, published_formats.nla_slr(ones, nested, protocol)), size=SIZE, fps=25)
    assert opened.rows == [{"id": one.id} for one in ones]
    assert opened.files == [tmp_path / "keypoints.pkl"]
    for (found, row), one in zip(opened, ones, strict=True):
        assert (found.id, row["id"], found.unit, found.size, found.fps) == (one.id, one.id, "pixel", SIZE, 25)
        np.testing.assert_allclose(found.xy, published_formats.in_pixels(one).xy, rtol=1e-6)
        np.testing.assert_array_equal(found.score, one.score)


def test_a_clip_may_state_its_size(tmp_path: Path) -> None:
    one = published_formats.signer(0, 3)
    clip = {"keypoints": published_formats.whole_body(one), "img_shape": SIZE[::-1], "img_list": ["1", "2", "3"]}
    assert open_set(write(tmp_path, {"a": clip}), size=(1, 1)).clip(0).size == SIZE


def test_a_bad_clip_loses_no_other(tmp_path: Path) -> None:
    good = {"keypoints": published_formats.whole_body(published_formats.signer(0, 3))}
    bad = {
        "joints": {"keypoints": np.zeros((2, 17, 3))},
        "nothing": {"keypoints": np.zeros((0, 133, 3))},
        "images": {**good, "img_list": ["1"]},
        "keys": {"points": 3},
        "text": {"keypoints": "abc"},
        "none": None,
        "NaN": {"keypoints": np.full((2, 133, 3), np.nan)},
    }
    opened = open_set(write(tmp_path, {"a": good, **bad, "b": good}), size=SIZE)
    assert len(opened) == len(bad) + 2
    assert len(opened.clip(0).xy) == len(opened.clip(len(bad) + 1).xy) == 3
    for number, name in enumerate(bad, 1):
        with pytest.raises(InputError) as caught:
            opened.clip(number)
        assert caught.value.clip == name


def test_pixels_need_a_size_that_fits(tmp_path: Path) -> None:
    path = write(tmp_path, published_formats.nla_slr(published_formats.signers()))
    with pytest.raises(InputError, match=r"--size"):
        open_set(path).clip(0)
    with pytest.raises(InputError, match="another video"):
        open_set(path, size=(100, 100)).clip(0)


@pytest.mark.parametrize("content", [{}, [], 3, {"a": 3}, {3: np.zeros((1, 133, 3))}, {"a": {"points": 1}}], ids=str)
def test_other_pickles(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InputError, match="NLA-SLR"):
        open_set(write(tmp_path, content))


def test_one_clip_and_many_are_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path, {"keypoints": np.zeros((1, 133, 3))})
    with pytest.raises(InputError, match="pack folder"):
        open_set(path)
    with pytest.raises(InputError, match="pack set"):
        read(write(tmp_path, published_formats.nla_slr(published_formats.signers())))


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="asks for"):
        open_set(write(tmp_path, pickle.dumps({"a": {"keypoints": Path("x")}})))
