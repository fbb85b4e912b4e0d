from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.layout import INDEX
from twinsign.pose.read import read
from twinsign.pose.recording import FloatArray, Recording

SIZE = (200, 100)
Refused = Callable[[Path], InputError]
# The standard's numbers of a few points, written out here so that a slip in the layout's table shows.
CHECKED = {
    "nose": 0,
    "left_shoulder": 5,
    "right_shoulder": 6,
    "left_wrist": 9,
    "right_elbow": 8,
    "left_hand_wrist": 91,
    "left_hand_little_4": 111,
    "right_hand_wrist": 112,
    "right_hand_thumb_1": 113,
    "right_hand_little_4": 132,
}


@pytest.fixture
def points() -> FloatArray:
    """(T 133 3): x, y in pixels and a score."""
    values = np.random.default_rng(1).uniform(0.1, 1, (3, 133, 3)) * [200, 100, 1]
    return values.astype(np.float32)


def check(recording: Recording, points: FloatArray) -> None:
    assert recording.unit == "pixel"
    assert recording.size == SIZE
    assert len(recording.xy) == len(points)
    for joint, number in CHECKED.items():
        np.testing.assert_allclose(recording.xy[:, INDEX[joint]], points[:, number, :2], rtol=1e-6)
        np.testing.assert_allclose(recording.score[:, INDEX[joint]], points[:, number, 2], rtol=1e-6)


def instance(person: FloatArray) -> dict[str, Any]:
    corners = [*person[:, :2].min(0).tolist(), *person[:, :2].max(0).tolist()]
    return {"keypoints": person[:, :2].tolist(), "keypoint_scores": person[:, 2].tolist(), "bbox": [corners]}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def forms(points: FloatArray) -> dict[str, Any]:
    instances = [[instance(person)] for person in points]
    entries = [{"frame_id": t, "instances": each} for t, each in enumerate(instances)]
    return {
        "instance_info": {"meta_info": {"dataset_name": "coco_wholebody"}, "instance_info": entries},
        "entries": entries,
        "lists": instances,
        "three columns": [[{"keypoints": person.tolist()}] for person in points],
    }


@pytest.mark.parametrize("form", ["instance_info", "entries", "lists", "three columns"])
def test_mmpose_json(tmp_path: Path, points: FloatArray, form: str) -> None:
    recording = read(write(tmp_path / "hello.json", forms(points)[form]), size=SIZE, fps=25)
    check(recording, points)
    assert (recording.id, recording.fps) == ("hello", 25)


def test_an_image_is_one_frame(tmp_path: Path, points: FloatArray) -> None:
    check(read(write(tmp_path / "a.json", [instance(points[0])]), size=SIZE), points[:1])


def test_a_frame_without_persons_has_nothing_seen(tmp_path: Path, points: FloatArray) -> None:
    content = forms(points)["instance_info"]
    content["instance_info"][1]["instances"] = []
    recording = read(write(tmp_path / "a.json", content), size=SIZE)
    assert recording.seen.any(axis=1).tolist() == [True, False, True]
    assert recording.notes == ()


def test_a_frame_left_out_keeps_its_time(tmp_path: Path, points: FloatArray) -> None:
    content = forms(points)["instance_info"]
    del content["instance_info"][1]
    content["instance_info"].append({"frame_id": 3, "instances": []})
    recording = read(write(tmp_path / "a.json", content), size=SIZE)
    assert recording.seen.any(axis=1).tolist() == [True, False, True, False]
    assert "1 of 4 frames missing (1)" in recording.notes[0]


@pytest.mark.parametrize("numbers", [(0, 2, 1), (0, 0, 1), (0, 1, 50)])
def test_frame_numbers_that_fall_or_leap(
    tmp_path: Path, points: FloatArray, refused: Refused, numbers: tuple[int, ...]
) -> None:
    content = forms(points)["entries"]
    for entry, number in zip(content, numbers, strict=True):
        entry["frame_id"] = number
    assert "frame" in refused(write(tmp_path / "a.json", content)).found


