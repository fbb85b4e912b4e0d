"""A file that holds one clip, and what its caller knows of it; decoding that fails only with InputError."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from twinsign.errors import InputError, TooLargeError
from twinsign.files import parse_json
from twinsign.pose.bounds import NO_BOUNDS, Bounds, count_nodes, has_text, most_expanded, most_frames
from twinsign.pose.plausible import check
from twinsign.pose.recording import FloatArray, Recording, Unit

LONE_ARRAY = "arr_0"
"""The name that `numpy.savez` gives an unnamed array; `.npy` files are taken as an archive of that one."""
_WIDTH_HEIGHT_KEYS = ("size", "image_size")
_STARTS = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")
"""How .npy and .npz files begin: numpy takes all others for pickles, and advises to load them unsafely."""
_LARGEST = 8
"""Bytes of the largest number that poses are stored as."""
_ENTRY = b"PK\x01\x02"
"""How an archive's directory lists a member: as often as it has members, or oftener by chance."""
_HEIGHT_WIDTH_KEYS = ("img_shape", "ori_shape", "original_shape")


@dataclass(frozen=True)
class ClipFile:
    """Where a clip lies and what fills in whatever the file leaves open: size (width, height) in pixels, fps, id.

    `unit` is the caller's own word on the coordinates and goes before the format's. `content` are the file's bytes
    where they are in memory and no file is there; `bounds` say how much it may hold.
    """

    path: Path
    size: tuple[int, int] | None = None
    fps: float | None = None
    clip_id: str | None = None
    unit: Unit | None = None
    content: bytes | None = field(default=None, repr=False)
    bounds: Bounds = NO_BOUNDS

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def id(self) -> str:
        """The clip's id: as given, else the file's name without its ending."""
        return self.clip_id or self.path.stem

    def error(self, found: str, wanted: str, *, frame: int | None = None, hint: str = "") -> InputError:
        """An InputError that names this file and clip."""
        return InputError(found, wanted, file=self.path, clip=self.id, frame=frame, hint=hint)

    def at_most(self, count: float, bound: float, what: str) -> None:
        """TooLargeError where there are more than `bound`."""
        if count > bound:
            raise TooLargeError(f"{count:,.10g} {what}", f"at most {bound:,.10g}", file=self.path, clip=self.id)

    @contextmanager
    def decoding(self, wanted: str) -> Iterator[None]:
        """Turn whatever a decoder raises on bad bytes into an InputError that says what was wanted."""
        try:
            yield
        except InputError:
            raise
        except FileNotFoundError as error:
            raise self.error("no such file", wanted) from error
        except MemoryError as error:
            raise TooLargeError("what takes too much memory", wanted, file=self.path, clip=self.id) from error
        # Decoders raise anything on hostile bytes (struct, zlib, tokenize, memory, recursion ...).
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise self.error(f"what cannot be decoded ({reason})", wanted) from error

    def read_bytes(self, wanted: str) -> bytes:
        """The file's bytes; InputError where it is absent, unreadable or empty."""
        with self.decoding(wanted):
            data = self.path.read_bytes() if self.content is None else self.content
        if not data:
            raise self.error("an empty file", wanted)
        return data

    def read_json(self, wanted: str) -> object:
        """The file's JSON value; InputError where it is none."""
        data = self.read_bytes(wanted)
        self.at_most(count_nodes(data), self.bounds.nodes, "JSON values")
        with self.decoding(wanted):
            value: object = parse_json(data)
        return value

    def read_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays of an `.npz`, or the one of an `.npy`, by name; objects are refused and nothing is unpickled."""
        wanted = "a whole .npz or .npy file of numbers"
        with self.decoding(wanted), self._stream() as stream:
            start = stream.read(len(_STARTS[0]))
            if not start.startswith(_STARTS):
                raise self.error("what is no NumPy file", wanted)
            if self.content is not None:
                self.at_most(self.content.count(_ENTRY), self.bounds.members, "archive members")
            stream.seek(0)
            if start.startswith(_STARTS[0]):
                self.at_most(self._numbers_in(stream, self.held), self.bounds.values, "numbers")
                stream.seek(0)
            content = np.load(stream, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return {LONE_ARRAY: content}
            self.at_most(len(content.files), self.bounds.members, "archive members")
            self.at_most(self._numbers_within(content), self.bounds.values, "numbers")
            arrays = {name: content[name] for name in content.files}
        # Of a member that is no .npy numpy gives the bytes.
        strange = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
        if strange:
            raise self.error(f"{strange[0][:60]!r}, which is no array", wanted)
        return arrays

    def _stream(self) -> IO[bytes]:
        return self.path.open("rb") if self.content is None else io.BytesIO(self.content)

    def _numbers_within(self, archive: Any) -> int:
        """What an archive's directory and its arrays' headers say together, before any of them is unpacked."""
        members = archive.zip.infolist()
        unpacked, most = sum(member.file_size for member in members), most_expanded(self.held)
        self.at_most(unpacked // _LARGEST, self.bounds.values, "numbers")
        if unpacked > most:
            hint = "If they are poses all the same, save them with numpy.savez, which does not compress."
            found = f"{self.held:,} bytes that unpack to {unpacked:,}"
            raise TooLargeError(found, f"at most {most:,}", file=self.path, clip=self.id, hint=hint)
        total = 0
        for member in members:
            with archive.zip.open(member) as stream:
                try:
                    total += self._numbers_in(stream, member.file_size)
                except ValueError as error:  # of what is no array numpy gives the bytes
                    if isinstance(error, InputError):
                        raise
        return total

    def _numbers_in(self, stream: IO[bytes], held: int) -> int:
        """The numbers that an .npy's header states, of `held` bytes; a text counts as many as it has letters."""
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream)
        if math.prod(shape) * dtype.itemsize > held:
            raise self.error(
                f"an array of shape {shape} in {held:,} bytes"[:200], "a whole .npz or .npy file of numbers"
            )
        return int(math.prod(shape) * max(1, dtype.itemsize // _LARGEST))

    @property
    def held(self) -> int:
        """The file's bytes."""
        return self.path.stat().st_size if self.content is None else len(self.content)

    def check_frames(self, count: int) -> None:
        """TooLargeError where there are more frames than the bounds, or than a file of this size has."""
        self.at_most(count, min(self.bounds.frames, most_frames(self.held)), "frames")

    def _real(self, values: object, what: str, frame: int | None = None) -> NDArray[Any]:
        wanted = f"real numbers as {what}"
        if isinstance(values, list | tuple) and has_text(values):
            raise self.error(f"{what} with text in it", wanted, frame=frame)
        with self.decoding(wanted):
            array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise self.error(f"{what} of type {array.dtype}", wanted, frame=frame)
        return array

    def numbers(self, values: object, what: str, *, frame: int | None = None) -> FloatArray:
        """`values` as float32; InputError where they are ragged, text, null or otherwise no real numbers."""
        with np.errstate(over="ignore"):
            return self._real(values, what, frame).astype(np.float32)

    def joints(self, values: object, joints: int, columns: tuple[int, ...], what: str) -> FloatArray:
        """`values` as float32 (T joints columns); InputError where the shape is another."""
        array = self.numbers(values, what)
        if array.ndim != 3 or array.shape[1] != joints or array.shape[2] not in columns:
            wanted = f"(frames, {joints} joints, {' or '.join(map(str, columns))})"
            raise self.error(f"{what} of shape {array.shape}", wanted)
        return array

    def stated_size(self, content: Mapping[str, object]) -> tuple[int, int] | None:
        """(width, height) in pixels where stated as size or image_size (w, h), or as img_shape (h, w), else None."""
        for key in (*_WIDTH_HEIGHT_KEYS, *_HEIGHT_WIDTH_KEYS):
            if content.get(key) is not None:
                values = self._real(content[key], key).reshape(-1)[:2]
                if len(values) != 2 or not np.isfinite(values).all() or (values < 1).any():
                    raise self.error(f"{key} {values.tolist()}", "two positive numbers of pixels")
                first, second = round(float(values[0])), round(float(values[1]))
                return (first, second) if key in _WIDTH_HEIGHT_KEYS else (second, first)
        return None

    def stated_fps(self, content: Mapping[str, object]) -> float | None:
        """Frames a second where the content states them as `fps`, else None."""
        if content.get("fps") is None:
            return None
        values = self._real(content["fps"], "fps").reshape(-1)
        if len(values) != 1:
            raise self.error(f"{len(values)} numbers as fps", "one number of frames a second")
        return float(values[0])

    def extent(self, unit: Unit, stated: tuple[int, int] | None) -> tuple[int, int]:
        """The image's extent in the coordinates' unit: width and height in pixels, (1, 1) in fractions.

        The size is as the file states, else as the caller gave; InputError where pixels come with neither.
        """
        if (self.unit or unit) == "fraction":
            return (1, 1)
        size = stated or self.size
        if size is None:
            hint = "Pass the video's size, for example size=(1280, 720) or --size 1280x720."
            raise self.error("pixels without an image size", "size=(width, height)", hint=hint)
        return size

    def scores(self, score: FloatArray) -> FloatArray:
        """Scores (T ...) clipped into [0, 1], which some estimators leave; InputError on NaN and infinity."""
        bad = ~np.isfinite(score)
        if bad.any():
            raise self.error(f"score {score[bad][0]}", "finite scores", frame=int(np.argwhere(bad)[0, 0]))
        return np.clip(score, 0, 1)

    def recording(
        self,
        xy: FloatArray,
        score: FloatArray,
        *,
        unit: Unit,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        estimator: str = "",
        notes: tuple[str, ...] = (),
    ) -> Recording:
        """The checked Recording of xy (T 49 2), score (T 49) that plausibly are in `unit`, unless the caller said so.

        Size and fps are as the file states, else as the caller gave.
        """
        unit, insisted = self.unit or unit, self.unit is not None
        size, fps = size or self.size, self.fps if fps is None else fps
        if unit == "pixel":
            size = self.extent(unit, size)
        known = Recording(self.id, xy, self.scores(score), unit, size, fps, str(self.path), estimator, notes)
        return check(known, insisted=insisted)
