"""SAM-SLR's arrays of 27 joints, also of SLGTformer and DSTA: NAME_data_joint.npy (N 3 T 27 M) of x, y, score in
pixels, with NAME_label.pkl beside it: (names, labels). Clips are padded to T frames by repetition or with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import JOINT_COUNT, SAM_SLR
from twinsign.pose.pickles import unpickle
from twinsign.pose.read.coco_wholebody import ESTIMATOR
from twinsign.pose.read.frames import record_signer
from twinsign.pose.read.pose_set import SPLITS, PoseSet
from twinsign.pose.recording import FloatArray, Recording

_WANTED = f"x, y, score of (clips, 3, frames, {len(SAM_SLR)} joints, persons)"
_LABELS = "a pair of lists: names and labels"
_DIFFERENCES = ("bone", "motion")


@dataclass(frozen=True)
class PaddedArray(PoseSet):
    """Clips of one array (N 3 T 27 M), mapped into memory: a clip is read on demand."""

    values: NDArray[Any]
    labels: Path | None

    @property
    def files(self) -> list[Path]:
        """The array, and the labels if any."""
        return [self.path, *([self.labels] if self.labels else [])]

    def _read(self, number: int, clip: ClipFile) -> Recording:
        values = clip.numbers(self.values[number], "joints")
        frames = strip_padding(values.transpose(1, 3, 2, 0))
        persons = np.zeros((*frames.shape[:2], JOINT_COUNT, 3), np.float32)
        persons[:, :, list(SAM_SLR)] = frames
        return record_signer(clip, persons, unit="pixel", estimator=ESTIMATOR)


def strip_padding(frames: FloatArray) -> FloatArray:
    """Frames (T ...) without the zeros, or the repetitions of the clip, at their end; at least one frame."""
    with np.errstate(invalid="ignore"):  # NaN counts as used, and is refused later
        used = np.flatnonzero(frames.reshape(len(frames), -1).any(axis=1))
    frames = frames[: used[-1] + 1 if len(used) else 1]
    for period in range(1, len(frames)):
        if np.array_equal(frames[period], frames[0]) and np.array_equal(frames[period:], frames[:-period]):
            return frames[:period]
    return frames


def open_array(file: ClipFile) -> PaddedArray:
    """Open NAME_data_joint.npy; InputError if it, or the labels beside it, are of another kind.

    The gloss is the label's number, and NAME the split where it is train, val or test. Without labels ids are numbers.
    """
    stem = file.path.stem
    if any(word in stem for word in _DIFFERENCES):
        raise file.error(f"an array called {stem}", "joints", hint="Bones and motion are differences, not places.")
    with file.decoding("a whole .npy file of numbers"):
        values = np.load(file.path, mmap_mode="r", allow_pickle=False)
    if not isinstance(values, np.ndarray) or values.ndim != 5 or values.shape[1::2] != (3, len(SAM_SLR)):
        raise file.error(f"an array of shape {getattr(values, 'shape', None)}", _WANTED)
    if 0 in values.shape:
        raise file.error(f"an array of shape {values.shape}", "at least one clip, frame and person")
    name = stem.removesuffix("_joint").removesuffix("_data")
    split = {"split": name} if name.casefold() in SPLITS else {}
    labels = file.path.with_name(f"{name}_label.pkl")
    if not labels.exists():
        rows = [{"id": f"{stem}_{number:05d}"} | split for number in range(len(values))]
        return PaddedArray(file, rows, values, None, notes=(f"no {labels.name} beside it: ids are numbers",))
    names, glosses = _read_labels(replace(file, path=labels), len(values))
    rows = [{"id": id, "gloss": gloss} | split for id, gloss in zip(names, glosses, strict=True)]
    return PaddedArray(file, rows, values, labels)


def _read_labels(file: ClipFile, clips: int) -> tuple[list[str], list[str]]:
    content = unpickle.load(file)
    if not isinstance(content, tuple | list) or len(content) != 2:
        raise file.error(f"a pickled {type(content).__name__}", _LABELS)
    names, labels = (part.tolist() if isinstance(part, np.ndarray) else part for part in content)
    if not isinstance(names, list | tuple) or not isinstance(labels, list | tuple):
        raise file.error("names or labels that are not lists", _LABELS)
    if not len(names) == len(labels) == clips:
        raise file.error(f"{len(names)} names, {len(labels)} labels", f"{clips} of both, one a clip of the array")
    return [str(name) for name in names], [str(label) for label in labels]