def test_json_states_the_size(tmp_path: Path, points: FloatArray) -> None:
    content = forms(points)["instance_info"]
    content["meta_info"] |= {"image_size": SIZE, "fps": 30}
    recording = read(write(tmp_path / "a.json", content), size=(7, 7), fps=1)
    check(recording, points)
    assert recording.fps == 30
    del content["meta_info"]["image_size"]
    content["img_shape"] = [100, 200, 3]
    check(read(write(tmp_path / "a.json", content)), points)


def test_pixels_need_a_size(tmp_path: Path, points: FloatArray) -> None:
    write(tmp_path / "a.json", forms(points)["lists"])
    np.savez(tmp_path / "b.npz", keypoints=points)
    (tmp_path / "c.pkl").write_bytes(pickle.dumps({"keypoints": points}))
    for name in ("a.json", "b.npz", "c.pkl"):
        with pytest.raises(InputError, match=r"size=\(1280, 720\)"):
            read(tmp_path / name)


def test_scores_beyond_one_are_clipped(tmp_path: Path, points: FloatArray) -> None:
    points[:, :, 2] = np.linspace(-0.5, 3, 133)
    np.savez(tmp_path / "a.npz", keypoints=points)
    recording = read(tmp_path / "a.npz", size=SIZE)
    assert recording.score.min() == 0
    assert recording.score.max() == 1
    np.testing.assert_allclose(recording.score[0, INDEX["left_wrist"]], 0)


@pytest.mark.parametrize("scores", ["scores", "keypoint_scores"])
def test_arrays_with_scores_apart(tmp_path: Path, points: FloatArray, scores: str) -> None:
    np.savez(tmp_path / "a.npz", keypoints=points[..., :2], **{scores: points[..., 2]}, size=SIZE)
    check(read(tmp_path / "a.npz"), points)


def test_a_lone_array(tmp_path: Path, points: FloatArray) -> None:
    np.save(tmp_path / "a.npy", points.astype(np.float64))
    check(read(tmp_path / "a.npy", size=SIZE), points)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_published_pickle(tmp_path: Path, points: FloatArray, protocol: int) -> None:
    content = OrderedDict(keypoints=points, img_list=[f"{t:05}.jpg" for t in range(3)])
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol))
    check(read(tmp_path / "a.pkl", size=SIZE), points)


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"img_list": []},
        {"keypoints": [[[0.0] * 3] * 133]},
        {"keypoints": np.zeros((2, 133, 3)), "img_list": ["a"]},
        {"keypoints": np.zeros((2, 17, 3))},
        {"keypoints": np.zeros((0, 133, 3))},
        {"keypoints": np.full((2, 133, 3), "a")},
    ],
)
def test_bad_pickles(tmp_path: Path, refused: Refused, content: object) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    refused(path)


def far(person: FloatArray, by: float) -> FloatArray:
    moved = person.copy()
    moved[:, 0] += by
    return moved


def test_the_signer_is_followed_in_any_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    shape = np.column_stack([rng.uniform(-150, 150, 133), rng.uniform(-250, 250, 133), np.ones(133)])
    signers = [(shape + np.array([640 + 8 * t, 360, 0])).astype(np.float32) for t in range(6)]
    bystanders = [(shape * [0.4, 0.4, 1] + [60, 300, 0]).astype(np.float32) for t in range(6)]
    frames = [[s, b] if t % 2 else [b, s] for t, (s, b) in enumerate(zip(signers, bystanders, strict=True))]
    frames[3] = [bystanders[3]]
    path = write(tmp_path / "a.json", [[instance(person) for person in frame] for frame in frames])
    recording = read(path, size=(1280, 720))
    assert recording.seen.any(axis=1).tolist() == [True, True, True, False, True, True]
    for t in (0, 1, 2, 4, 5):
        np.testing.assert_allclose(recording.xy[t, INDEX["nose"]], signers[t][0, :2], rtol=1e-5)


