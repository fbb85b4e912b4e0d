"""Small valid files of every format, cut off or with bytes changed: read, or refused with InputError, never else."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import published
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.read import open_set, read
from twinsign.pose.recording import Recording

ONES = published.signers()[1:]
POINTS = published.whole_body(ONES[0])[:2]


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def openpose(one: Recording) -> bytes:
    joints = published.in_pixels(one).xy[0]
    hand = np.column_stack([joints[:21], np.ones(21)]).round(1).ravel().tolist()
    body = np.column_stack([joints[:25], np.ones(25)]).round(1).ravel().tolist()
    people = [{"pose_keypoints_2d": body, "hand_left_keypoints_2d": hand, "hand_right_keypoints_2d": hand}]
    return json.dumps({"people": people}).encode()


def mmpose() -> bytes:
    frames = [{"frame_id": t, "instances": [{"keypoints": frame.round(1).tolist()}]} for t, frame in enumerate(POINTS)]
    return json.dumps({"meta_info": {"image_size": published.SIZE}, "instance_info": frames}).encode()


CLIPS = {
    "twinsign.npz": npz(xy=ONES[0].xy, score=ONES[0].score, id="a", size=published.SIZE),
    "wholebody.npz": npz(keypoints=POINTS, fps=25),
    "wholebody.npy": published.npy(POINTS),
    "published.pkl": pickle.dumps({"keypoints": POINTS, "img_list": ["1.jpg", "2.jpg"]}),
    "uni_sign.pkl": published.uni_sign(Recording("a", ONES[0].xy[:2], ONES[0].score[:2], size=published.SIZE)),
    "holistic.npz": npz(**{name: points[:1] for name, points in published.holistic(ONES[0]).items() if name != "face"}),
    "mmpose.json": mmpose(),
    "openpose/a_0_keypoints.json": openpose(ONES[0]),
    "isolated.parquet": published.parquet_bytes(published.isolated(ONES[0])),
}
SETS = {
    "nla_slr.pkl": published.nla_slr(ONES),
    "pyskl.pkl": published.pyskl([published.annotation(one, 3) for one in ONES], {"train": ["signer1"]}),
    "train_data_joint.npy": published.npy(published.sam_slr(ONES, 5)),
    "sequences.parquet": published.parquet_bytes(published.sequences(dict(enumerate(ONES)))),
    "spoter.csv": published.spoter([published.spoter_row(one, 3) for one in ONES]),
    "train_label.pkl": pickle.dumps((["a", "b"], [0, 7])),
}
ALL = CLIPS | SETS
Damage = Callable[[bytes], bytes]


@st.composite
def damages(draw: st.DrawFn) -> Damage:
    """Cut a file off somewhere, or change up to three of its bytes."""
    cut = draw(st.none() | st.floats(0, 1))
    places = draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=3))

    def damage(data: bytes) -> bytes:
        if cut is not None:
            return data[: int(cut * len(data))]
        changed = bytearray(data)
        for place, byte in places:
            changed[int(place * len(data))] = byte
        return bytes(changed)

    return damage


def target(folder: Path, name: str, data: bytes) -> Path:
    """The file under its name; the labels lie beside their array."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if name == "train_label.pkl":
        path = folder / "train_data_joint.npy"
        path.write_bytes(SETS[path.name])
    elif name == "train_data_joint.npy":
        (folder / "train_label.pkl").write_bytes(SETS["train_label.pkl"])
    return path.parent if name.startswith("openpose") else path


def everything(path: Path, name: str) -> list[Recording]:
    if name in CLIPS:
        return [read(path, size=published.SIZE)]
    opened = open_set(path, size=published.SIZE)
    return [opened.clip(number) for number in range(len(opened))]


@pytest.mark.parametrize("name", ALL)
def test_undamaged(tmp_path: Path, name: str) -> None:
    found = everything(target(tmp_path, name, ALL[name]), name)
    assert len(found) == (1 if name in CLIPS else 2)
    assert all(one.seen.any() for one in found)


@pytest.mark.parametrize("name", ALL)
@given(damage=damages())
@settings(max_examples=60)
def test_damaged(tmp_path_factory: pytest.TempPathFactory, name: str, damage: Damage) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    try:
        found = everything(target(folder, name, damage(ALL[name])), name)
    except InputError:
        return
    for one in found:
        assert np.isfinite(one.xy).all()
