"""Frames one by one through MediaPipe: the poses of `extract`; threads; pictures of all kinds (extra `video`)."""

from __future__ import annotations

import gc
import io
import os
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.videos import film, picture
from PIL import Image as Pictures

from twinsign.errors import InputError
from twinsign.extract.camera import open_camera
from twinsign.extract.clip import extract
from twinsign.extract.holistic import MAX_JPEG_SIDE, HolisticEstimator, LiveHolistic, decode_jpeg, quiet
from twinsign.extract.video import Image, open_video
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import HANDS
from twinsign.pose.recording import FloatArray

FILES, TASKS = Path("/proc/self/fd"), Path("/proc/self/task")


def jpeg(image: Image, **how: int | bool) -> bytes:
    file = io.BytesIO()
    Pictures.fromarray(image).save(file, "JPEG", **how)
    return file.getvalue()


def test_a_picture_is_decoded_and_anything_else_refused() -> None:
    image = picture((96, 64))
    for how in ({"quality": 95}, {"progressive": True}, {"quality": 60, "optimize": True}):
        found = decode_jpeg(jpeg(image, **how))
        assert found.shape == (64, 96, 3)
        assert np.abs(found.astype(int) - image).mean() < 6
    grey = io.BytesIO()
    Pictures.fromarray(image).convert("L").save(grey, "JPEG")
    assert decode_jpeg(grey.getvalue()).shape == (64, 96, 3)
    png = io.BytesIO()
    Pictures.fromarray(image).save(png, "PNG")
    whole = jpeg(image)
    broken = [b"", b"\xff", whole[:40], whole[: len(whole) // 2], png.getvalue(), os.urandom(2000), b"\xff\xd8" * 500]
    broken += [jpeg(np.zeros((8, MAX_JPEG_SIDE + 1, 3), np.uint8))]
    for content in broken:
        with pytest.raises(InputError, match="JPEG"):
            decode_jpeg(content)


def test_a_picture_of_thousands_of_scans_is_refused_before_it_is_decoded() -> None:
    whole = jpeg(np.zeros((MAX_JPEG_SIDE, MAX_JPEG_SIDE, 3), np.uint8), progressive=True)
    last = whole.rindex(b"\xff\xda")
    many = whole[:last] + whole[last:-2] * 5000 + whole[-2:]
    begun = time.monotonic()
    with pytest.raises(InputError, match="scans"):
        decode_jpeg(many)
    assert time.monotonic() - begun < 0.5
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for quality in (5, 60, 100):
        assert decode_jpeg(jpeg(noise, progressive=True, quality=quality)).shape == (480, 640, 3)


def test_standard_error_comes_back_after_many_threads_were_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    before = len(list(FILES.iterdir())) if sys.platform == "linux" else 0
    start = threading.Barrier(8)

    def work() -> None:
        start.wait(60)
        for _ in range(50):
            with quiet():
                os.write(2, b"a notice\n")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
    with pytest.raises(UserWarning, match="still an error"):
        warnings.warn("still an error", UserWarning, stacklevel=1)
    if before:
        assert len(list(FILES.iterdir())) == before


def test_standard_error_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with quiet(), quiet():
            os.write(2, b"a notice\n")
            raise InputError("nothing", "something")

    with pytest.raises(InputError):
        fail()
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


@pytest.fixture(scope="module")
def mediapipe() -> None:
    pytest.importorskip("mediapipe", reason="needs the extra `video`: run `make video`")


def frames_of(path: Path) -> list[Image]:
    with open_video(ClipFile(path)) as video:
        return list(video.frames())


def estimated(frames: list[Image]) -> tuple[FloatArray, FloatArray]:
    live = LiveHolistic()
    found = [live.estimate(frame) for frame in frames]
    live.close()
    return np.stack([xy for xy, _ in found]), np.stack([score for _, score in found])


@pytest.mark.slow
@pytest.mark.usefixtures("mediapipe")
def test_frames_one_by_one_are_the_poses_of_the_video(tmp_path: Path) -> None:
    path = film(tmp_path, "30160")
    wanted = extract(path, HolisticEstimator()).recording.fractions()
    xy, score = estimated(frames_of(path))
    np.testing.assert_array_equal(score > 0, wanted.seen)
    np.testing.assert_allclose(score, wanted.score, atol=1e-6)
    np.testing.assert_allclose(xy, wanted.xy, atol=1e-6)
    assert wanted.seen[:, HANDS].any() or path.name == "made.mp4"


@pytest.mark.slow
@pytest.mark.usefixtures("mediapipe")
def test_two_cameras_at_once_see_what_each_sees_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    frames = frames_of(film(tmp_path, "30160"))[:30]
    mirrored = [np.ascontiguousarray(frame[:, ::-1]) for frame in frames]
    alone = [estimated(frames), estimated(mirrored)]
    found: dict[int, tuple[FloatArray, FloatArray]] = {}

    def work(number: int, mine: list[Image]) -> None:
        found[number] = estimated(mine)

    threads = [threading.Thread(target=work, args=both) for both in enumerate([frames, mirrored])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for number, (xy, score) in enumerate(alone):
        np.testing.assert_array_equal(found[number][1], score)
        np.testing.assert_array_equal(found[number][0], xy)
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n", "and none of MediaPipe's notices"


@pytest.mark.slow
@pytest.mark.usefixtures("mediapipe")
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_closed_camera_lets_threads_files_and_memory_go(tmp_path: Path) -> None:
    frames = frames_of(film(tmp_path, "30160"))[:3]

    def held() -> tuple[int, int, int]:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return len(list(TASKS.iterdir())), len(list(FILES.iterdir())), pages * os.sysconf("SC_PAGE_SIZE")

    for _ in range(3):
        estimated(frames)
    threads, files, memory = held()
    for _ in range(8):
        estimated(frames)
    again = held()
    assert again[0] <= threads
    assert again[1] <= files
    assert again[2] - memory < 250 * 2**20, "the models of eight cameras that were kept would be 500 MB or more"


@pytest.mark.slow
@pytest.mark.usefixtures("mediapipe")
def test_pictures_of_any_size_one_after_another() -> None:
    live = LiveHolistic()
    for size in (
        (1, 1),
        (1, MAX_JPEG_SIDE),
        (MAX_JPEG_SIDE, 1),
        (3, 2),
        (640, 480),
        (480, 640),
        (MAX_JPEG_SIDE, MAX_JPEG_SIDE),
        (17, 1000),
    ):
        xy, score = live.estimate(np.zeros((size[1], size[0], 3), np.uint8))
        assert xy.shape == (49, 2)
        assert np.isfinite(xy).all()
        assert ((score >= 0) & (score <= 1)).all()
    live.close()


@pytest.mark.slow
@pytest.mark.usefixtures("mediapipe")
def test_a_video_may_stand_in_for_the_camera(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = film(tmp_path, "30160")
    live = LiveHolistic()
    with open_camera(str(path)) as camera:
        found = [(time, *live.estimate(image)) for time, image in camera]
    live.close()
    assert [time for time, *_ in found] == sorted({time for time, *_ in found})
    assert len(found) == len(frames_of(path))
    assert capfd.readouterr().err == ""
