"""One video to poses: what is written reads back as what was estimated; videos and pose files through one reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.videos import BLUE, DOTS, RED, DotFinder, make_video, picture

from twinsign.errors import InputError
from twinsign.extract import clip as clip_module
from twinsign.extract.clip import Reader, extract, write
from twinsign.extract.config import HOLISTIC, EstimatorConfig
from twinsign.extract.estimator import load_estimator
from twinsign.pose.layout import INDEX, LEFT_HAND, RIGHT_HAND
from twinsign.pose.read import read
from twinsign.pose.recording import Recording

PLACE = 0.02


def same(one: Recording, other: Recording) -> None:
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_array_equal(one.score, other.score)
    assert (one.size, one.unit) == (other.size, other.unit)
    assert one.fps == pytest.approx(other.fps, rel=1e-6)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "turned.phone.mp4", rotation=(90,))


@pytest.mark.parametrize("form", ["pose", "npz"])
def test_what_is_written_reads_back(video: Path, tmp_path: Path, form: clip_module.Format) -> None:
    found = extract(video, DotFinder())
    write(found, tmp_path / f"a.{form}", form)
    again = read(tmp_path / f"a.{form}")
    same(again, found.recording)
    assert again.size == (64, 96)
    assert found.recording.estimator == "dot_finder 1"
    assert found.recording.source == str(video)
    assert found.recording.id == "turned.phone"


def test_joints_are_where_the_upright_picture_shows_them(tmp_path: Path) -> None:
    upright = picture((64, 96))
    stored = np.ascontiguousarray(np.rot90(upright, -1))
    found = extract(make_video(tmp_path / "a.mp4", [stored] * 3, rotation=(90,)), DotFinder()).recording.fractions()
    assert found.size == (64, 96)
    np.testing.assert_allclose(found.xy[:, INDEX["nose"]], [RED] * 3, atol=PLACE)
    np.testing.assert_allclose(found.xy[:, LEFT_HAND], np.broadcast_to(BLUE, (3, 21, 2)), atol=PLACE)
    assert not found.seen[:, RIGHT_HAND].any()


def test_scaled_frames_give_the_same_places(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", 2, size=(640, 360))
    small = DotFinder()
    one, other = extract(path, DotFinder()).recording, extract(path, small, max_side=320).recording
    assert small.shapes == [(180, 320, 3)] * 2
    assert one.size == other.size == (640, 360)
    np.testing.assert_allclose(one.xy, other.xy, atol=2)


def test_trimming_keeps_a_span_and_says_which(tmp_path: Path) -> None:
    empty, full = picture((96, 64), blue=None), picture((96, 64))
    path = make_video(tmp_path / "a.mp4", [empty] * 20 + [full] * 10 + [empty] * 15)
    found = extract(path, DotFinder(), trim=True)
    assert (found.kept, found.video_frames) == ((15, 35), 45)
    assert len(found.recording.xy) == len(found.pose.body.data) == 20
    write(found, tmp_path / "a.pose", "pose")
    same(read(tmp_path / "a.pose"), found.recording)
    whole = extract(path, DotFinder()).recording
    np.testing.assert_array_equal(whole.xy[15:35], found.recording.xy)
    assert extract(make_video(tmp_path / "b.mp4", [empty] * 9), DotFinder(), trim=True).kept == (0, 9)


def test_an_estimator_that_loses_frames_is_refused(video: Path) -> None:
    class Short(DotFinder):
        def estimate(self, frames, size):  # type: ignore[no-untyped-def]
            return super().estimate(list(frames)[:-1], size)

    with pytest.raises(InputError, match="11 poses for 12 frames"):
        extract(video, Short())


def test_one_reader_for_videos_and_pose_files(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = list[EstimatorConfig]()

    def load(config: EstimatorConfig) -> DotFinder:
        loaded.append(config)
        return DOTS.load(config)  # type: ignore[return-value]

    monkeypatch.setattr(clip_module, "load_estimator", load)
    reader = Reader(HOLISTIC, fps=12)
    found = extract(video, DotFinder())
    write(found, tmp_path / "a.pose", "pose")
    same(reader.read(tmp_path / "a.pose"), found.recording)
    assert loaded == []
    with pytest.raises(InputError, match="no such file"):
        reader.read(tmp_path / "absent.mov")
    assert loaded == []
    for _ in range(2):
        same(reader.read(video), found.recording)
    assert loaded == [HOLISTIC]


def test_what_an_estimator_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model for rtm.*--estimator.pose_model"):
        load_estimator(EstimatorConfig("rtm"))
    with pytest.raises(InputError, match="ONNX models for holistic"):
        load_estimator(EstimatorConfig(detector=tmp_path / "yolox.onnx"))
