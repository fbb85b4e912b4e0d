"""From the frames of a file to the recording of one signer: frame numbers to places in time, and whom to follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.clip_file import NOTHING_STATED, ClipFile
from twinsign.pose.layout import JOINT_COUNT, TRUNK
from twinsign.pose.recording import FloatArray, Recording, Unit

MAX_MISSING = 0.5
"""The share of a clip's frames that may be missing: with more, the frames are not of one clip."""
_LISTED = 5
REACH = 0.25
"""How far the signer may move between frames where seen, in image diagonals; farther off is someone else."""
Frame = TypeVar("Frame")
Persons = Sequence[Sequence[FloatArray]]
"""For each frame, the joints (49 3) of x, y, score of each of its persons."""


def spread_in_time(
    clip: ClipFile, numbers: Sequence[int], frames: Sequence[Frame], missing: Frame
) -> tuple[list[Frame], tuple[str, ...]]:
    """The frames at their places in time, `missing` where a number is absent, and notes of what is missing.

    A constant step, as of every second frame, leaves no gaps: it is the clip's own time. Raises InputError where
    numbers do not rise or most are absent.
    """
    if not numbers:
        return [], ()
    steps = [after - before for before, after in pairwise(numbers)]
    fall = next((frame for frame, step in enumerate(steps, 1) if step <= 0), None)
    if fall is not None:
        problem = f"frame number {numbers[fall]} after {numbers[fall - 1]}"
        raise clip.error(problem, "frame numbers that rise", frame=fall)
    step = math.gcd(*steps) or 1
    notes = [f"frame numbers {step} apart: the frame rate is that of the frames present"] if step > 1 else []
    count = (numbers[-1] - numbers[0]) // step + 1
    if count - len(numbers) > MAX_MISSING * count:
        problem = f"{len(numbers)} frames numbered {numbers[0]} to {numbers[-1]}"
        raise clip.error(problem, "the frames of one clip", hint=f"{count - len(numbers)} are missing.")
    by_number = dict(zip(numbers, frames, strict=True))
    expected = range(numbers[0], numbers[-1] + 1, step)
    absent = [number for number in expected if number not in by_number]
    if absent:
        listed = ", ".join(map(str, absent[:_LISTED])) + (", …" if len(absent) > _LISTED else "")
        notes.append(f"{len(absent)} of {count} frames missing ({listed}): nothing seen there")
    return [by_number.get(number, missing) for number in expected], tuple(notes)


def check_finite(clip: ClipFile, joints: FloatArray, frame: int) -> FloatArray:
    """The joints (... 3) of one frame; InputError if a coordinate or score is NaN or infinite."""
    if not np.isfinite(joints).all():
        raise clip.error("NaN or infinity in keypoints", "finite coordinates and scores", frame=frame)
    return joints


def record_signer(
    clip: ClipFile,
    persons: Persons | FloatArray,
    *,
    unit: Unit,
    stated: Mapping[str, object] = NOTHING_STATED,
    estimator: str,
    notes: tuple[str, ...] = (),
) -> Recording:
    """The recording of the signer among each frame's persons, lists of (49 3) or one array (T M 49 3).

    Persons of an array may change places; where it has one, that one is the signer wherever the person goes.
    """
    extent = clip.extent(unit, stated)
    if isinstance(persons, np.ndarray):
        clip.at_most(persons.shape[1], clip.bounds.persons, "persons")
        wrong = (persons[..., 2] > 0) & ~np.isfinite(persons).all(axis=-1)
        if wrong.any():
            frame = int(np.argwhere(wrong)[0, 0])
            raise clip.error("NaN or infinity in a seen joint", "finite coordinates", frame=frame)
    if isinstance(persons, np.ndarray) and persons.shape[1] == 1:
        joints, note = persons[:, 0], ""
    else:
        joints, note = follow_signer([list(frame) for frame in persons], extent)
    notes = (*notes, note) if note else notes
    return clip.recording(joints[..., :2], joints[..., 2], unit=unit, stated=stated, estimator=estimator, notes=notes)


def follow_signer(frames: Persons, size: tuple[int, int]) -> tuple[FloatArray, str]:
    """The signer's joints (T 49 3), zeros where unseen, and a note of who was followed, empty where there is no choice.

    Coordinates are pixels of `size`, or fractions of size (1, 1). The start is the most prominent person of the clip:
    large, confident, near the image's centre. From there, both ways in time, the signer is the person nearest to where
    the signer was last, within REACH.
    """
    track = np.zeros((len(frames), JOINT_COUNT, 3), np.float32)
    persons = [[person for person in frame if (person[:, 2] > 0).any()] for frame in frames]
    centres, prominences = zip(*(_measure(frame, size) for frame in persons), strict=True) if persons else ((), ())
    shown = [t for t, frame in enumerate(persons) if frame]
    if not shown:
        return track, ""
    start = max(shown, key=lambda t: float(prominences[t].max()))
    first = int(prominences[start].argmax())
    followed = {start: persons[start][first]}
    for times in (range(start + 1, len(frames)), range(start - 1, -1, -1)):
        centre = centres[start][first]
        for t in filter(persons.__getitem__, times):
            distances = np.hypot(*(centres[t] - centre).T)
            nearest = int(distances.argmin())
            if distances[nearest] <= REACH * np.hypot(*size):
                followed[t], centre = persons[t][nearest], centres[t][nearest]
    for t, person in followed.items():
        track[t] = person
    return track, _describe(frames, persons, followed)


def _describe(frames: Persons, persons: Persons, followed: Mapping[int, FloatArray]) -> str:
    several = sum(len(frame) > 1 for frame in persons)
    lost = sum(bool(frame) for frame in persons) - len(followed)
    if not several and not lost:
        return ""
    shown = max(sorted(followed), key=lambda t: len(frames[t]))
    number = next(number for number, person in enumerate(frames[shown], 1) if person is followed[shown])
    note = f"several persons in {several} of {len(frames)} frames: followed person {number} of {len(frames[shown])}"
    ending = f", not found in {lost} frames that show someone" if lost else ""
    return f"{note} in frame {shown} through {len(followed)} frames{ending}"


def _measure(persons: Sequence[FloatArray], size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres (M 2) of persons, and how prominent each is (M): large, confident, near the image's centre.

    Centres are weighted by score, and of trunks where seen: they move less than hands.
    """
    joints = np.asarray(persons, np.float64).reshape(-1, JOINT_COUNT, 3)
    weights = np.maximum(joints[..., 2], 0)
    trunks = np.zeros_like(weights)
    trunks[:, TRUNK] = weights[:, TRUNK]
    weights = np.where(trunks.any(axis=1, keepdims=True), trunks, weights)
    weights /= weights.sum(axis=1, keepdims=True)
    xy = np.where(weights[..., None] > 0, joints[..., :2], 0)
    centres = (xy * weights[..., None]).sum(axis=1)
    radii = np.sqrt((((xy - centres[:, None]) ** 2).sum(axis=2) * weights).sum(axis=1))
    off_centre = np.hypot(*(centres - np.asarray(size) / 2).T) / np.hypot(*size)
    return centres, radii * joints[..., 2].sum(axis=1) * np.maximum(1 - off_centre, 0)
