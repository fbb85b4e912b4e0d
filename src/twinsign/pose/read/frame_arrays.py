"""A folder of .npy files, one a frame, called by its number (0.npy), each a row of numbers as in mediapipe.FLAT."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twinsign.pose.clip_file import LONE_ARRAY, ClipFile
from twinsign.pose.read import mediapipe
from twinsign.pose.read.frame_numbers import places
from twinsign.pose.recording import FloatArray, Recording

ENDING = ".npy"
_WANTED = f"frames of one kind: rows of {', '.join(map(str, sorted(mediapipe.FLAT)))} numbers"


def is_clip(folder: Path, names: list[str]) -> bool:
    """Whether the files of a folder are numbered frames: its .npy files have numbers for names, and hold one row."""
    arrays = [name for name in names if name.lower().endswith(ENDING) and not name.startswith(".")]
    if not arrays or not all(Path(name).stem.isdecimal() for name in arrays):
        return False
    try:
        first = np.load(folder / arrays[0], mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return bool(first.ndim == 1)


def read(clip: ClipFile) -> Recording:
    """Read a folder of numbered frames; a missing one shows nothing. InputError on frames of other or several kinds."""
    with clip.decoding("a folder of frames"):
        files = {
            int(path.stem): path
            for path in clip.path.iterdir()
            if path.suffix.lower() == ENDING and path.stem.isdecimal() and not path.name.startswith(".")
        }
    numbers = sorted(files)
    at, notes = places(clip, numbers)
    rows = [_row(clip, files[number], frame) for frame, number in enumerate(numbers)]
    kinds = {len(row) for row in rows}
    if len(kinds) != 1 or not kinds <= mediapipe.FLAT.keys():
        raise clip.error(f"frames of {' and '.join(map(str, sorted(kinds)))} numbers", _WANTED)
    spread = np.full((at[-1] + 1, kinds.pop()), np.nan, np.float32)
    spread[at] = rows
    return mediapipe.from_arrays(clip, {LONE_ARRAY: spread}, notes)


def _row(clip: ClipFile, path: Path, frame: int) -> FloatArray:
    file = ClipFile(path, clip_id=clip.id)
    (array,) = file.read_arrays().values()
    if array.ndim != 1:
        raise file.error(f"an array of shape {array.shape}", _WANTED, frame=frame)
    return file.numbers(array, "numbers", frame=frame)
