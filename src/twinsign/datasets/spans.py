"""The frames of a source video that a clip covers, and whether a pose file shows the clip or the whole video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from twinsign.errors import InputError
from twinsign.pose.recording import Recording

Frames = Literal["auto", "clip", "video"]
"""What pose files show: the clip alone, the whole source video, or whatever their lengths say."""
SHORTEST, LONGEST = 0.75, 2.5
"""A file so many times as long as the clip shows the clip alone: 24 to 60 frames a second for 25 to 30, and slack."""
SHORT_OF_END = 0.9
"""A file that reaches so far towards the clip's last frame shows the whole video: decoders lose frames at the end."""


@dataclass(frozen=True)
class Span:
    """Frames first to last - 1 of a source video, last None: to its end; fps None: counted in the file's own frames."""

    first: int
    last: int | None
    fps: float | None = None


def cut(recording: Recording, span: Span, frames: Frames = "auto") -> Recording:
    """The clip's frames of a recording; with "auto" decided by its length.

    A file 0.75 to 2.5 times as long as the clip is the clip; a longer one that reaches the clip's end is the video; a
    clip that reaches to its video's end is left as it is. Raises InputError where neither fits, and with "video" where
    the file ends before the clip begins.
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
            raise InputError(
                f"{length} frames",
                f"the clip's {clip}, or a whole video of {last} at least",
                file=recording.source or None,
                clip=recording.id,
                hint="Say what the files show: --frames clip or --frames video.",
            )
    last = min(max(last, first + 1), length)
    if first >= last:
        problem = f"{length} frames of a clip that begins at frame {first}"
        raise InputError(problem, "the whole source video", file=recording.source or None, clip=recording.id)
    note = f"frames {first} to {last - 1} of {length} taken"
    notes = (*recording.notes, note)
    return replace(recording, xy=recording.xy[first:last], score=recording.score[first:last], notes=notes)
