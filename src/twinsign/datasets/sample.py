"""What every corpus is: clips to pack, each read only when its turn comes, and what its annotation misses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from twinsign.pose.recording import Recording

SUFFIXES = (".pose", ".json", ".npz", ".npy", ".pkl", ".pickle", ".parquet")
"""Endings of files that hold one clip; a folder of OpenPose JSON is one clip too."""
OPENPOSE_FRAME = "_keypoints.json"
VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".flv", ".swf")


@dataclass(frozen=True)
class Sample:
    """One clip to pack: its id, how to read it (may raise InputError), its annotation row (gloss, split, signer, …)."""

    id: str
    read: Callable[[], Recording]
    row: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    """Where its poses are, if in a file or folder of their own: a change to it is then noticed."""


@dataclass(frozen=True)
class Corpus:
    """The clips of a corpus that can be packed, and those that its annotation lists without a pose file being there."""

    samples: Sequence[Sample]
    missing: Sequence[Mapping[str, str]] = ()
    """Annotation rows (id, gloss, split, …) of listed clips without poses."""
    files: Sequence[Path] = ()
    """Annotation files and pose sets that it was made from: their hashes belong to a pack's provenance."""
    notes: Sequence[str] = ()
    """What was found of the whole: ids listed twice, annotation files that disagree, pose files that none lists."""


def plain_name(name: str) -> str:
    """A clip's name without the endings of pose file and video: a/01.mp4.pose is a/01."""
    path = PurePosixPath(name.replace("\\", "/"))
    for suffixes in (SUFFIXES, VIDEO_SUFFIXES):
        path = path.with_suffix("") if path.suffix.lower() in suffixes else path
    return path.as_posix()
