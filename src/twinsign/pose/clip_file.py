"""The file of one clip: decoding that fails with InputError alone, and the Recording that is made of its content."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from twinsign.errors import InputError, TooLargeError
from twinsign.files import parse_json
from twinsign.pose.bounds import NO_BOUNDS, Bounds, count_nodes, has_text, max_frames, max_unpacked_bytes
from twinsign.pose.plausible import check_plausible
from twinsign.pose.recording import FloatArray, Recording, Unit

LONE_ARRAY = "arr_0"
"""The name that `numpy.savez` gives an unnamed array; `.npy` files are read as an archive of that one."""
_MAGIC = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")
"""How .npy and .npz files begin: numpy takes all others for pickles, and advises to load them unsafely."""
_ARRAYS = "a whole .npz or .npy file of numbers"
_NUMBER_BYTES = 8
"""Bytes of the largest number that poses are stored as."""
_DIRECTORY_ENTRY = b"PK\x01\x02"
"""Marks a member in an archive's directory: it occurs as often as there are members, or more often by chance."""
_SIZE_KEYS = {"size": 1, "image_size": 1, "img_shape": -1, "ori_shape": -1, "original_shape": -1}
"""Keys that state an image's size, and the step through their two numbers that gives (width, height)."""
Arrays = Mapping[str, NDArray[Any]]
NOTHING_STATED: Mapping[str, object] = MappingProxyType({})
Axis = int | str | tuple[int, ...]
"""What one axis of an array must be: a length, one of several lengths, or any length under a name for messages."""


