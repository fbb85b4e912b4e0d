"""Following the signer where a frame shows several persons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.layout import JOINT_COUNT, TRUNK
from twinsign.pose.read.clip_file import ClipFile
from twinsign.pose.recording import FloatArray

REACH = 0.25
"""How far the signer may move between frames where seen, in image diagonals; farther off is someone else (ours)."""


class Track(NamedTuple):
    """The signer's x, y, score (T 49 3), zeros where unseen, and notes of who was taken."""

    joints: FloatArray
    notes: tuple[str, ...]

    @property
    def xy(self) -> FloatArray:
        """Coordinates (T 49 2)."""
        return self.joints[..., :2]

    @property
    def score(self) -> FloatArray:
        """Scores (T 49)."""
        return self.joints[..., 2]


def follow(frames: Sequence[Sequence[FloatArray]], size: tuple[int, int]) -> Track:
    """The signer among each frame's persons (49 3), x and y in pixels of `size`, or in fractions of size (1, 1) (ours).

    The start is the most prominent person of the clip: large, confident, near the image's centre. From there, both ways
    in time, the signer is the person nearest to where the signer was last, within REACH.
    """
    track = np.zeros((len(frames), JOINT_COUNT, 3), np.float32)
    persons = [[person for person in frame if (person[:, 2] > 0).any()] for frame in frames]
    best = max(
        ((_prominence(person, size), t, person) for t, frame in enumerate(persons) for person in frame),
        key=lambda candidate: candidate[0],
        default=None,
    )
    if best is None:
        return Track(track, ())
    _, start, person = best
    taken = {start: person}
    for times in (range(start + 1, len(frames)), range(start - 1, -1, -1)):
        centre = _centre(person)[0]
        for t in times:
            nearest = min(persons[t], key=lambda other: _distance(other, centre), default=None)
            if nearest is not None and _distance(nearest, centre) <= REACH * np.hypot(*size):
                taken[t], centre = nearest, _centre(nearest)[0]
    for t, one in taken.items():
        track[t] = one
    return Track(track, _notes(frames, persons, taken))


def signer_of(clip: ClipFile, persons: FloatArray, size: tuple[int, int]) -> Track:
    """The signer among persons (T M 49 3), who may change places; a single one is taken wherever it goes (ours)."""
    clip.at_most(persons.shape[1], clip.bounds.persons, "persons")
    wrong = (persons[..., 2] > 0) & ~np.isfinite(persons).all(axis=-1)
    if wrong.any():
        frame = int(np.argwhere(wrong)[0, 0])
        raise clip.error("NaN or infinity in a seen joint", "finite coordinates", frame=frame)
    if persons.shape[1] == 1:
        return Track(persons[:, 0], ())
    return follow([list(frame) for frame in persons], size)


def _notes(
    frames: Sequence[Sequence[FloatArray]], persons: Sequence[Sequence[FloatArray]], taken: Mapping[int, FloatArray]
) -> tuple[str, ...]:
    several = sum(len(frame) > 1 for frame in persons)
    others = sum(bool(frame) for frame in persons) - len(taken)
    if not several and not others:
        return ()
    shown = max(sorted(taken), key=lambda t: len(frames[t]))
    number = next(number for number, one in enumerate(frames[shown], 1) if one is taken[shown])
    note = f"several persons in {several} of {len(frames)} frames: followed person {number} of {len(frames[shown])}"
    lost = f", not found in {others} frames that show someone" if others else ""
    return (f"{note} in frame {shown} through {len(taken)} frames{lost}",)


def _centre(person: FloatArray) -> tuple[NDArray[np.float64], float]:
    """Score-weighted centre (x, y) and root mean square radius; of the trunk if seen, which moves less than hands."""
    joints = np.asarray(person[TRUNK] if (person[TRUNK, 2] > 0).any() else person, np.float64)
    seen = joints[joints[:, 2] > 0]
    centre = np.average(seen[:, :2], axis=0, weights=seen[:, 2])
    squares = ((seen[:, :2] - centre) ** 2).sum(axis=1)
    return centre, float(np.sqrt(np.average(squares, weights=seen[:, 2])))


def _distance(person: FloatArray, centre: NDArray[np.float64]) -> float:
    return float(np.hypot(*(_centre(person)[0] - centre)))


def _prominence(person: FloatArray, size: tuple[int, int]) -> float:
    centre, radius = _centre(person)
    off_centre = float(np.hypot(*(centre - np.asarray(size) / 2)) / np.hypot(*size))
    return radius * float(person[:, 2].sum(dtype=np.float64)) * max(1 - off_centre, 0)
