"""Decoding video with PyAV: upright RGB frames as stored, none repeated or dropped, and when each was shown."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.extract.containers import explained
from twinsign.extract.extras import version_of
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read import VIDEO_ENDINGS

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

Image = NDArray[np.uint8]
"""One frame: (H W 3), red, green, blue."""
MAX_SIDE = 1920
"""Frames with a longer side, in pixels, are scaled down before estimation."""
_WANTED = f"a whole video file ({', '.join(VIDEO_ENDINGS)})"
# By content, a file of any name may be a playlist that names other files or hosts: only these containers are opened.
_OPTIONS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi", "protocol_whitelist": "file"}
_SQUARE = 0.01
"""Pixels whose sides differ by less count as square."""
_AGREE = 0.01
"""The stated frame rate holds where it differs from the measured one by less."""
_VARIES = 1.5
"""The longest gap between frames over the shortest above which the frame rate is called variable."""
_MISSING = 0.1
"""A video whose frames end this share before its stated end is truncated, if more than two frames are missing."""


def is_video(path: str | PathLike[str]) -> bool:
    """Whether the name ends as a video's does."""
    return Path(path).suffix.lower() in VIDEO_ENDINGS


class Video:
    """An opened video; `size` (width, height) as shown, in pixels, is known at once, the rest after `frames`."""

    def __init__(self, clip: ClipFile, container: InputContainer, max_side: int) -> None:
        if not container.streams.video:
            found = "sound alone" if container.streams.audio else "no video stream"
            raise clip.error(found, _WANTED)
        self.clip, self.times, self.notes = clip, list[float | None](), list[str]()
        self._container, self._stream = container, container.streams.video[0]
        if len(container.streams.video) > 1:
            self.notes.append(f"{len(container.streams.video)} video streams: the first is taken")
        self._damaged = 0
        self._check_header()
        decoded = self._decoded()
        first = next(decoded, None)
        if first is None:
            raise clip.error("0 frames", "at least 1 frame")
        self._frames = chain([first], decoded)
        self._matrix = _display_matrix(first)
        self._stored = _shown_size(first, self._stream)
        scale = min(1.0, max_side / max(self._stored))
        self._scaled = max(1, round(scale * self._stored[0])), max(1, round(scale * self._stored[1]))
        turned = _transposes(self._matrix)
        self.size = self._stored[::-1] if turned else self._stored

    def _check_header(self) -> None:
        """TooLargeError where the file states more than its bounds; what it does not state is counted on the way."""
        clip, bounds, context = self.clip, self.clip.bounds, self._stream.codec_context
        if context is None:
            raise clip.error("frames that no decoder here knows", _WANTED)
        clip.at_most(context.width * context.height, bounds.pixels, f"pixels ({context.width} x {context.height})")
        clip.at_most(self._stream.frames, bounds.frames, "frames")
        if math.isfinite(bounds.pixels):  # a stream may change its size on the way
            context.options = _decoder_bound(bounds.pixels)
        if math.isfinite(bounds.seconds):
            clip.at_most(_stated_end(self._container, self._stream) or 0, bounds.seconds, "seconds")

    def _check_length(self, time: float | None) -> None:
        self.clip.at_most(len(self.times), self.clip.bounds.frames, "frames")
        if time is not None:
            self.clip.at_most(time - (self.times[0] or 0), self.clip.bounds.seconds, "seconds")

    def frames(self) -> Iterator[Image]:
        """Every frame once, upright, its longer side at most `max_side`; InputError where the file is damaged."""
        width, height = self._scaled
        for frame in self._frames:
            self.times.append(frame.time)
            self._check_length(frame.time)
            self.clip.at_most(frame.width * frame.height, self.clip.bounds.pixels, "pixels")
            self._damaged += bool(frame.is_corrupt)
            with self.clip.decoding(_WANTED):
                # PyAV heeds the file's colour matrix (BT.601, BT.709); OpenCV takes BT.601 for all.
                image = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
            yield _upright(np.asarray(image, np.uint8), self._matrix)
        self._check_end()
        self._note()

    def _decoded(self) -> Iterator[VideoFrame]:
        frames = self._container.decode(self._stream)
        while True:
            try:
                frame = next(frames)
            except StopIteration:
                return
            except Exception as error:  # FFmpeg's own errors have many bases
                found = f"a damaged or truncated file after {len(self.times)} frames ({type(error).__name__})"
                most = self.clip.bounds.pixels
                hint = f"Frames of more than {most:,.0f} pixels are not decoded." if math.isfinite(most) else ""
                raise self.clip.error(found, _WANTED, frame=len(self.times), hint=hint) from error
            yield frame

    @property
    def fps(self) -> float | None:
        """Frames a second: as the file states where its frames bear that out, else their mean rate; None if unknown."""
        stated = float(self._stream.average_rate or 0) or None
        gaps = self._gaps()
        if not len(gaps):
            return stated or self.clip.fps
        measured = len(gaps) / float(gaps.sum())
        return stated if stated and abs(measured / stated - 1) < _AGREE else measured

    def _gaps(self) -> NDArray[np.float64]:
        """Seconds between frames (T - 1); none where a time is missing or they do not rise."""
        times = np.asarray([np.nan if time is None else time for time in self.times], np.float64)
        gaps = np.diff(times)
        return gaps if len(gaps) and np.isfinite(gaps).all() and (gaps > 0).all() else gaps[:0]

    def _check_end(self) -> None:
        end, gaps, last = _stated_end(self._container, self._stream), self._gaps(), self.times[-1]
        step = float(np.median(gaps)) if len(gaps) else 1 / (self.fps or 1)
        if end is None or last is None:
            return
        if end - (last + step) > max(_MISSING * end, 2 * step):
            found = f"frames up to {last + step:.2f} s of {end:.2f} s: a truncated file"
            raise self.clip.error(found, _WANTED, frame=len(self.times))

    def _note(self) -> None:
        gaps = self._gaps()
        if len(gaps) and gaps.max() > _VARIES * gaps.min():
            low, high = 1000 * gaps.min(), 1000 * gaps.max()
            self.notes.append(f"variable frame rate: {low:.0f} to {high:.0f} ms between frames")
        if self._damaged:
            self.notes.append(f"{self._damaged} of {len(self.times)} frames were stored damaged")
        if self.fps is None:
            self.notes.append("no frame rate stated")


