"""Decoding: every frame once, upright, at its time; whatever else is not a whole video is refused by name."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers import oversized_files
from helpers.videos import BLUE, RED, centre, make_sound, make_video, picture
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError, TooLargeError
from twinsign.extract.video import Image, Video, is_video, open_video
from twinsign.pose.bounds import Bounds
from twinsign.pose.clip_file import ClipFile

PLACE = 0.02
"""How far a dot may move by compression and chroma's half resolution, in image fractions."""

DEFAULT_DURATION, UNKNOWN_ELEMENT = b"\x23\xe3\x83", b"\x23\xe3\x8f"
"""Matroska's ids of a track's nanoseconds a frame, and of nothing."""


def decode(path: Path, max_side: int = 1920, fps: float | None = None) -> tuple[Video, list[Image]]:
    with open_video(ClipFile(path, fps=fps), max_side) as video:
        return video, list(video.frames())


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        decode(path)
    assert str(caught.value.file) == str(path)
    return caught.value


@pytest.mark.parametrize("ending", ["mp4", "mov", "webm", "mkv", "avi", "m4v", "3gp", "MP4"])
def test_every_frame_once_in_order(tmp_path: Path, ending: str) -> None:
    steps = [picture((96, 64), red=(0.1 + 0.05 * step, 0.3)) for step in range(15)]
    if ending == "MP4":
        path = make_video(tmp_path / "a.mp4", steps).rename(tmp_path / "a.MP4")
    else:
        path = make_video(tmp_path / f"a.{ending}", steps)
    video, frames = decode(path)
    assert (video.size, video.notes) == ((96, 64), [])
    assert video.fps == pytest.approx(25, rel=1e-3)
    assert [frame.shape for frame in frames] == [(64, 96, 3)] * 15
    for step, frame in enumerate(frames):
        assert centre(frame, 0) == pytest.approx((0.1 + 0.05 * step, 0.3), abs=PLACE)
        assert centre(frame, 2) == pytest.approx(BLUE, abs=PLACE)


@pytest.mark.parametrize("degrees", [0, 90, -90, 180])
@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True)])
def test_a_turned_phone_shows_what_players_show(tmp_path: Path, degrees: int, flips: tuple[bool, bool]) -> None:
    path = make_video(tmp_path / "a.mp4", 2, rotation=(degrees, *flips))
    video, frames = decode(path)
    turned = degrees in (90, -90)
    assert video.size == ((64, 96) if turned else (96, 64))
    assert frames[0].shape == ((96, 64, 3) if turned else (64, 96, 3))
    assert frames[0].flags.c_contiguous
    # What the options of the writer mean: counter-clockwise by the angle, then the flips.
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    shown = np.rot90(stored, degrees // 90)
    shown = shown[:, ::-1] if flips[0] else shown
    np.testing.assert_array_equal(frames[0], shown[::-1] if flips[1] else shown)


def test_a_portrait_video_needs_no_turn(tmp_path: Path) -> None:
    video, frames = decode(make_video(tmp_path / "a.mp4", 2, size=(64, 96)))
    assert video.size == (64, 96)
    assert centre(frames[0], 0) == pytest.approx(RED, abs=PLACE)


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    video, frames = decode(make_video(tmp_path / "a.mp4", 2, aspect=Fraction(16, 11)))
    assert video.size == (round(96 * 16 / 11), 64)
    assert frames[0].shape == (64, video.size[0], 3)
    assert centre(frames[0], 0) == pytest.approx(RED, abs=PLACE)
    video, _ = decode(make_video(tmp_path / "b.mp4", 2, aspect=Fraction(370, 369)))
    assert video.size == (96, 64)


@pytest.mark.parametrize(("size", "shape"), [((2880, 1620), (270, 480, 3)), ((1000, 2000), (480, 240, 3))])
def test_huge_frames_are_scaled_down_and_keep_their_size(
    tmp_path: Path, size: tuple[int, int], shape: tuple[int, int, int]
) -> None:
    video, frames = decode(make_video(tmp_path / "a.mp4", 2, size=size), max_side=480)
    assert video.size == size
    assert [frame.shape for frame in frames] == [shape] * 2
    assert centre(frames[1], 0) == pytest.approx(RED, abs=PLACE)


def test_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 240, 400, 440, 480]
    path = make_video(tmp_path / "a.mkv", len(times), times=times)
    video, frames = decode(path)
    assert len(frames) == len(times)
    np.testing.assert_allclose(video.times, np.asarray(times) / 1000, atol=2e-3)
    assert video.fps == pytest.approx(7 / 0.48, rel=0.02)
    assert video.notes == ["variable frame rate: 40 to 160 ms between frames"]


def test_one_frame(tmp_path: Path) -> None:
    video, frames = decode(make_video(tmp_path / "a.mp4", 1))
    assert len(frames) == 1
    assert video.notes == []


@pytest.mark.parametrize("given", [None, 20.0])
def test_zero_frames_a_second(tmp_path: Path, given: float | None) -> None:
    path = make_video(tmp_path / "a.mkv", 1)
    content = path.read_bytes()
    assert content.count(DEFAULT_DURATION) == 1
    path.write_bytes(content.replace(DEFAULT_DURATION, UNKNOWN_ELEMENT))
    video, _ = decode(path, fps=given)
    assert video.fps == given
    assert video.notes == ([] if given else ["no frame rate stated"])


