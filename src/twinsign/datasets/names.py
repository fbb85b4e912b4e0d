"""Names of pose files and of the clips in them."""

from __future__ import annotations

from pathlib import PurePosixPath

SUFFIXES = (".pose", ".json", ".npz", ".npy", ".pkl", ".pickle", ".parquet")
"""Endings of files that hold one clip; a folder of OpenPose JSON is one clip too."""
OPENPOSE_FRAME = "_keypoints.json"
VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".flv", ".swf")


def plain_name(name: str) -> str:
    """A clip's name without the endings of pose file and video: a/01.mp4.pose is a/01."""
    path = PurePosixPath(name.replace("\\", "/"))
    for suffixes in (SUFFIXES, VIDEO_SUFFIXES):
        path = path.with_suffix("") if path.suffix.lower() in suffixes else path
    return path.as_posix()