def test_the_start_is_the_large_central_confident_person(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    shape = np.column_stack([rng.uniform(-100, 100, 133), rng.uniform(-200, 200, 133), np.ones(133)])
    central = (shape + np.array([640, 360, 0])).astype(np.float32)
    aside = (shape * [1.1, 1.1, 1] + [1200, 360, 0]).astype(np.float32)
    small = (shape * [0.3, 0.3, 1] + [640, 360, 0]).astype(np.float32)
    faint = (shape * [1.1, 1.1, 0.2] + [640, 360, 0]).astype(np.float32)
    for other in (aside, small, faint):
        for frame in ([central, other], [other, central]):
            path = write(tmp_path / "a.json", [[instance(person) for person in frame]])
            recording = read(path, size=(1280, 720))
            np.testing.assert_allclose(recording.xy[0, INDEX["nose"]], central[0, :2], rtol=1e-5)


def spoil(points: FloatArray, value: float, column: int) -> FloatArray:
    points[1, 112, column] = value
    return points


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 2])
def test_nan_and_infinity(tmp_path: Path, points: FloatArray, refused: Refused, value: float, column: int) -> None:
    spoil(points, value, column)
    np.savez(tmp_path / "b.npz", keypoints=points)
    for path in (write(tmp_path / "a.json", forms(points)["lists"]), tmp_path / "b.npz"):
        assert refused(path).frame == 1


def test_joints_that_are_not_ours_may_be_anything(tmp_path: Path, points: FloatArray) -> None:
    points[:, 50] = np.nan
    check(read(write(tmp_path / "a.json", forms(points)["lists"]), size=SIZE), points)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"instance_info": 3},
        3,
        [3],
        [{"frame_id": 0}],
        [[{"bbox": [1, 2, 3, 4]}]],
        [[{"keypoints": [[1, 2, 3]] * 17}]],
        [[{"keypoints": [[1, 2]] * 133}]],
        [[{"keypoints": [[1, 2]] * 133, "keypoint_scores": [1] * 132}]],
        [[{"keypoints": [[1, 2, 3]] * 133, "keypoint_scores": [1] * 133}]],
        [[{"keypoints": [[1, 2], [1]]}]],
        [[{"keypoints": [[1, 2, None]] * 133}]],
        [[{"keypoints": [["1", "2", "3"]] * 133}]],
        [[{"keypoints": [[1, 2, 10**400]] * 133}]],
        {"instance_info": [], "image_size": [0, 10]},
        {"instance_info": [], "image_size": [None, 10]},
        {"people": []},
    ],
    ids=str,
)
def test_bad_json(tmp_path: Path, refused: Refused, content: object) -> None:
    refused(write(tmp_path / "a.json", content))


