"""One pickle of many clips by name, in pixels, as of NLA-SLR: {name: {"keypoints": (T 133 3)}} or {name: (T 133 3)}."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.read import pickles
from twinsign.pose.read.pose_set import PoseSet
from twinsign.pose.recording import Recording


@dataclass(frozen=True)
class NamedPickle(PoseSet):
    """The clips of a dictionary, in its order; each may be in any layout of a pickle of one clip."""

    clips: Mapping[str, object]

    def _read(self, number: int, clip: ClipFile) -> Recording:
        value = self.clips[clip.id]
        content = value if isinstance(value, dict) else {"keypoints": value}
        if "keypoints" not in content:
            raise clip.error(f"keys {', '.join(map(str, content)) or '(none)'}"[:200], "keypoints")
        return pickles.from_content(clip, content)


def holds(content: object) -> bool:
    """Whether an unpickled value is a dictionary of clips by name."""
    if not isinstance(content, dict) or not content or "keypoints" in content:
        return False
    first = next(iter(content.values()))
    return all(isinstance(name, str) for name in content) and (
        isinstance(first, np.ndarray) or (isinstance(first, dict) and "keypoints" in first)
    )


def from_content(file: ClipFile, content: dict[str, object]) -> NamedPickle:
    """The set of an unpickled dictionary that `holds` such clips."""
    return NamedPickle(file, [{"id": name} for name in content], content)
