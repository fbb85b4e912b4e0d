"""Readers, one file a format: `read` takes one clip, `open_set` a file of many; both go by ending and content.

To add a format, write a module here that turns a ClipFile into a Recording (openpose.py is an example), and name its
ending in _READERS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from twinsign.pose.bounds import NO_BOUNDS, Bounds
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import COCO_WHOLEBODY_POINTS, HAND_JOINTS
from twinsign.pose.pickles import unpickle
from twinsign.pose.read import (
    canonical,
    coco_wholebody,
    kaggle,
    mediapipe,
    openpose,
    pickles,
    pose_file,
    pyskl,
    sam_slr,
    spoter,
)
from twinsign.pose.read.canonical import write_npz
from twinsign.pose.read.landmarks import LandmarkSet, open_landmarks
from twinsign.pose.read.pose_set import PoseSet
from twinsign.pose.recording import Recording, Unit

__all__ = [
    "FORMATS",
    "SET_FORMATS",
    "VIDEO_ENDINGS",
    "LandmarkSet",
    "PoseSet",
    "is_clip_folder",
    "open_landmarks",
    "open_set",
    "read",
    "read_pieces",
    "write_npz",
]

VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".avi")
"""Endings of video files."""
FORMATS = (
    ".pose; .json (MMPose, COCO-WholeBody-133); .npz or .npy (COCO-WholeBody-133 or MediaPipe Holistic);"
    " .npy of a row of numbers a frame (MediaPipe's 1662, 258, 225, 126, ...), or a folder of such rows;"
    " .npz with xy of 49 joints; .pkl (COCO-WholeBody-133, Uni-Sign, OpenHands); .parquet (Kaggle's isolated signs);"
    " a folder of OpenPose .json"
)
"""What `read` can read, for messages and help."""
SET_FORMATS = (
    "a landmark set (.npz with a .csv beside it); .pkl of PYSKL's annotations or of clips by name (NLA-SLR); .npy of"
    " SAM-SLR's 27 joints; .parquet of many sequences (fingerspelling); SPOTER's .csv"
)
"""What `open_set` can open, for messages and help."""


def read(
    path: str | PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    clip_id: str | None = None,
    unit: Unit | None = None,
    content: bytes | None = None,
    bounds: Bounds = NO_BOUNDS,
) -> Recording:
    """Read one clip's file or folder of any known format.

    Args:
        size: (width, height) in pixels, where the file does not state it.
        fps: Frames a second, where the file does not state them.
        clip_id: Default: the file's name without its ending.
        unit: Overrides the format's unit.
        content: The file's bytes, where it is not on disk.
        bounds: How much the file may hold; TooLargeError on more.

    Raises:
        InputError: Names file and clip; on unknown formats, bad content, and coordinates that do not fit their unit or
            size.

    Examples:
        >>> import twinsign as ts
        >>> clip = ts.read("clip.npz")
        >>> clip.xy.shape[1:]  # joints, x and y
        (49, 2)
    """
    clip = ClipFile(Path(path), size, fps, clip_id, unit, content, bounds)
    with clip.decoding("a file or folder"):  # a name may be too long
        folder = content is None and clip.path.is_dir()
    if folder:
        return _read_folder(clip)
    suffix = clip.path.suffix.lower()
    if suffix in _READERS:
        return _READERS[suffix](clip)
    problem = f"a file that ends in {clip.path.suffix or 'nothing'!r}"
    if suffix in VIDEO_ENDINGS:
        problem = f"a video ({suffix}), whose poses `twinsign extract` finds"
    elif content is None and not clip.path.exists():
        problem = "no such file"
    raise clip.error(problem, FORMATS)


def read_pieces(
    path: str | PathLike[str],
    frames: int,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
) -> Iterator[Recording]:
    """One recording in consecutive pieces of `frames` frames, the last one shorter; parameters as of `read`.

    Of `.pose` files one piece at a time is in memory, of other formats the joints of the whole recording.
    """
    clip = ClipFile(Path(path), size, fps, unit=unit)
    if clip.path.suffix.lower() == ".pose" and not clip.path.is_dir():
        yield from pose_file.read_pieces(clip, frames)
        return
    whole = read(path, size=size, fps=fps, unit=unit)
    for first in range(0, len(whole.xy), frames):
        part = slice(first, first + frames)
        yield replace(whole, xy=whole.xy[part], score=whole.score[part])


def _read_arrays(clip: ClipFile) -> Recording:
    arrays = clip.read_arrays()
    if {"xy", "offsets"} <= arrays.keys():
        hint = "Open it with open_set, or pack it with `twinsign pack landmarks`."
        raise clip.error("a landmark set of many clips", "one clip", hint=hint)
    if "xy" in arrays:
        return canonical.from_arrays(clip, arrays)
    if {"keypoints", "confidences"} <= arrays.keys() and arrays["keypoints"].shape[1:2] == mediapipe.WHOLE_POINTS[:1]:
        return mediapipe.with_confidences(clip, arrays)
    points = {array.shape[1] for array in arrays.values() if array.ndim == 3}
    if arrays.keys() & mediapipe.PARTS.keys() or points & {*mediapipe.WHOLE_POINTS}:
        return mediapipe.from_arrays(clip, arrays)
    rows = [array.shape[-1] for array in arrays.values() if array.ndim in (1, 2) and array.shape[-1] in mediapipe.FLAT]
    if rows and all(array.ndim != 1 or array.shape[0] not in mediapipe.FLAT for array in arrays.values()):
        return mediapipe.from_arrays(clip, arrays)
    if rows:
        raise clip.error(f"one frame of {rows[0]} numbers", "a clip", hint="Give the folder that holds its frames.")
    if any(array.ndim == 5 for array in arrays.values()):
        raise clip.error("an array of many clips", "one clip", hint="Pack it with `twinsign pack set`.")
    if COCO_WHOLEBODY_POINTS in points or "keypoints" in arrays:
        return coco_wholebody.from_arrays(clip, arrays)
    if len(HAND_JOINTS) in points:
        raise clip.error(f"arrays {', '.join(arrays)}", f"arrays called {', '.join(mediapipe.PARTS)}")
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    raise clip.error(f"arrays {shapes or '(none)'}"[:200], FORMATS)


_READERS = {
    ".pose": pose_file.read,
    ".json": coco_wholebody.read_json,
    ".npz": _read_arrays,
    ".npy": _read_arrays,
    ".pkl": pickles.read,
    ".pickle": pickles.read,
    ".parquet": kaggle.read,
}


def is_clip_folder(folder: Path, names: Sequence[str]) -> bool:
    """Whether a folder with files of these names is one clip: OpenPose's frames, or numbered rows of numbers."""
    return any(name.endswith(openpose.ENDING) for name in names) or mediapipe.is_frame_folder(folder, names)