def test_truncated_and_empty(tmp_path: Path, points: FloatArray, refused: Refused) -> None:
    whole = json.dumps(forms(points)["instance_info"]).encode()
    for data in (b"", whole[:-1], whole[: len(whole) // 2], b"\xff\xfe", b"[" * 100_000):
        (tmp_path / "a.json").write_bytes(data)
        refused(tmp_path / "a.json")


def arrays() -> list[dict[str, Any]]:
    whole = np.zeros((2, 133, 3))
    return [
        {"keypoints": np.zeros((2, 134, 3))},
        {"keypoints": np.zeros((2, 133, 2))},
        {"keypoints": np.zeros((2, 133, 2)), "scores": np.zeros((2, 49))},
        {"keypoints": np.zeros((133, 3))},
        {"keypoints": np.zeros((0, 133, 3))},
        {"keypoints": whole.astype(complex)},
        {"keypoints": whole.astype("U")},
        {"keypoints": whole, "fps": [1, 2]},
        {"keypoints": whole, "fps": -1},
        {"keypoints": whole, "size": [np.nan, 2]},
    ]


@pytest.mark.parametrize("content", arrays(), ids=lambda content: str({k: np.shape(v) for k, v in content.items()}))
def test_bad_arrays(tmp_path: Path, refused: Refused, content: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **content)
    refused(tmp_path / "a.npz")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["instance_info", "instances", "keypoints", "meta_info", "size", "fps"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_random_json_raises_only_input_errors(hostile: Callable[[str, bytes], None], content: object) -> None:
    hostile("a.json", json.dumps(content).encode())


@given(st.lists(st.lists(st.floats(allow_nan=True), min_size=3, max_size=3), min_size=1, max_size=3))
def test_random_numbers_raise_only_input_errors(hostile: Callable[[str, bytes], None], rows: list[list[float]]) -> None:
    keypoints = (rows * 133)[:133]
    hostile("a.json", json.dumps([[{"keypoints": keypoints}, {"keypoints": keypoints[::-1]}]] * 2).encode())


@given(st.binary(max_size=100))
def test_random_bytes_raise_only_input_errors(hostile: Callable[[str, bytes], None], data: bytes) -> None:
    for name in ("a.json", "a.npz", "a.npy", "a.pkl"):
        hostile(name, data)


@pytest.mark.parametrize("key", ["image_name", "image_id", "frame_id", "file_name"])
def test_a_list_of_many_images_persons_is_many_frames(tmp_path: Path, points: FloatArray, key: str) -> None:
    named: dict[str, Callable[[int], object]] = {"image_id": lambda t: t, "frame_id": str}
    name = named.get(key, lambda t: f"v2/img_{t:05d}.jpg")
    order = [2, 0, 1]
    persons: list[dict[str, Any]] = [{key: name(9 + t), "keypoints": points[t].tolist(), "score": 0.9} for t in order]
    if key == "image_id":  # as COCO's own results
        persons = [{**one, "keypoints": np.ravel(one["keypoints"]).tolist()} for one in persons]
    check(read(write(tmp_path / "a.json", persons), size=SIZE), points)
    far = points[0] * [0.05, 0.05, 0.2]
    persons.insert(0, {key: name(9), "keypoints": (far.ravel() if key == "image_id" else far).tolist()})
    both = read(write(tmp_path / "b.json", persons), size=SIZE)
    assert len(both.xy) == 3
    assert "several persons in 1 of 3 frames" in both.notes[0]


def test_images_left_out_of_a_list_are_gaps(tmp_path: Path, points: FloatArray) -> None:
    persons = [{"image_name": f"{t}.jpg", "keypoints": points[0].tolist()} for t in (3, 4, 6)]
    found = read(write(tmp_path / "a.json", persons), size=SIZE)
    assert found.seen.any(axis=1).tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("extra", "word"),
    [
        ([{"image_name": "0.jpg"}, {}], "person number 1 without image_name"),
        ([{"track_id": 1}, {"track_id": 1}], "2 persons of 1 tracks"),
    ],
)
def test_a_list_of_persons_that_contradicts_itself(
    tmp_path: Path, points: FloatArray, extra: list[dict[str, Any]], word: str
) -> None:
    persons = [{**one, "keypoints": points[0].tolist()} for one in extra]
    with pytest.raises(InputError, match=word):
        read(write(tmp_path / "a.json", persons), size=SIZE)


def test_frame_numbers_as_text_count_too(tmp_path: Path, points: FloatArray) -> None:
    entries = [{"frame_id": number, "instances": [instance(points[0])]} for number in ("4", "05", "7")]
    assert read(write(tmp_path / "a.json", entries), size=SIZE).seen.any(axis=1).tolist() == [True, True, False, True]


def test_a_frame_number_of_too_many_digits_is_refused(tmp_path: Path, points: FloatArray, refused: Refused) -> None:
    entries = [{"frame_id": "9" * 5000, "instances": [instance(points[0])]}]
    assert "digits" in refused(write(tmp_path / "a.json", entries)).found
