from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from twinsign.errors import InputError
from twinsign.pose.layout import INDEX, JOINT_COUNT
from twinsign.pose.read import read, write_npz
from twinsign.pose.recording import FloatArray, Recording

Refused = Callable[[Path], InputError]


@pytest.mark.parametrize("unit", ["fraction", "pixel"])
@pytest.mark.parametrize("fps", [None, 29.97])
def test_there_and_back(tmp_path: Path, person: FloatArray, unit: Any, fps: float | None) -> None:
    score = np.where(person[..., 2] < 0.3, 0, person[..., 2])
    size = (640, 480) if unit == "pixel" else None
    places = person[..., :2] * np.float32(size or (1, 1))
    recording = Recording("a/b", places, score, unit, size, fps, estimator="mediapipe")
    path = tmp_path / "folder" / "clip.npz"
    write_npz(recording, path)
    loaded = read(path)
    assert (loaded.id, loaded.unit, loaded.size, loaded.estimator) == ("a/b", unit, size, "mediapipe")
    assert loaded.fps == fps
    assert loaded.source == str(path)
    np.testing.assert_array_equal(loaded.xy, recording.xy)
    np.testing.assert_array_equal(loaded.score, recording.score)
    assert read(path, clip_id="given").id == "given"
    assert [each.name for each in path.parent.iterdir()] == ["clip.npz"]


def test_seen_or_nan_say_what_was_seen(tmp_path: Path, person: FloatArray) -> None:
    xy = person[..., :2].copy()
    seen = np.ones(xy.shape[:2], bool)
    seen[2, INDEX["nose"]] = False
    np.savez(tmp_path / "a.npz", xy=xy, seen=seen)
    xy[~seen] = np.nan
    np.savez(tmp_path / "b.npz", xy=xy)
    for name in ("a", "b"):
        recording = read(tmp_path / f"{name}.npz", size=(20, 10), fps=5)
        np.testing.assert_array_equal(recording.seen, seen)
        assert (recording.id, recording.size, recording.fps) == (name, (20, 10), 5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity(tmp_path: Path, person: FloatArray, refused: Refused, value: float) -> None:
    person[1, 5, 0] = value
    np.savez(tmp_path / "a.npz", xy=person[..., :2], score=person[..., 2])
    assert refused(tmp_path / "a.npz").frame == 1
    np.savez(tmp_path / "a.npz", xy=person[..., :2])
    assert refused(tmp_path / "a.npz").frame == 1


@pytest.mark.parametrize(
    "content",
    [
        {"xy": np.zeros((3, 48, 2))},
        {"xy": np.zeros((3, 49, 3))},
        {"xy": np.zeros((0, 49, 2))},
        {"xy": np.zeros((3, 49, 2)), "seen": np.zeros((3, 7), np.uint8)},
        {"xy": np.zeros((3, 49, 2)), "score": np.full((3, 49), np.nan)},
        {"xy": np.zeros((3, 49, 2)), "unit": "miles"},
        {"xy": np.zeros((3, 49, 2)), "size": [640]},
        {"xy": np.zeros((3, 49, 2)), "fps": -3},
    ],
    ids=lambda content: str({name: np.shape(value) for name, value in content.items()}),
)
def test_bad_arrays(tmp_path: Path, refused: Refused, content: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **content)
    refused(tmp_path / "a.npz")


def test_pixels_need_a_size(tmp_path: Path, person: FloatArray) -> None:
    np.savez(tmp_path / "a.npz", xy=person[..., :2], unit="pixel")
    assert read(tmp_path / "a.npz", size=(2, 1)).size == (2, 1)
    with pytest.raises(InputError, match=r"size=\(width, height\)"):
        read(tmp_path / "a.npz")


def test_truncated_and_empty(tmp_path: Path, person: FloatArray, refused: Refused) -> None:
    path = tmp_path / "a.npz"
    write_npz(Recording("a", person[..., :2], person[..., 2]), path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path)


@given(
    hnp.arrays(np.float64, (1, JOINT_COUNT, 2)),
    st.none() | hnp.arrays(np.float64, (1, JOINT_COUNT)),
    hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=2, max_side=2)),
    st.sampled_from(["size", "fps", "unit", "id", "estimator", "img_shape"]),
)
def test_random_arrays_raise_only_input_errors(
    hostile: Callable[[str, bytes], None], xy: Any, score: Any, other: Any, name: str
) -> None:
    stream = io.BytesIO()
    np.savez(stream, xy=xy, **({} if score is None else {"score": score}), **{name: other})
    hostile("a.npz", stream.getvalue())


def test_scores_under_another_name_are_refused_not_lost(tmp_path: Path, person: FloatArray, refused: Refused) -> None:
    np.savez(tmp_path / "a.npz", xy=person[..., :2], confidence=person[..., 2])
    assert refused(tmp_path / "a.npz").wanted == "scores called score or seen, not confidence"