def _read_folder(clip: ClipFile) -> Recording:
    with clip.decoding("a folder of one clip's frames"):
        paths = sorted(clip.path.iterdir())
        names = [path.name for path in paths if path.is_file()]
    if mediapipe.is_frame_folder(clip.path, names):
        return mediapipe.read_frame_folder(clip)
    if any(name.endswith(".json") and not name.startswith(".") for name in names):
        return openpose.read(clip)
    if not paths:
        raise clip.error("an empty folder", openpose.FOLDER)
    hint = "Name the files in it; `pack folder` packs a folder of clips."
    raise clip.error("a folder that is not one clip", openpose.FOLDER, hint=hint)


def open_set(
    path: str | PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
) -> PoseSet:
    """Open one file of many clips of any known format; `size`, `fps` and `unit` are as for `read`.

    Raises InputError on unknown formats and where the file as a whole is damaged; a clip that alone is bad raises it
    when it is read.
    """
    file = ClipFile(Path(path), size, fps, unit=unit)
    match file.path.suffix.lower():
        case ".npz":
            return open_landmarks(path, size=size, fps=fps, unit=unit)
        case ".npy":
            return sam_slr.open_array(file)
        case ".pkl" | ".pickle":
            return _open_pickle(file)
        case ".parquet":
            return kaggle.open_sequences(file)
        case ".csv":
            return spoter.open_table(file)
    raise file.error(f"a file that ends in {file.path.suffix or 'nothing'!r}", SET_FORMATS)


def _open_pickle(file: ClipFile) -> PoseSet:
    content = unpickle.load(file)
    if pyskl.is_annotations(content):
        return pyskl.from_content(file, content)
    if pickles.is_named_clips(content):
        return pickles.NamedClips(file, [{"id": name} for name in content], content)
    single = isinstance(content, dict) and "keypoints" in content
    hint = "It holds one clip: pack it with `twinsign pack folder`." if single else ""
    raise file.error(f"a pickled {type(content).__name__} of something else", SET_FORMATS, hint=hint)
