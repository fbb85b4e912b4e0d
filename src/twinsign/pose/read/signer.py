"""Following the signer where a frame shows several persons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.layout import JOINT_COUNT, TRUNK
from twinsign.pose.recording import FloatArray

REACH = 0.25
"""How far the signer may move between frames where seen, in image diagonals; farther off is someone else."""


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
    """The signer among each frame's persons (49 3), x and y in pixels of `size`, or in fractions of size (1, 1).

    The start is the most prominent person of the clip: large, confident, near the image's centre. From there, both ways
    in time, the signer is the person nearest to where the signer was last, within REACH.
    """
    track = np.zeros((len(frames), JOINT_COUNT, 3), np.float32)
    persons = [[person for person in frame if (person[:, 2] > 0).any()] for frame in frames]
    measured = [_measured(frame) for frame in persons]
    shown = [
        (float(prominent.max()), -t, int(prominent.argmax()))
        for t, frame in enumerate(persons)
        if frame and (prominent := _prominence(frame, *measured[t], size)).size
    ]
    if not shown:
        return Track(track, ())
    _, before, number = max(shown)
    start = -before
    taken = {start: persons[start][number]}
    for times in (range(start + 1, len(frames)), range(start - 1, -1, -1)):
        centre = measured[start][0][number]
        for t in (t for t in times if persons[t]):
            distances = np.hypot(*(measured[t][0] - centre).T)
            nearest = int(distances.argmin())
            if distances[nearest] <= REACH * np.hypot(*size):
                taken[t], centre = persons[t][nearest], measured[t][0][nearest]
    for t, one in taken.items():
        track[t] = one
    return Track(track, _notes(frames, persons, taken))


def signer_of(clip: ClipFile, persons: FloatArray, size: tuple[int, int]) -> Track:
    """The signer among persons (T M 49 3), who may change places; a single one is taken wherever it goes."""
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


def _measured(persons: Sequence[FloatArray]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score-weighted centres (M 2) and root mean square radii (M); of trunks where seen: they move less than hands."""
    joints = np.asarray(persons, np.float64).reshape(-1, JOINT_COUNT, 3)
    weights = np.maximum(joints[..., 2], 0)
    trunks = np.zeros_like(weights)
    trunks[:, TRUNK] = weights[:, TRUNK]
    weights = np.where(trunks.any(axis=1, keepdims=True), trunks, weights)
    weights /= weights.sum(axis=1, keepdims=True)
    xy = np.where(weights[..., None] > 0, joints[..., :2], 0)
    centres = (xy * weights[..., None]).sum(axis=1)
    squares = ((xy - centres[:, None]) ** 2).sum(axis=2)
    return centres, np.sqrt((squares * weights).sum(axis=1))


def _prominence(
    persons: Sequence[FloatArray],
    centres: NDArray[np.float64],
    radii: NDArray[np.float64],
    size: tuple[int, int],
) -> NDArray[np.float64]:
    """How prominent each person (M) is: large, confident, near the image's centre."""
    off_centre = np.hypot(*(centres - np.asarray(size) / 2).T) / np.hypot(*size)
    sums = np.asarray(persons)[..., 2].sum(axis=1, dtype=np.float64)
    found: NDArray[np.float64] = radii * sums * np.maximum(1 - off_centre, 0)
    return found
