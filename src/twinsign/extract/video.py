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
from twinsign.extract.extras import version_of
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read import VIDEO_ENDINGS

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

Image = NDArray[np.uint8]
"""One frame: (H W 3), red, green, blue."""
MAX_SIDE = 1920
"""Frames with a longer side, in pixels, are scaled down before estimation."""
_WANTED = f"a whole video file ({', '.join(VIDEO_ENDINGS)})"
# By content, a file of any name may be a playlist that names other files or hosts: only these containers are opened.
_OPTIONS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi", "protocol_whitelist": "file"}
_TS_PACKETS = {188: 0, 192: 4, 204: 0}
"""Lengths of an MPEG transport stream's packets, and where in each the byte 0x47 stands."""
_CONTAINERS = {
    b"FLV": "Flash video",
    b"OggS": "Ogg",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "Windows Media (ASF)",
    b"\x00\x00\x01\xba": "an MPEG program stream",
    b"\x00\x00\x01\xb3": "a bare MPEG video stream",
    b"\x00\x00\x00\x01": "a bare H.264 or H.265 stream",
    b".RMF": "RealMedia",
    b"GIF8": "a GIF",
    b"YUV4MPEG2": "YUV4MPEG",
}
"""First bytes of containers that are not opened, and their names."""
_NO_VIDEOS = {
    **dict.fromkeys((b"#extm3u", b"ffconcat"), "a playlist"),
    **dict.fromkeys((b"<!doctype", b"<html"), "a web page"),
    b"<?xml": "XML",
    b"{": "JSON",
    b"pk\x03\x04": "a zip archive",
    b"rar!": "a RAR archive",
    b"\x1f\x8b": "a gzip archive",
    b"version https://git-lfs": "a Git LFS pointer instead of the file",
}
"""First bytes, in lower case, of what is no video at all."""


def is_video(path: str | PathLike[str]) -> bool:
    """Whether the name ends as a video's does."""
    return Path(path).suffix.lower() in VIDEO_ENDINGS


class Video:
    """An opened video; `size` (width, height) as shown, in pixels, is known at once, the rest after `frames`."""

    def __init__(self, clip: ClipFile, container: InputContainer, max_side: int) -> None:
        streams = container.streams.video
        if not streams:
            raise clip.error("only an audio stream" if container.streams.audio else "no video stream", _WANTED)
        self.clip, self.times, self.notes = clip, list[float | None](), list[str]()
        if len(streams) > 1:
            self.notes.append(f"{len(streams)} video streams: the first is taken")
        self._container, self._stream, self._damaged = container, streams[0], 0
        self._check_header()
        decoded = self._decode()
        first = next(decoded, None)
        if first is None:
            raise clip.error("0 frames", "at least 1 frame")
        self._frames = chain([first], decoded)
        aspect, width = float(self._stream.sample_aspect_ratio or 1), first.width
        if abs(aspect - 1) >= 0.01:  # pixels that differ by less count as square
            width = max(1, round(width * aspect))
        scale = min(1.0, max_side / max(width, first.height))
        self._scaled = max(1, round(scale * width)), max(1, round(scale * first.height))
        self._orientation = _orientation(first)
        self.size = (first.height, width) if self._orientation[0] else (width, first.height)

    def _check_header(self) -> None:
        """TooLargeError where the file states more than its bounds; what it does not state is checked as it is read."""
        clip, bounds, context = self.clip, self.clip.bounds, self._stream.codec_context
        if context is None:
            raise clip.error("frames that no decoder here knows", _WANTED)
        clip.at_most(context.width * context.height, bounds.pixels, f"pixels ({context.width} x {context.height})")
        clip.at_most(self._stream.frames, bounds.frames, "frames")
        context.options = context.options | _decoder_bound(bounds.pixels)  # a stream may change its size on the way
        clip.at_most(self._stated_end() or 0, bounds.seconds, "seconds")

    def frames(self) -> Iterator[Image]:
        """Every frame once, upright, its longer side at most `max_side`; InputError where the file is damaged."""
        clip, (width, height), (transposed, down, right) = self.clip, self._scaled, self._orientation
        for frame in self._frames:
            self.times.append(frame.time)
            clip.at_most(len(self.times), clip.bounds.frames, "frames")
            if frame.time is not None:
                clip.at_most(frame.time - (self.times[0] or 0), clip.bounds.seconds, "seconds")
            clip.at_most(frame.width * frame.height, clip.bounds.pixels, "pixels")
            self._damaged += bool(frame.is_corrupt)
            with clip.decoding(_WANTED):
                # PyAV heeds the file's colour matrix (BT.601, BT.709); OpenCV takes BT.601 for all.
                image = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
            upright = np.asarray(image, np.uint8).transpose((1, 0, 2) if transposed else (0, 1, 2))
            yield np.ascontiguousarray(upright[::down, ::right])
        self._check_end()

    def _decode(self) -> Iterator[VideoFrame]:
        try:
            yield from self._container.decode(self._stream)
        except Exception as error:  # FFmpeg's own errors have many bases
            problem = f"a damaged or truncated file after {len(self.times)} frames ({type(error).__name__})"
            most = self.clip.bounds.pixels
            hint = f"Frames of more than {most:,.0f} pixels are not decoded." if math.isfinite(most) else ""
            raise self.clip.error(problem, _WANTED, frame=len(self.times), hint=hint) from error

    @property
    def fps(self) -> float | None:
        """Frames a second: as stated if the frames' mean rate agrees within 1 %, else that mean; None if unknown."""
        stated = float(self._stream.average_rate or 0) or None
        gaps = self._gaps()
        if not len(gaps):
            return stated or self.clip.fps
        measured = len(gaps) / float(gaps.sum())
        return stated if stated and abs(measured / stated - 1) < 0.01 else measured

    def _gaps(self) -> NDArray[np.float64]:
        """Seconds between frames (T - 1); none where a time is missing or they do not rise."""
        gaps = np.diff(np.asarray(self.times, np.float64))  # None becomes NaN
        return gaps if len(gaps) and np.isfinite(gaps).all() and (gaps > 0).all() else gaps[:0]

    def _stated_end(self) -> float | None:
        """When the last frame ends according to the file, in seconds; None where it does not say.

        An AVI cut short still states how many frames it had; Matroska states one duration for all its streams.
        """
        container, stream = self._container, self._stream
        if container.format.name == "avi" and stream.frames and stream.average_rate:
            return float(stream.frames / stream.average_rate)
        if stream.duration is not None and stream.time_base is not None:
            return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        if container.duration is not None and not container.streams.audio:
            return container.duration / 1e6
        return None

    def _check_end(self) -> None:
        """InputError where a tenth of the stated length and two frames are missing; else notes on what is unusual."""
        end, gaps, last, fps = self._stated_end(), self._gaps(), self.times[-1], self.fps
        step = float(np.median(gaps)) if len(gaps) else 1 / (fps or 1)
        if end is not None and last is not None and end - (last + step) > max(0.1 * end, 2 * step):
            problem = f"frames up to {last + step:.2f} s of {end:.2f} s: a truncated file"
            raise self.clip.error(problem, _WANTED, frame=len(self.times))
        if len(gaps) and gaps.max() > 1.5 * gaps.min():
            low, high = 1000 * gaps.min(), 1000 * gaps.max()
            self.notes.append(f"variable frame rate: {low:.0f} to {high:.0f} ms between frames")
        if self._damaged:
            self.notes.append(f"{self._damaged} of {len(self.times)} frames were stored damaged")
        if fps is None:
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

    source = str(clip.path) if clip.content is None else io.BytesIO(clip.content)
    try:
        with clip.decoding(_WANTED):
            options = _decoder_bound(clip.bounds.pixels)
            container = av.open(source, "r", options=options, container_options=_OPTIONS)
    except InputError as error:
        raise _explain(clip, error) from error
    with container:
        yield Video(clip, container, max_side)


