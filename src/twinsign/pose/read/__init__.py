"""Readers, one file a format: `read` takes one clip, `open_set` a file of many; both go by ending and content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from twinsign.pose.bounds import NO_BOUNDS, Bounds
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import COCO_WHOLEBODY_POINTS, HAND_JOINTS
from twinsign.pose.pickles import unpickle
from twinsign.pose.read import (
    canonical,
    coco_wholebody,
    frame_arrays,
    kaggle,
    mediapipe,
    named_pickle,
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
    "KNOWN",
    "KNOWN_SETS",
    "VIDEOS",
    "LandmarkSet",
    "PoseSet",
    "is_clip_folder",
    "open_landmarks",
    "open_set",
    "read",
    "write_npz",
]

VIDEOS = (".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".avi")
"""Endings of files that are taken for videos."""
KNOWN = (
    ".pose; .json (MMPose, COCO-WholeBody-133); .npz or .npy (COCO-WholeBody-133 or MediaPipe Holistic);"
    " .npy of a row of numbers a frame (MediaPipe's 1662, 258, 225, 126, ...), or a folder of such rows;"
    " .npz with xy of 49 joints; .pkl (COCO-WholeBody-133, Uni-Sign, OpenHands); .parquet (Kaggle's isolated signs);"
    " a folder of OpenPose .json"
)
"""What `read` can read, for messages and help."""
KNOWN_SETS = (
    "a landmark set (.npz with a .csv beside it); .pkl of PYSKL's annotations or of clips by name (NLA-SLR); .npy of"
    " SAM-SLR's 27 joints; .parquet of many sequences (fingerspelling); SPOTER's .csv"
)
"""What `open_set` can open, for messages and help."""


def _read_arrays(clip: ClipFile) -> Recording:
    arrays = clip.read_arrays()
    if {"xy", "offsets"} <= arrays.keys():
        hint = "Open it with open_set, or pack it with `twinsign pack landmarks`."
        raise clip.error("a landmark set of many clips", "one clip", hint=hint)
    if "xy" in arrays:
        return canonical.from_arrays(clip, arrays)
    if {"keypoints", "confidences"} <= arrays.keys() and arrays["keypoints"].shape[1:2] == mediapipe.WHOLE_POINTS[:1]:
        return mediapipe.with_confidences(clip, arrays)
    if arrays.keys() & mediapipe.PARTS.keys() or _points(arrays) & set(mediapipe.WHOLE_POINTS):
        return mediapipe.from_arrays(clip, arrays)
    rows = [array.shape[-1] for array in arrays.values() if array.ndim in (1, 2) and array.shape[-1] in mediapipe.FLAT]
    if rows and all(array.ndim != 1 or array.shape[0] not in mediapipe.FLAT for array in arrays.values()):
        return mediapipe.from_arrays(clip, arrays)
    if rows:
        raise clip.error(f"one frame of {rows[0]} numbers", "a clip", hint="Give the folder that holds its frames.")
    if any(array.ndim == 5 for array in arrays.values()):
        raise clip.error("an array of many clips", "one clip", hint="Pack it with `twinsign pack set`.")
    if COCO_WHOLEBODY_POINTS in _points(arrays) or "keypoints" in arrays:
        return coco_wholebody.from_arrays(clip, arrays)
    if any(len(HAND_JOINTS) in array.shape[1:2] for array in arrays.values()):
        raise clip.error(f"arrays {', '.join(arrays)}", f"arrays called {', '.join(mediapipe.PARTS)}")
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    raise clip.error(f"arrays {shapes or '(none)'}"[:200], KNOWN)


def _points(arrays: Mapping[str, NDArray[Any]]) -> set[int]:
    return {array.shape[1] for array in arrays.values() if array.ndim == 3}


_READERS = {
    ".pose": pose_file.read,
    ".json": coco_wholebody.read_json,
    ".npz": _read_arrays,
    ".npy": _read_arrays,
    ".pkl": pickles.read,
    ".pickle": pickles.read,
    ".parquet": kaggle.read,
}


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

    size (width, height) in pixels and fps fill in what the file leaves open; unit, where given, goes before the
    format's; clip_id defaults to the file's name without its ending; content are the file's bytes where none is on
    the disk. Raises InputError, naming file and clip, on unknown formats, bad content, and coordinates that cannot be
    of their unit or size; TooLargeError on more than `bounds`.
    """
    clip = ClipFile(Path(path), size, fps, clip_id, unit, content, bounds)
    with clip.decoding("a file or folder"):  # a name may be too long
        folder = content is None and clip.path.is_dir()
    if folder:
        return _read_folder(clip)
    reader = _READERS.get(clip.path.suffix.lower())
    if reader is None:
        suffix = clip.path.suffix.lower()
        found = f"a video ({suffix}), whose poses `twinsign extract` finds" if suffix in VIDEOS else None
        if content is None and not found and not clip.path.exists():
            found = "no such file"
        raise clip.error(found or f"a file that ends in {clip.path.suffix or 'nothing'!r}", KNOWN)
    return reader(clip)


def is_clip_folder(folder: Path, names: Sequence[str]) -> bool:
    """Whether a folder with files of these names is one clip: OpenPose's frames, or numbered rows of numbers."""
    return any(name.endswith(openpose.ENDING) for name in names) or frame_arrays.is_clip(folder, list(names))


def _read_folder(clip: ClipFile) -> Recording:
    with clip.decoding("a folder of one clip's frames"):
        names = sorted(path.name for path in clip.path.iterdir() if path.is_file())
    if frame_arrays.is_clip(clip.path, names):
        return frame_arrays.read(clip)
    if not any(name.endswith(".json") and not name.startswith(".") for name in names):
        hint = "Name the files in it; `pack folder` packs a folder of clips." if any(clip.path.iterdir()) else ""
        raise clip.error("a folder that is not one clip" if hint else "an empty folder", openpose.FOLDER, hint=hint)
    return openpose.read(clip)


def _open_landmarks(file: ClipFile) -> PoseSet:
    return open_landmarks(file.path, size=file.size, fps=file.fps, unit=file.unit)


def _open_pickle(file: ClipFile) -> PoseSet:
    content = unpickle.load(file)
    if pyskl.holds(content):
        return pyskl.from_content(file, content)
    if isinstance(content, dict) and named_pickle.holds(content):
        return named_pickle.from_content(file, content)
    one = isinstance(content, dict) and "keypoints" in content
    hint = "It holds one clip: pack it with `twinsign pack folder`." if one else ""
    raise file.error(f"a pickled {type(content).__name__} of something else", KNOWN_SETS, hint=hint)


_SETS = {
    ".npz": _open_landmarks,
    ".npy": sam_slr.open_array,
    ".pkl": _open_pickle,
    ".pickle": _open_pickle,
    ".parquet": kaggle.open_sequences,
    ".csv": spoter.open_table,
}


def open_set(
    path: str | PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
) -> PoseSet:
    """Open one file of many clips of any known format.

    size (width, height) in pixels and fps fill in what the file leaves open; unit, where given, goes before the
    format's. Raises InputError on unknown formats and where the file as a whole is damaged; a clip that alone is bad
    raises it when it is read.
    """
    file = ClipFile(Path(path), size, fps, unit=unit)
    opener = _SETS.get(file.path.suffix.lower())
    if opener is None:
        raise file.error(f"a file that ends in {file.path.suffix or 'nothing'!r}", KNOWN_SETS)
    return opener(file)
