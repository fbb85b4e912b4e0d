from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

from twinsign.errors import InputError
from twinsign.pose.layout import INDEX, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.read import read
from twinsign.pose.recording import FloatArray

Refused = Callable[[Path], InputError]
FRAMES = 3
HOLISTIC_HAND = [
    *("WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP"),
    *("INDEX_FINGER_MCP", "INDEX_FINGER_PIP", "INDEX_FINGER_DIP", "INDEX_FINGER_TIP"),
    *("MIDDLE_FINGER_MCP", "MIDDLE_FINGER_PIP", "MIDDLE_FINGER_DIP", "MIDDLE_FINGER_TIP"),
    *("RING_FINGER_MCP", "RING_FINGER_PIP", "RING_FINGER_DIP", "RING_FINGER_TIP"),
    *("PINKY_MCP", "PINKY_PIP", "PINKY_DIP", "PINKY_TIP"),
]
OPENPOSE_HAND = [
    *("BASE", "T_STT", "T_BCMC", "T_MCP", "T_IP"),
    *("I_CMC", "I_MCP", "I_PIP", "I_DIP"),
    *("M_CMC", "M_MCP", "M_PIP", "M_DIP"),
    *("R_CMC", "R_MCP", "R_PIP", "R_DIP"),
    *("P_CMC", "P_MCP", "P_PIP", "P_DIP"),
]
HOLISTIC = {
    # Points out of MediaPipe's order, with strangers between, since only names may count.
    "POSE_LANDMARKS": [
        *("RIGHT_WRIST", "LEFT_HIP", "NOSE", "LEFT_SHOULDER"),
        *("LEFT_ELBOW", "LEFT_WRIST", "RIGHT_SHOULDER", "RIGHT_ELBOW"),
    ],
    "FACE_LANDMARKS": ["0", "1"],
    "LEFT_HAND_LANDMARKS": HOLISTIC_HAND,
    "RIGHT_HAND_LANDMARKS": HOLISTIC_HAND,
}
OPENPOSE = {
    "pose_keypoints_2d": ["Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip"],
    "hand_left_keypoints_2d": OPENPOSE_HAND,
    "hand_right_keypoints_2d": OPENPOSE_HAND,
}
COCO = {
    "BODY": [
        *("nose", "left_eye", "left_shoulder", "right_shoulder"),
        *("left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    ],
    "LEFT_HAND": [f"hand_{number}" for number in range(21)],
    "RIGHT_HAND": [f"hand_{number}" for number in range(21)],
}


def components(points: dict[str, list[str]], form: str = "XYC") -> list[PoseHeaderComponent]:
    return [PoseHeaderComponent(name, names, [(0, 1)], [(1, 2, 3)], form) for name, names in points.items()]


def body(points: dict[str, list[str]], persons: int = 1, dims: int = 2) -> tuple[FloatArray, FloatArray]:
    """Random (T P V D) in pixels and confidence (T P V)."""
    rng = np.random.default_rng(0)
    shape = (FRAMES, persons, sum(map(len, points.values())))
    return rng.uniform(1, 99, (*shape, dims)).astype(np.float32), rng.uniform(0.1, 1, shape).astype(np.float32)


def write(
    path: Path,
    points: dict[str, list[str]],
    data: FloatArray,
    confidence: FloatArray,
    *,
    form: str = "XYC",
    size: tuple[int, int] = (200, 100),
    fps: float = 25,
) -> Path:
    header = PoseHeader(0.2, PoseHeaderDimensions(*size, 0), components(points, form))
    stream = io.BytesIO()
    Pose(header, NumPyPoseBody(fps, data, confidence)).write(stream)
    path.write_bytes(stream.getvalue())
    return path


def column(points: dict[str, list[str]], component: str, point: str) -> int:
    names = [(name, each) for name, each_of in points.items() for each in each_of]
    return names.index((component, point))


CHECKED = {
    "holistic": (
        HOLISTIC,
        {
            "nose": ("POSE_LANDMARKS", "NOSE"),
            "right_wrist": ("POSE_LANDMARKS", "RIGHT_WRIST"),
            "left_elbow": ("POSE_LANDMARKS", "LEFT_ELBOW"),
            "left_hand_wrist": ("LEFT_HAND_LANDMARKS", "WRIST"),
            "left_hand_thumb_4": ("LEFT_HAND_LANDMARKS", "THUMB_TIP"),
            "right_hand_index_1": ("RIGHT_HAND_LANDMARKS", "INDEX_FINGER_MCP"),
            "right_hand_little_4": ("RIGHT_HAND_LANDMARKS", "PINKY_TIP"),
        },
        "mediapipe_holistic",
    ),
    "openpose": (
        OPENPOSE,
        {
            "nose": ("pose_keypoints_2d", "Nose"),
            "right_wrist": ("pose_keypoints_2d", "RWrist"),
            "left_shoulder": ("pose_keypoints_2d", "LShoulder"),
            "left_hand_wrist": ("hand_left_keypoints_2d", "BASE"),
            "left_hand_middle_1": ("hand_left_keypoints_2d", "M_CMC"),
            "right_hand_little_4": ("hand_right_keypoints_2d", "P_DIP"),
        },
        "openpose",
    ),
    "coco": (
        COCO,
        {
            "nose": ("BODY", "nose"),
            "right_elbow": ("BODY", "right_elbow"),
            "left_hand_little_4": ("LEFT_HAND", "hand_20"),
            "right_hand_wrist": ("RIGHT_HAND", "hand_0"),
        },
        "coco_wholebody",
    ),
}


@pytest.mark.parametrize("style", CHECKED)
@pytest.mark.parametrize("form", ["XYC", "XYZC"])
def test_by_name(tmp_path: Path, style: str, form: str) -> None:
    points, checked, estimator = CHECKED[style]
    data, confidence = body(points, dims=len(form) - 1)
    recording = read(write(tmp_path / "hello.pose", points, data, confidence, form=form))
    assert (recording.id, recording.unit, recording.size) == ("hello", "pixel", (200, 100))
    assert (recording.fps, recording.estimator) == (25, estimator)
    assert recording.seen.all()
    for joint, (component, point) in checked.items():
        number = column(points, component, point)
        np.testing.assert_array_equal(recording.xy[:, INDEX[joint]], data[:, 0, number, :2])
        np.testing.assert_array_equal(recording.score[:, INDEX[joint]], confidence[:, 0, number])


def test_missing_components_and_points_are_unseen(tmp_path: Path) -> None:
    points = {"POSE_LANDMARKS": ["NOSE", "LEFT_WRIST"], "RIGHT_HAND_LANDMARKS": HOLISTIC_HAND[:5], "OTHER": ["NOSE"]}
    recording = read(write(tmp_path / "a.pose", points, *body(points)))
    assert recording.seen[:, RIGHT_HAND].sum(axis=1).tolist() == [5] * FRAMES
    assert not recording.seen[:, LEFT_HAND].any()
    assert recording.seen[:, TRUNK].sum(axis=1).tolist() == [2] * FRAMES


def test_the_signer_is_followed_through_changing_places(tmp_path: Path) -> None:
    data, confidence = body(HOLISTIC)
    aside, faint = data * 0.1 + np.float32([180, 5]), data * 0.1 + np.float32([5, 80])
    persons = np.concatenate([data, aside, faint], axis=1)
    persons[1] = persons[1, [2, 0, 1]]
    number = column(HOLISTIC, "POSE_LANDMARKS", "NOSE")
    recording = read(write(tmp_path / "a.pose", HOLISTIC, persons, np.repeat(confidence, 3, axis=1)))
    np.testing.assert_array_equal(recording.xy[:, INDEX["nose"]], data[:, 0, number])
    (note,) = recording.notes
    assert f"several persons in {FRAMES} of {FRAMES} frames" in note
    assert f"through {FRAMES} frames" in note
    assert read(write(tmp_path / "a.pose", HOLISTIC, data, confidence)).notes == ()


def test_unseen_joints_may_be_nan(tmp_path: Path) -> None:
    data, confidence = body(HOLISTIC)
    number = column(HOLISTIC, "POSE_LANDMARKS", "NOSE")
    data[1, 0, number], confidence[1, 0, number] = np.nan, 0
    recording = read(write(tmp_path / "a.pose", HOLISTIC, data, confidence))
    assert recording.seen[:, INDEX["nose"]].tolist() == [True, False, True]


def test_a_header_without_size_takes_the_callers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pose", HOLISTIC, *body(HOLISTIC), size=(0, 0), fps=0)
    with pytest.raises(InputError, match=r"size=\(width, height\)"):
        read(path)
    recording = read(path, size=(640, 480), fps=12)
    assert (recording.size, recording.fps) == ((640, 480), 12)
    assert read(path, size=(640, 480)).fps is None


def version_0_1(points: dict[str, list[str]], data: FloatArray, confidence: FloatArray) -> tuple[bytes, int]:
    """A file of version 0.1 and the length of one frame in bytes."""
    stream = io.BytesIO()
    PoseHeader(0.2, PoseHeaderDimensions(200, 100, 0), components(points)).write(stream)
    head = struct.pack("<f", 0.1) + stream.getvalue()[4:] + struct.pack("<HHH", 25, len(data), data.shape[1])
    return head + data.tobytes() + confidence.tobytes(), data[0].nbytes + confidence[0].nbytes


def test_version_0_1_and_its_truncations(tmp_path: Path, refused: Refused) -> None:
    data, confidence = body(HOLISTIC)
    whole, frame = version_0_1(HOLISTIC, data, confidence)
    (tmp_path / "a.pose").write_bytes(whole)
    number = column(HOLISTIC, "POSE_LANDMARKS", "NOSE")
    np.testing.assert_array_equal(read(tmp_path / "a.pose").xy[:, INDEX["nose"]], data[:, 0, number])
    for length in (len(whole) - 1, len(whole) - frame, len(whole) - 2 * frame):
        (tmp_path / "a.pose").write_bytes(whole[:length])
        assert "3 frames stated" in refused(tmp_path / "a.pose").found


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity(tmp_path: Path, refused: Refused, value: float) -> None:
    number = column(HOLISTIC, "POSE_LANDMARKS", "NOSE")
    data, confidence = body(HOLISTIC)
    data[2, 0, number, 1] = value
    assert refused(write(tmp_path / "a.pose", HOLISTIC, data, confidence)).frame == 2
    data, confidence = body(HOLISTIC)
    confidence[1, 0, number] = value
    assert refused(write(tmp_path / "a.pose", HOLISTIC, data, confidence)).frame == 1


def test_unknown_components(tmp_path: Path, refused: Refused) -> None:
    points = {"TAIL": ["NOSE"], "POSE_LANDMARKS": ["LEFT_HIP"]}
    assert "TAIL" in refused(write(tmp_path / "a.pose", points, *body(points))).found


def test_zero_frames_and_persons(tmp_path: Path, refused: Refused) -> None:
    data, confidence = body(HOLISTIC)
    assert "0 frames" in refused(write(tmp_path / "a.pose", HOLISTIC, data[:0], confidence[:0])).found
    assert "0 persons" in refused(write(tmp_path / "a.pose", HOLISTIC, data[:, :0], confidence[:, :0])).found


def test_truncated_empty_and_lying(tmp_path: Path, refused: Refused) -> None:
    path = write(tmp_path / "a.pose", HOLISTIC, *body(HOLISTIC))
    whole = path.read_bytes()
    for length in (0, 3, 20, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path)
    frames = whole.rindex(struct.pack("<fIH", 25, FRAMES, 1))
    path.write_bytes(whole[:frames] + struct.pack("<fIH", 25, 2**32 - 1, 1) + whole[frames + 10 :])
    refused(path)
    path.write_bytes(struct.pack("<f", 0.7) + whole[4:])
    assert "0.7" in refused(path).found


@given(st.binary(max_size=120))
def test_random_bytes_raise_only_input_errors(hostile: Callable[[str, bytes], None], data: bytes) -> None:
    hostile("a.pose", data)
    hostile("a.pose", struct.pack("<f", 0.2) + data)


@given(st.data())
def test_damaged_files_raise_only_input_errors(
    hostile: Callable[[str, bytes], None], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    points = {"POSE_LANDMARKS": ["NOSE"], "LEFT_HAND_LANDMARKS": ["WRIST"]}
    version = data.draw(st.sampled_from([0.0, 0.1, 0.2]))
    whole = bytearray(write(tmp_path_factory.getbasetemp() / "b.pose", points, *body(points)).read_bytes())
    whole[:4] = struct.pack("<f", version)
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    hostile("a.pose", bytes(whole))


def test_hands_under_other_names_are_refused_not_lost(tmp_path: Path, refused: Refused) -> None:
    renamed = {"POSE_LANDMARKS": HOLISTIC["POSE_LANDMARKS"], "HAND_R": HOLISTIC_HAND, "FACE_LANDMARKS": ["0"]}
    error = refused(write(tmp_path / "a.pose", renamed, *body(renamed)))
    assert error.found == "hands called HAND_R"
    others = {**HOLISTIC, "RIGHT_HAND_WORLD_LANDMARKS": HOLISTIC_HAND}
    assert read(write(tmp_path / "b.pose", others, *body(others))).seen.any()
