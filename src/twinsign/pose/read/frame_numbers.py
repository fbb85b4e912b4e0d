"""Frame numbers to places in time: a frame that is missing stays as one in which nothing is seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.recording import FloatArray

MOST_MISSING = 0.5
"""The share of a clip's frames that may be missing: more is a clip of something else."""
_LISTED = 5


def in_time(
    clip: ClipFile, numbers: Sequence[int], frames: Sequence[list[FloatArray]]
) -> tuple[list[list[FloatArray]], tuple[str, ...]]:
    """Each frame's persons at its place in time, none in missing frames; notes of those, InputError of too many."""
    found_at, notes = places(clip, numbers)
    spread: list[list[FloatArray]] = [[] for _ in range(found_at[-1] + 1 if found_at else 0)]
    for place, persons in zip(found_at, frames, strict=True):
        spread[place] = persons
    return spread, notes


def places(clip: ClipFile, numbers: Sequence[int]) -> tuple[list[int], tuple[str, ...]]:
    """The place from 0 of each frame, and notes of what is missing; InputError where numbers fall or most are absent.

    A constant step, as of every second frame, is none missing: it is the clip's own time.
    """
    if not numbers:
        return [], ()
    steps = [after - before for before, after in pairwise(numbers)]
    fall = next((place for place, step in enumerate(steps, 1) if step <= 0), None)
    if fall is not None:
        found = f"frame number {numbers[fall]} after {numbers[fall - 1]}"
        raise clip.error(found, "frame numbers that rise", frame=fall)
    step = math.gcd(*steps) or 1
    found_at = [(number - numbers[0]) // step for number in numbers]
    notes = [f"frame numbers {step} apart: the frame rate is that of the frames there"] if step > 1 else []
    count = found_at[-1] + 1
    if count - len(numbers) > MOST_MISSING * count:
        found = f"{len(numbers)} frames numbered {numbers[0]} to {numbers[-1]}"
        raise clip.error(found, "the frames of one clip", hint=f"{count - len(numbers)} are missing.")
    if count > len(numbers):
        present = set(found_at)
        absent = [numbers[0] + step * place for place in range(count) if place not in present]
        listed = ", ".join(map(str, absent[:_LISTED])) + (", …" if len(absent) > _LISTED else "")
        notes.append(f"{len(absent)} of {count} frames missing ({listed}): nothing seen there")
    return found_at, tuple(notes)
