"""Videos of a red and a blue dot, made by PyAV, and an estimator that finds them: for all that needs no MediaPipe."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

from twinsign.extract.config import EstimatorConfig
from twinsign.extract.estimator import Loader
from twinsign.extract.video import Image

RED, BLUE = (0.25, 0.2), (0.7, 0.6)
"""Where the dots are, x / width and y / height, in the upright picture."""
Place = tuple[float, float] | None
CODECS = {".webm": "libvpx", ".avi": "mpeg4"}
FINGERS = ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
HAND = ["WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP"]
HAND += [f"{finger}_{level}" for finger in FINGERS for level in ("MCP", "PIP", "DIP", "TIP")]


def picture(size: tuple[int, int], red: Place = RED, blue: Place = BLUE) -> Image:
    """(H W 3): a grey picture with dots a tenth of its shorter side wide."""
    width, height = size
    image = np.full((height, width, 3), 90, np.uint8)
    y, x = np.mgrid[:height, :width]
    for place, colour in ((red, (250, 10, 10)), (blue, (10, 10, 250))):
        if place is not None:
            far = np.hypot(x + 0.5 - place[0] * width, y + 0.5 - place[1] * height)
            image[far < min(size) / 10] = colour
    return image


def make_video(
    path: Path,
    frames: int | Sequence[Image] = 12,
    *,
    size: tuple[int, int] = (96, 64),
    rate: int = 25,
    times: Sequence[int] | None = None,
    rotation: tuple[Any, ...] = (),
    aspect: Fraction | None = None,
    sound: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a video; `times` in milliseconds, `rotation` as PyAV's set_display_rotation takes it."""
    images = [picture(size)] * frames if isinstance(frames, int) else list(frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as out:
        stream = out.add_stream(CODECS.get(path.suffix, "libx264"), rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if rotation:
            stream.set_display_rotation(*rotation)
        if aspect:
            stream.sample_aspect_ratio = aspect
        voice = out.add_stream("aac", rate=8000) if sound else None
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = (number, Fraction(1, rate)) if times is None else (times[number], MILLISECOND)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if voice is not None:
            out.mux(voice.encode(silence()))
            out.mux(voice.encode())
    return path


MILLISECOND = Fraction(1, 1000)


def film(folder: Path, name: str = "11767") -> Path:
    """A real video of a sign where $TWINSIGN_DATA has it, else a made one, in which nobody is."""
    real = Path(os.environ.get("TWINSIGN_DATA", "nowhere")) / "videos" / "wlasl" / f"{name}.mp4"
    return real if real.is_file() else make_video(folder / "made.mp4", 20, size=(320, 240))


def y4m(film: Path, to: Path, width: int = 640, rest: int = 20) -> Path:
    """A video as plain pictures, which a browser takes for a camera's; the last one stays for `rest` frames."""
    with av.open(str(film)) as source, av.open(str(to), "w", format="yuv4mpegpipe") as out:
        rate = source.streams.video[0].average_rate
        images = [frame.to_image() for frame in source.decode(video=0)]
        high = round(width * images[0].height / images[0].width / 2) * 2
        stream = out.add_stream("wrapped_avframe", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, high, "yuv420p"
        for number, image in enumerate([*images, *[images[-1]] * rest]):
            frame = av.VideoFrame.from_image(image.resize((width, high))).reformat(format="yuv420p")
            frame.pts, frame.time_base = number, 1 / Fraction(rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return to


def silence() -> av.AudioFrame:
    """An eighth of a second of it."""
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 8000, 0
    return frame


def make_sound(path: Path) -> Path:
    """A file of a video's ending that holds sound alone."""
    with av.open(str(path), "w") as out:
        voice = out.add_stream("aac", rate=8000)
        out.mux(voice.encode(silence()))
        out.mux(voice.encode())
    return path


def centre(image: Image, channel: int) -> tuple[float, float] | None:
    """Where the dot of this channel (0 red, 2 blue) is, as fractions of the picture; None where there is none."""
    values = image.astype(np.int64)
    height, width = image.shape[:2]
    y, x = np.nonzero(values[..., channel] - values[..., 2 - channel] > 120)
    return (float(x.mean() + 0.5) / width, float(y.mean() + 0.5) / height) if len(x) else None


class DotFinder:
    """The red dot is the nose, the blue one the left hand, all points of it: what stands in for Holistic."""

    name, version = "dot_finder", "1"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def estimate(self, frames: Iterable[Image], size: tuple[int, int]) -> Pose:
        """Points in pixels of `size`."""
        found = [self._points(frame) for frame in frames]
        points: NDArray[np.float32] = np.asarray(found, np.float32)[:, None]
        components = [
            PoseHeaderComponent("POSE_LANDMARKS", ["NOSE"], [], [(1, 2, 3)], "XYC"),
            PoseHeaderComponent("LEFT_HAND_LANDMARKS", HAND, [(0, 1)], [(1, 2, 3)], "XYC"),
        ]
        header = PoseHeader(0.2, PoseHeaderDimensions(*size, 0), components)
        return Pose(header, NumPyPoseBody(0, points[..., :2] * np.float32(size), points[..., 2]))

    def _points(self, frame: Image) -> list[tuple[float, float, float]]:
        self.shapes.append(frame.shape)
        nose, hand = centre(frame, 0), centre(frame, 2)
        return [(*nose, 1) if nose else (0, 0, 0), *[(*hand, 1) if hand else (0, 0, 0)] * len(HAND)]


class Mortal(DotFinder):
    """One that ends its process on a picture without a red dot."""

    def _points(self, frame: Image) -> list[tuple[float, float, float]]:
        if centre(frame, 0) is None:
            os._exit(7)
        return super()._points(frame)


def dot_identity(_config: EstimatorConfig) -> dict[str, str]:
    """Its name and version."""
    return {"name": DotFinder.name, "version": DotFinder.version}


def newer_identity(_config: EstimatorConfig) -> dict[str, str]:
    """That of a later version."""
    return {"name": DotFinder.name, "version": "2"}


def load_dots(_config: EstimatorConfig) -> DotFinder:
    """The estimator, in whatever process."""
    return DotFinder()


def load_mortal(_config: EstimatorConfig) -> DotFinder:
    """The one that dies."""
    return Mortal()


DOTS = Loader(dot_identity, load_dots)
NEWER_DOTS = Loader(newer_identity, load_dots)
MORTAL = Loader(dot_identity, load_mortal)
