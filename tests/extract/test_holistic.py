"""MediaPipe Holistic itself on real videos: needs the extra `video` (`make video`)."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.published_formats import COLUMN, HAND, POSE
from helpers.trained_runs import Trained
from numpy.typing import NDArray

from twinsign.cli.main import main
from twinsign.extract.clip import Extraction, extract, write
from twinsign.extract.holistic import HolisticEstimator
from twinsign.extract.ledger import LEDGER
from twinsign.extract.video import open_video
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import HANDS, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.pose.read import open_landmarks, read

pytestmark = pytest.mark.slow
mediapipe = pytest.importorskip("mediapipe", reason="needs the extra `video`: run `make video`")
SAME = 0.0006
"""Half a step of float16 below 1, in both coordinates, and rounding: the set's own precision."""
CLIPS = ("14893", "30160", "11767")


@pytest.fixture(scope="session")
def videos(data_dir: Path) -> Path:
    folder = data_dir / "videos"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


@pytest.fixture(scope="session")
def estimator() -> HolisticEstimator:
    return HolisticEstimator()


@pytest.fixture(scope="session")
def found(videos: Path, estimator: HolisticEstimator) -> dict[str, Extraction]:
    """Clips one after the other by one estimator."""
    return {name: extract(videos / "wlasl" / f"{name}.mp4", estimator) for name in CLIPS}


def holistic_loop(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """x, y in fractions and score (T 49 3) by MediaPipe's own call on each frame, joint by joint; z of the nose (T)."""
    with warnings.catch_warnings(), open_video(ClipFile(path)) as video:
        warnings.simplefilter("ignore")
        frames = list(video.frames())
        out, depth = np.zeros((len(frames), len(COLUMN), 3), np.float32), np.zeros(len(frames), np.float32)
        with mediapipe.solutions.holistic.Holistic() as holistic:
            for t, frame in enumerate(frames):
                result = holistic.process(frame)
                depth[t] = result.pose_landmarks.landmark[0].z if result.pose_landmarks else 0
                for joint, number in POSE.items():
                    if result.pose_landmarks:
                        point = result.pose_landmarks.landmark[number]
                        out[t, COLUMN[joint]] = point.x, point.y, point.visibility
                for side in ("left", "right"):
                    hand = getattr(result, f"{side}_hand_landmarks")
                    for number, joint in enumerate(HAND if hand else []):
                        point = hand.landmark[number]
                        out[t, COLUMN[f"{side}_hand_{joint}"]] = point.x, point.y, 1
    return out, depth


@pytest.mark.parametrize("name", CLIPS)
def test_is_what_mediapipe_says_of_each_frame_alone(videos: Path, found: dict[str, Extraction], name: str) -> None:
    wanted, depth = holistic_loop(videos / "wlasl" / f"{name}.mp4")
    got = found[name].recording.fractions()
    np.testing.assert_array_equal(got.seen, wanted[..., 2] > 0)
    np.testing.assert_allclose(got.xy[got.seen], wanted[..., :2][got.seen], atol=1e-6)
    np.testing.assert_allclose(got.score, wanted[..., 2], atol=1e-7)
    np.testing.assert_allclose(found[name].pose.body.data.data[:, 0, 0, 2], depth, atol=1e-6)


def test_a_pose_file_has_all_points_and_reads_back(found: dict[str, Extraction], tmp_path: Path) -> None:
    one = found["11767"]
    write(one, tmp_path / "a.pose", "pose")
    again = read(tmp_path / "a.pose")
    np.testing.assert_array_equal(again.xy, one.recording.xy)
    np.testing.assert_array_equal(again.score, one.recording.score)
    assert (again.size, again.estimator) == ((736, 414), "mediapipe_holistic")
    assert one.recording.estimator == "mediapipe_holistic 0.10.21"
    assert again.fps == pytest.approx(29.97)
    points = {component.name: len(component.points) for component in one.pose.header.components}
    hands = {"LEFT_HAND_LANDMARKS": 21, "RIGHT_HAND_LANDMARKS": 21}
    assert points == {"POSE_LANDMARKS": 33, "FACE_LANDMARKS": 468, **hands, "POSE_WORLD_LANDMARKS": 33}


def test_agrees_with_published_poses_of_the_same_videos(data_dir: Path, found: dict[str, Extraction]) -> None:
    published = open_landmarks(data_dir / "wlasl_body_hands.npz")
    numbers = {row["id"]: number for number, row in enumerate(published.rows)}
    for name in CLIPS:
        wanted, got = published.clip(numbers[name]), found[name].recording.fractions()
        assert len(wanted.xy) == len(got.xy)
        for part in (RIGHT_HAND, LEFT_HAND, TRUNK):
            assert (wanted.seen[:, part].any(axis=1) == got.seen[:, part].any(axis=1)).mean() > 0.97
        both = wanted.seen & got.seen
        far = np.linalg.norm(wanted.xy[both] - got.xy[both], axis=-1)
        assert np.median(far) < SAME
        assert np.quantile(far, 0.95) < 2 * SAME


def test_hands_are_found_where_signers_raise_them(found: dict[str, Extraction]) -> None:
    shares = {name: [one.recording.seen[:, part].any(axis=1).mean() for part in (RIGHT_HAND, LEFT_HAND)]
              for name, one in found.items()}  # fmt: skip
    assert shares["30160"] == [1, 1], "both hands all the time"
    assert shares["14893"] == [1, 0], "the left one hangs below the picture"
    assert 0.3 < shares["11767"][0] < 0.7, "raised from rest and lowered again"


def test_trimming_keeps_the_sign(videos: Path, estimator: HolisticEstimator, found: dict[str, Extraction]) -> None:
    whole = found["11767"].recording
    trimmed = extract(videos / "wlasl" / "11767.mp4", estimator, trim=True)
    first, stop = trimmed.kept
    assert 0 < first < stop < len(whole.xy)
    np.testing.assert_array_equal(trimmed.recording.xy, whole.xy[first:stop])
    assert trimmed.recording.seen[:, HANDS].any(axis=1).sum() >= 0.9 * whole.seen[:, HANDS].any(axis=1).sum()


def test_the_commands(
    videos: Path, trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str], found: dict[str, Extraction]
) -> None:
    (tmp_path / "in").mkdir()
    for name in CLIPS[:2]:
        shutil.copy(videos / "wlasl" / f"{name}.mp4", tmp_path / "in")
    assert main(["extract", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--workers", "2"]) == 0
    for name in CLIPS[:2]:
        np.testing.assert_array_equal(read(tmp_path / "out" / f"{name}.pose").xy, found[name].recording.xy)
    row = json.loads((tmp_path / "out" / LEDGER).read_text().splitlines()[0])
    assert row["made"]["estimator"] == {"name": "mediapipe_holistic", "version": "0.10.21"}
    shown = capfd.readouterr()
    assert "XNNPACK" not in shown.err, "MediaPipe's notices are not the user's"
    files = [str(tmp_path / "in" / "30160.mp4"), str(tmp_path / "out" / "30160.pose")]
    assert main(["predict", *files, "--model", str(trained.linear), "--json"]) == 0
    shown = capfd.readouterr()
    from_video, from_poses = map(json.loads, shown.out.splitlines())
    assert from_video["guesses"] == from_poses["guesses"]
    assert "XNNPACK" not in shown.err
