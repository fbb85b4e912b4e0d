"""What every dataset becomes: clips to pack, read one at a time, and the annotated clips whose poses are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from twinsign.pose.recording import Recording

SUFFIXES = (".pose", ".json", ".npz", ".npy", ".pkl", ".pickle", ".parquet")
"""Suffixes of files that hold one clip; a folder of OpenPose JSON is one clip too."""
VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".flv", ".swf")


@dataclass(frozen=True)
class Sample:
    """A clip to pack: its id, how to read it (may raise InputError), its annotation row (gloss, split, signer, …)."""

    id: str
    read: Callable[[], Recording]
    row: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    """The file or folder that holds this clip's poses alone, if any; an interrupted import notices changes to it."""


@dataclass(frozen=True)
class Corpus:
    """The clips of a dataset that can be packed, and the annotated clips that have no pose file."""

    samples: Sequence[Sample]
    missing: Sequence[Mapping[str, str]] = ()
    """Annotation rows (id, gloss, split, …) of clips without poses."""
    files: Sequence[Path] = ()
    """Annotation files and files of many clips, whose hashes a pack records as its provenance."""
    notes: Sequence[str] = ()
    """Findings on the whole: ids listed twice, annotation files that disagree, pose files that none lists."""


def strip_suffixes(name: str) -> str:
    """A clip's name without the suffixes of pose file and video: a/01.mp4.pose is a/01."""
    path = PurePosixPath(name.replace("\\", "/"))
    for suffixes in (SUFFIXES, VIDEO_SUFFIXES):
        path = path.with_suffix("") if path.suffix.lower() in suffixes else path
    return path.as_posix()
