"""The frames of a source video that a clip covers, and whether a pose file shows the clip or the whole video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from twinsign.errors import InputError
from twinsign.pose.recording import Recording

Frames = Literal["auto", "clip", "video"]
"""What pose files show: the clip alone, the whole source video, or whichever their lengths fit."""
SHORTEST, LONGEST = 0.75, 2.5
"""Range of a file's length, in clip lengths, in which it shows only the clip: 24 to 60 frames a second for 25 to 30."""
SHORT_OF_END = 0.9
"""Least length, of the frames up to the clip's end, of a file of the whole video: decoders lose frames at the end."""


@dataclass(frozen=True)
class Span:
    """Frames first to last - 1 of a source video; last None: to its end; fps None: at the file's own frame rate."""

    first: int
    last: int | None
    fps: float | None = None


def cut(recording: Recording, span: Span, frames: Frames = "auto") -> Recording:
    """Cut a recording to the clip's frames; with "auto", its length decides whether it shows the clip or the video.

    A file 0.75 to 2.5 times as long as the clip is the clip; a longer one that reaches the clip's end is the video; a
    clip that extends to its video's end is not cut. Raises InputError where neither fits, and with "video" where the
    file ends before the clip begins.
    """
    length = len(recording.xy)
    rate = recording.fps / span.fps if recording.fps and span.fps else 1.0
    first, last = round(span.first * rate), length if span.last is None else round(span.last * rate)
    if frames == "clip" or (frames == "auto" and span.last is None):
        return recording
    if frames == "auto":
        clip = max(last - first, 1)
        if SHORTEST * clip <= length <= LONGEST * clip:
            return recording
        if length < SHORT_OF_END * last:
            wanted = f"the clip's {clip}, or a whole video of {last} at least"
            hint = "Say what the files show: --frames clip or --frames video."
            raise InputError(f"{length} frames", wanted, file=recording.source or None, clip=recording.id, hint=hint)
    last = min(max(last, first + 1), length)
    if first >= last:
        problem = f"{length} frames of a clip that begins at frame {first}"
        raise InputError(problem, "the whole source video", file=recording.source or None, clip=recording.id)
    notes = (*recording.notes, f"frames {first} to {last - 1} of {length} taken")
    return replace(recording, xy=recording.xy[first:last], score=recording.score[first:last], notes=notes)