def _explain(clip: ClipFile, error: InputError) -> InputError:
    """The error of a file that could not be opened, with what the file is by its first bytes, if these tell."""
    try:
        with clip.path.open("rb") if clip.content is None else io.BytesIO(clip.content) as stream:
            start = stream.read(1536)
    except OSError:
        return error
    if not start.strip(b"\0"):
        return clip.error("a file of zeros: a copy that never ended" if start else "an empty file", _WANTED)
    ending, hint = clip.path.suffix, ""
    is_ts = any(start[at::length] == b"\x47" * len(start[at::length]) for length, at in _TS_PACKETS.items())
    kind = "MPEG-TS" if is_ts and len(start) > 2 * max(_TS_PACKETS) else None
    kind = kind or next((name for head, name in _CONTAINERS.items() if start.startswith(head)), None)
    if kind:
        hint = f"Remux it without loss: ffmpeg -i {clip.path.name} -c copy {clip.path.stem}.remuxed.mp4"
    kind = kind or next((name for head, name in _NO_VIDEOS.items() if start.lstrip().lower().startswith(head)), None)
    if kind:
        return clip.error(f"{kind} under a name that ends in {ending}", _WANTED, hint=hint)
    if start[4:8] in (b"ftyp", b"moov", b"mdat"):
        return clip.error(f"a damaged or truncated {ending} file ({error.found})", _WANTED, hint="Copy it again.")
    return error


def _decoder_bound(pixels: float) -> dict[str, str]:
    """FFmpeg's option for a bound on a frame's pixels, among which its decoders count padding; empty if unbounded."""
    return {"max_pixels": str(int(2 * pixels) + 2**16)} if math.isfinite(pixels) else {}


def _orientation(frame: VideoFrame) -> tuple[bool, int, int]:
    """How a stored frame becomes upright by the quarter turn nearest to the one stated, mirrored if it says so.

    Whether its sides are exchanged, then the steps (1 or -1) down its rows and right along its columns.
    """
    stated: Any = frame.side_data.get("DISPLAYMATRIX")
    matrix = np.eye(3, dtype=np.int32).ravel() if stated is None else np.frombuffer(bytes(stated), np.int32)
    a, b, _, c, d = matrix[:5].tolist()
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    x, y = (c, b) if transposed else (a, d)
    return transposed, -1 if y < 0 else 1, -1 if x < 0 else 1