@contextmanager
def open_video(clip: ClipFile, max_side: int = MAX_SIDE) -> Iterator[Video]:
    """Open a video file for one reading, by PyAV alone and from the disk alone; InputError where it is none."""
    version_of("av", "video")
    if not is_video(clip.path):
        raise clip.error(f"a file that ends in {clip.path.suffix or 'nothing'!r}", _WANTED)
    if max_side < 1:
        raise InputError(f"max_side {max_side}", "at least 1 pixel")
    import av

    options = _decoder_bound(clip.bounds.pixels) if math.isfinite(clip.bounds.pixels) else {}
    source = str(clip.path) if clip.content is None else io.BytesIO(clip.content)
    try:
        with clip.decoding(_WANTED):
            container = av.open(source, "r", options=options, container_options=_OPTIONS)
    except InputError as error:
        raise explained(clip, error, _WANTED) from error
    with container:
        yield Video(clip, container, max_side)


def _decoder_bound(pixels: float) -> dict[str, str]:
    """An option of FFmpeg, whose decoders count the padding around a frame too."""
    return {"max_pixels": str(int(2 * pixels) + 2**16)}


def _stated_end(container: InputContainer, stream: VideoStream) -> float | None:
    """When the last frame ends by the file's own word, in seconds; None where it says nothing.

    An AVI cut short still states how many frames it had; Matroska states one duration for all its streams.
    """
    if container.format.name == "avi" and stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    if stream.duration is not None and stream.time_base is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if container.duration is not None and not container.streams.audio:
        return container.duration / 1e6
    return None


def _shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(width, height) with square pixels, before any rotation."""
    aspect = float(stream.sample_aspect_ratio or 1)
    width = frame.width if abs(aspect - 1) < _SQUARE else max(1, round(frame.width * aspect))
    return width, frame.height


def _display_matrix(frame: VideoFrame) -> NDArray[np.int64]:
    """(2 2): where x and y of the stored frame go, as phones state it; the identity where nothing is stated."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return np.eye(2, dtype=np.int64)
    a, b, _u, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(np.int64)
    return np.array([[a, b], [c, d]])


def _transposes(matrix: NDArray[np.int64]) -> bool:
    return bool(abs(matrix[0, 1]) + abs(matrix[1, 0]) > abs(matrix[0, 0]) + abs(matrix[1, 1]))


def _upright(image: Image, matrix: NDArray[np.int64]) -> Image:
    """The image as players show it: turned by the quarter turn nearest to the matrix's, and mirrored if it says so."""
    if _transposes(matrix):
        image, x, y = image.transpose(1, 0, 2), matrix[1, 0], matrix[0, 1]
    else:
        x, y = matrix[0, 0], matrix[1, 1]
    return np.ascontiguousarray(image[:: -1 if y < 0 else 1, :: -1 if x < 0 else 1])