@dataclass(frozen=True)
class ClipFile:
    """The file of one clip, and what the caller states about it: image size (width, height) in pixels, fps, id.

    `unit` overrides the unit of the file's format. `content` holds the file's bytes where it is not on disk. `bounds`
    limit how much the file may hold.
    """

    path: Path
    size: tuple[int, int] | None = None
    fps: float | None = None
    clip_id: str | None = None
    unit: Unit | None = None
    content: bytes | None = field(default=None, repr=False)
    bounds: Bounds = NO_BOUNDS

    @property
    def id(self) -> str:
        """The clip's id: as the caller stated, else the file's name without its ending."""
        return self.clip_id or self.path.stem

    @property
    def byte_count(self) -> int:
        """The size of the file in bytes."""
        return self.path.stat().st_size if self.content is None else len(self.content)

    def error(self, found: str, wanted: str, *, frame: int | None = None, hint: str = "") -> InputError:
        """An InputError that names this file and clip."""
        return InputError(found, wanted, file=self.path, clip=self.id, frame=frame, hint=hint)

    def too_large(self, found: str, wanted: str, hint: str = "") -> TooLargeError:
        """A TooLargeError that names this file and clip."""
        return TooLargeError(found, wanted, file=self.path, clip=self.id, hint=hint)

    def at_most(self, count: float, bound: float, what: str) -> None:
        """Raise TooLargeError if `count` exceeds `bound`; `what` is counted."""
        if count > bound:
            raise self.too_large(f"{count:,.10g} {what}", f"at most {bound:,.10g}")

    def check_frames(self, count: int) -> None:
        """Raise TooLargeError if there are more frames than the bounds allow, or than a file of this size can hold."""
        self.at_most(count, min(self.bounds.frames, max_frames(self.byte_count)), "frames")

    def check_unpacked(self, unpacked: int, hint: str = "") -> None:
        """Raise TooLargeError if the file unpacks to more bytes than a file of its size may."""
        limit = max_unpacked_bytes(self.byte_count)
        if unpacked > limit:
            raise self.too_large(f"{self.byte_count:,} bytes that unpack to {unpacked:,}", f"at most {limit:,}", hint)

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
            raise self.too_large("content that takes too much memory", wanted) from error
        # Decoders raise anything on hostile bytes (struct, zlib, tokenize, memory, recursion ...).
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise self.error(f"content that cannot be decoded ({reason})", wanted) from error

    def read_bytes(self, wanted: str) -> bytes:
        """The file's bytes; InputError if it is absent, unreadable or empty."""
        with self.decoding(wanted):
            data = self.path.read_bytes() if self.content is None else self.content
        if not data:
            raise self.error("an empty file", wanted)
        return data

    def read_json(self, wanted: str) -> object:
        """The file's JSON value; InputError if it is not JSON."""
        data = self.read_bytes(wanted)
        self.at_most(count_nodes(data), self.bounds.nodes, "JSON values")
        with self.decoding(wanted):
            value: object = parse_json(data)
        return value

    def read_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays of an `.npz`, or the one of an `.npy`, by name; objects are refused and nothing is unpickled."""
        with self.decoding(_ARRAYS), self.path.open("rb") if self.content is None else BytesIO(self.content) as stream:
            start = stream.read(len(_MAGIC[0]))
            if not start.startswith(_MAGIC):
                raise self.error("a file that is not NumPy's", _ARRAYS)
            if self.content is not None:
                self.at_most(self.content.count(_DIRECTORY_ENTRY), self.bounds.members, "archive members")
            stream.seek(0)
            if start == _MAGIC[0]:
                self.at_most(self._count_numbers(stream, self.byte_count), self.bounds.values, "numbers")
                stream.seek(0)
                return {LONE_ARRAY: np.load(stream, allow_pickle=False)}
            archive = np.load(stream, allow_pickle=False)
            self._check_archive(archive)
            arrays = {name: archive[name] for name in archive.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):  # numpy gives a member that is no .npy as bytes
                raise self.error(f"{name[:60]!r}, which is no array", _ARRAYS)
        return arrays

    def _check_archive(self, archive: Any) -> None:
        """Check the bounds against the archive's directory and its arrays' headers, before any of them is unpacked."""
        self.at_most(len(archive.files), self.bounds.members, "archive members")
        members = archive.zip.infolist()
        unpacked = sum(member.file_size for member in members)
        self.at_most(unpacked // _NUMBER_BYTES, self.bounds.values, "numbers")
        self.check_unpacked(unpacked, "If the content is poses, save it with numpy.savez, which does not compress.")
        total = 0
        for member in members:
            with archive.zip.open(member) as stream:
                try:
                    total += self._count_numbers(stream, member.file_size)
                except ValueError as error:  # a member that is no .npy
                    if isinstance(error, InputError):
                        raise
        self.at_most(total, self.bounds.values, "numbers")

    def _count_numbers(self, stream: IO[bytes], byte_count: int) -> int:
        """The numbers that an .npy's header states, checked against its bytes; text counts by its length."""
        read_header = npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if math.prod(shape) * dtype.itemsize > byte_count:
            raise self.error(f"an array of shape {shape} in {byte_count:,} bytes"[:200], _ARRAYS)
        return int(math.prod(shape) * max(1, dtype.itemsize // _NUMBER_BYTES))

    def _real(self, values: object, what: str, frame: int | None = None) -> NDArray[Any]:
        wanted = f"real numbers as {what}"
        if isinstance(values, list | tuple) and has_text(values):
            raise self.error(f"{what} with text in it", wanted, frame=frame)
        with self.decoding(wanted):
            array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise self.error(f"{what} of type {array.dtype}", wanted, frame=frame)
        return array

    def numbers(
        self, values: object, what: str, shape: Sequence[Axis] | None = None, *, frame: int | None = None
    ) -> FloatArray:
        """`values` as float32, of `shape` if stated; InputError if they are ragged, text, null or of another shape."""
        with np.errstate(over="ignore"):
            array = self._real(values, what, frame).astype(np.float32)
        if shape is not None:
            axes = [(axis,) if isinstance(axis, int) else axis for axis in shape]
            fits = [isinstance(axis, str) or length in axis for length, axis in zip(array.shape, axes, strict=False)]
            if array.ndim != len(axes) or not all(fits):
                wanted = ", ".join(axis if isinstance(axis, str) else " or ".join(map(str, axis)) for axis in axes)
                raise self.error(f"{what} of shape {array.shape}", f"({wanted})", frame=frame)
        return array

    def resolve_size(self, stated: Mapping[str, object]) -> tuple[int, int] | None:
        """(width, height) in pixels, stated as size or image_size (w, h), or img_shape (h, w); else the caller's."""
        for key, step in _SIZE_KEYS.items():
            if stated.get(key) is not None:
                values = self._real(stated[key], key).reshape(-1)[:2]
                if len(values) != 2 or not np.isfinite(values).all() or (values < 1).any():
                    raise self.error(f"{key} {values.tolist()}", "two positive numbers of pixels")
                width, height = (round(float(value)) for value in values[::step])
                return width, height
        return self.size

    def resolve_fps(self, stated: Mapping[str, object]) -> float | None:
        """Frames a second, stated as `fps`; else the caller's."""
        if stated.get("fps") is None:
            return self.fps
        values = self._real(stated["fps"], "fps").reshape(-1)
        if len(values) != 1:
            raise self.error(f"{len(values)} numbers as fps", "one number of frames a second")
        return float(values[0])

    def extent(self, unit: Unit, stated: Mapping[str, object] = NOTHING_STATED) -> tuple[int, int]:
        """The image's extent in the coordinates' unit: (width, height) in pixels, or (1, 1); InputError if unknown."""
        if (self.unit or unit) == "fraction":
            return (1, 1)
        size = self.resolve_size(stated)
        if size is None:
            hint = "Pass the video's size, for example size=(1280, 720) or --size 1280x720."
            raise self.error("pixels without an image size", "size=(width, height)", hint=hint)
        return size

    def scores(self, score: FloatArray) -> FloatArray:
        """Scores (T ...) clipped to [0, 1], which some estimators leave; InputError on NaN and infinity."""
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
        stated: Mapping[str, object] = NOTHING_STATED,
        estimator: str = "",
        notes: tuple[str, ...] = (),
    ) -> Recording:
        """The Recording of xy (T 49 2), score (T 49), checked to be plausible in `unit` unless the caller stated one.

        `stated` is the file's content, in which size and fps may stand; the caller's are the defaults.
        """
        unit, insisted = self.unit or unit, self.unit is not None
        size = self.extent(unit, stated) if unit == "pixel" else self.resolve_size(stated)
        fps, source = self.resolve_fps(stated), str(self.path)
        recording = Recording(self.id, xy, self.scores(score), unit, size, fps, source, estimator, notes)
        return check_plausible(recording, insisted=insisted)
