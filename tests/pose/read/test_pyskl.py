"""PYSKL's and MMAction2's annotations."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import published_formats

from twinsign.errors import InputError
from twinsign.pose.read import PoseSet, open_set

SPLIT = {"train": ["signer0", "signer2"], "test": ["signer1"], "seen_by_others": ["signer1"]}


def opened(folder: Path, content: Any, **options: Any) -> PoseSet:
    path = folder / "signs.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return open_set(path, **options)


def annotations(**more: Any) -> list[dict[str, Any]]:
    return [published_formats.annotation(one, 7 + n, **more) for n, one in enumerate(published_formats.signers())]


def test_round_trip(tmp_path: Path) -> None:
    clips = opened(tmp_path, published_formats.pyskl(annotations(), SPLIT), fps=30)
    assert clips.rows == [
        {"id": "signer0", "gloss": "7", "split_seen_by_others": "", "split": "train"},
        {"id": "signer1", "gloss": "8", "split_seen_by_others": "1", "split": "test"},
        {"id": "signer2", "gloss": "9", "split_seen_by_others": "", "split": "train"},
    ]
    for (found, _), one in zip(clips, published_formats.signers(), strict=True):
        assert (found.id, found.unit, found.size, found.fps, found.notes) == (
            one.id,
            "pixel",
            published_formats.SIZE,
            30,
            (),
        )
        np.testing.assert_allclose(found.xy, published_formats.in_pixels(one).xy, rtol=1e-3)
        np.testing.assert_allclose(found.score, one.score, rtol=1e-3)


def test_a_list_of_annotations_alone(tmp_path: Path) -> None:
    clips = opened(tmp_path, annotations())
    assert clips.rows[0] == {"id": "signer0", "gloss": "7"}
    assert len(clips.clip(2).xy) == 4


def test_the_score_may_be_the_third_column(tmp_path: Path) -> None:
    one = published_formats.signer(0, 3)
    points = published_formats.whole_body(one)[None]
    found = opened(tmp_path, [published_formats.annotation(one, 0, keypoint=points, keypoint_score=None)]).clip(0)
    np.testing.assert_allclose(found.score, one.score)


def test_the_signer_is_followed(tmp_path: Path) -> None:
    one = published_formats.annotation(published_formats.signer(0, 5), 0)
    other = one["keypoint"] * np.float16(0.2)
    persons = np.concatenate([other, one["keypoint"], np.zeros_like(other)])
    persons[:, 3] = persons[[1, 0, 2], 3]
    scores = np.concatenate([one["keypoint_score"]] * 2 + [np.zeros_like(one["keypoint_score"])])
    found = opened(tmp_path, [one | {"keypoint": persons, "keypoint_score": scores}]).clip(0)
    np.testing.assert_allclose(found.xy, published_formats.in_pixels(published_formats.signer(0, 5)).xy, rtol=1e-3)
    assert found.notes[0].startswith("several persons in 5 of 5 frames: followed person ")


@pytest.mark.parametrize("joints", [17, 18, 25])
def test_layouts_without_hands(tmp_path: Path, joints: int) -> None:
    one = published_formats.annotation(published_formats.signer(0, 3), 0)
    one |= {"keypoint": one["keypoint"][:, :, :joints], "keypoint_score": one["keypoint_score"][:, :, :joints]}
    with pytest.raises(InputError, match="no hands") as caught:
        opened(tmp_path, [one]).clip(0)
    assert (caught.value.clip, caught.value.found) == ("signer0", f"{joints} joints")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"total_frames": 9}, "9, the total_frames"),
        ({"img_shape": published_formats.SIZE}, "swapped|another video"),
        ({"img_shape": (48, 64)}, "another video"),
        ({"img_shape": None, "original_shape": None}, "size=\\(width, height\\)"),
        ({"img_shape": (0, 5)}, "positive numbers"),
        ({"keypoint_score": None}, "without keypoint_score"),
        ({"keypoint_score": np.zeros((1, 2, 133))}, "keypoint_score of shape"),
        ({"keypoint": np.zeros((5, 133, 2))}, "keypoint of shape"),
        ({"keypoint": np.zeros((0, 5, 133, 2)), "keypoint_score": np.zeros((0, 5, 133))}, "keypoint of shape"),
        ({"keypoint": np.full((1, 5, 133, 2), np.nan)}, "NaN"),
        ({"keypoint": "abc"}, "real numbers"),
    ],
    ids=lambda change: str(change)[:30],
)
def test_bad_annotations(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    one = published_formats.annotation(published_formats.signer(0, 5), 0)
    wide = np.clip(one["keypoint"] * np.float16([1.4, 1]), 0, 640)
    clips = opened(
        tmp_path, [{**one, "keypoint": wide, **change}, published_formats.annotation(published_formats.signer(1, 3), 0)]
    )
    with pytest.raises(InputError, match=word) as caught:
        clips.clip(0)
    assert caught.value.clip == "signer0"
    assert len(clips.clip(1).xy) == 3


@pytest.mark.parametrize(
    "content",
    [
        {"annotations": [{"keypoint": 1}]},
        {"annotations": [{"keypoint": 1, "frame_dir": 3}]},
        {"annotations": [*annotations(), 3]},
        {"annotations": annotations() * 2},
        {"annotations": annotations(), "split": ["signer0"]},
        {"annotations": annotations(), "split": {"train": "signer0"}},
        {"annotations": annotations(), "split": {"train": ["signer0"], "test": ["signer0"]}},
    ],
    ids=lambda content: str(content)[:40],
)
def test_bad_pickles(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InputError):
        opened(tmp_path, content)


def test_splits_under_other_names_are_splits(tmp_path: Path) -> None:
    content = {"Train": ["signer0"], "dev": ["signer1"], "xsub_val": ["signer2"]}
    rows = opened(tmp_path, published_formats.pyskl(annotations(), content)).rows
    assert [row["split"] for row in rows] == ["Train", "dev", ""]
    assert rows[2]["split_xsub_val"] == "1"