def test_sound_beside_and_alone(tmp_path: Path) -> None:
    video, frames = decode(make_video(tmp_path / "a.mp4", sound=True))
    assert len(frames) == 12
    assert video.notes == []
    assert "only an audio stream" in refused(make_sound(tmp_path / "b.mp4")).found


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm", "avi"])
@pytest.mark.parametrize("front", [False, True])
def test_truncated_files_are_refused(tmp_path: Path, ending: str, front: bool) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(40)]
    options = {"movflags": "faststart"} if front and ending == "mp4" else {}
    whole = make_video(tmp_path / f"whole.{ending}", noise, options=options).read_bytes()
    path = tmp_path / f"a.{ending}"
    for share in (0.8, 0.5, 0.1):
        path.write_bytes(whole[: int(share * len(whole))])
        error = refused(path)
        assert any(word in error.found for word in ("truncated", "no video stream", "decoded", "0 frames")), error.found


def test_what_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    for content in (b"", b"no video", b"\0" * 1000, picture((96, 64)).tobytes()):
        path.write_bytes(content)
        assert "video file" in refused(path).wanted
    assert "no such file" in refused(tmp_path / "absent.mp4").found
    whole = make_video(tmp_path / "b.mp4").rename(tmp_path / "b.txt")
    assert "'.txt'" in refused(whole).found
    assert not is_video(whole)
    with pytest.raises(InputError, match="max_side 0"):
        decode(make_video(tmp_path / "c.mp4"), max_side=0)


@pytest.mark.parametrize(
    "playlist",
    ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {}\n"],
)
def test_a_playlist_opens_no_other_file(tmp_path: Path, playlist: str) -> None:
    make_video(tmp_path / "secret.mp4")
    for target in ("secret.mp4", str(tmp_path / "secret.mp4"), "http://localhost:1/secret.mp4"):
        path = tmp_path / "list.mp4"
        path.write_text(playlist.format(target))
        assert refused(path).found == "a playlist under a name that ends in .mp4"


@pytest.mark.parametrize(("ending", "name"), [("ts", "MPEG-TS"), ("flv", "Flash video"), ("mpg", "an MPEG program"),
                                              ("wmv", "Windows Media")])  # fmt: skip
def test_another_container_under_a_known_name_is_named(tmp_path: Path, ending: str, name: str) -> None:
    codec = {"flv": "flv1", "wmv": "wmv2"}.get(ending, "mpeg2video")
    with av.open(str(tmp_path / f"a.{ending}"), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(40):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture((96, 64)), format="rgb24")))
        out.mux(stream.encode())
    error = refused((tmp_path / f"a.{ending}").rename(tmp_path / "a.mp4"))
    assert error.found.startswith(name)
    assert "ffmpeg -i a.mp4 -c copy a.remuxed.mp4" in error.hint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><title>404", "a web page"),
        (b"PK\x03\x04abc", "a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (bytes(4000), "a file of zeros"),
        (b"\0\0\0\x20ftypisom" + b"\1" * 60, "a damaged or truncated .mp4 file"),
    ],
)
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    assert refused(tmp_path / "a.mp4").found.startswith(words)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("whole") / "a.mp4", 8)


@given(data=st.data())
def test_damaged_files_raise_only_input_errors(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.mp4"
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        video, frames = decode(path, max_side=128)
        assert len(frames) == len(video.times) > 0
        assert all(frame.shape == frames[0].shape for frame in frames)


def test_real_videos(data_dir: Path) -> None:
    paths = sorted((data_dir / "videos").rglob("*.mp4"))
    assert len(paths) == 20
    for path in paths:
        video, frames = decode(path, max_side=64)
        with av.open(str(path)) as container:
            assert len(frames) == sum(1 for _ in container.decode(video=0))
        assert video.notes == [], path
        assert video.fps == pytest.approx(29.97, rel=0.01) or video.fps == pytest.approx(23.98, rel=0.01)


def test_of_several_video_streams_the_first_is_taken_and_said(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        streams = [out.add_stream("libx264", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for stream in streams:
            for _ in range(3):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture((96, 64)), format="rgb24")))
            out.mux(stream.encode())
    video, frames = decode(tmp_path / "a.mkv")
    assert (len(frames), video.notes) == (3, ["2 video streams: the first is taken"])


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        (Bounds(frames=11), "12 frames"),
        (Bounds(pixels=96 * 64 - 1), r"6,144 pixels \(96 x 64\)"),
        (Bounds(seconds=0.4), r"0\.\d+ seconds"),
    ],
)
@pytest.mark.parametrize("ending", ["mp4", "webm", "avi"])
def test_more_than_its_bounds_is_refused(tmp_path: Path, ending: str, bounds: Bounds, found: str) -> None:
    content = make_video(tmp_path / f"a.{ending}", 12).read_bytes()
    clip = ClipFile(Path(f"upload.{ending}"), content=content, bounds=bounds)
    with pytest.raises(TooLargeError, match=found), open_video(clip) as video:
        list(video.frames())
    with open_video(ClipFile(Path(f"upload.{ending}"), content=content, bounds=Bounds(12, 0.6, 96 * 64))) as video:
        assert len(list(video.frames())) == 12


def test_frames_that_are_too_large_are_not_decoded(tmp_path: Path) -> None:
    path = oversized_files.large_video(tmp_path / "large.mov", 4000, "png")
    with pytest.raises(InputError, match=r"1,000,000 pixels"), open_video(ClipFile(path, bounds=Bounds(pixels=10**6))):
        pass
    assert decode(path, 64)[0].size == (4000, 4000)
