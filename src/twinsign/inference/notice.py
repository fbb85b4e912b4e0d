"""What is unlike in one recording, and whether the model may still be sure of it: joints, estimator, places, the hand
that leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twinsign.inference.likeness import cropped_hands, leading, likeness_of, movement
from twinsign.inference.shift import COMMON, PARTS, known_statistics, refusal
from twinsign.pose.layout import INDEX, JOINTS, TRUNK
from twinsign.pose.recording import Recording
from twinsign.runs.run import TRAINING_STATISTICS, Run
from twinsign.views.batches import clips_of
from twinsign.views.clips import Clips

ONE_SIDED = 0.9
"""A set of which the same hand leads in so many clips has taught nothing of the other one."""


class Notice(NamedTuple):
    """What a user is to know of an input, in words; `unlike`: so unlike the training clips that no answer is sure."""

    note: str = ""
    unlike: bool = False


class Noticer:
    """Looks at recordings before a RUN names them."""

    def __init__(self, run: Run) -> None:
        known = run.about.get(TRAINING_STATISTICS) or {}
        self.run, self.read = run, run.recipe.read
        self.ignored = [INDEX[name] for name in self.read.crop.ignore]
        self.estimators = list(known.get("estimators", []))
        self.shares = known_statistics(known)[:, 4] if "joints" in known else None
        self.likeness = likeness_of(run)
        self.leader = 0
        if self.likeness is not None and not run.augment.mirrors:
            share = self.likeness.right_leads
            self.leader = 1 if share >= ONE_SIDED else -1 if share <= 1 - ONE_SIDED else 0

    def look(self, recordings: Sequence[Recording], clips: Clips | None = None) -> list[Notice]:
        """A notice of each recording; `clips`: the same ones as cropped for the network, where they are at hand."""
        return [
            Notice("; ".join([*said, *self._left_out(recording)]), unlike)
            for recording, (said, unlike) in zip(recordings, self._strange(recordings, clips), strict=True)
        ]

    def unlike(self, clips: Clips) -> list[bool]:
        """Whether each clip, as cropped for the network, is so unlike the training clips that nothing is sure."""
        return [bool(said) for said in self._beyond(clips)]

    def require(self, recording: Recording) -> None:
        """InputError where a recording is unlike in anything but joints that the model leaves out."""
        said, _ = self._strange([recording], None)[0]
        if said:
            raise refusal("; ".join(said), recording.source or recording.id, self.run.path)

    def _strange(self, recordings: Sequence[Recording], clips: Clips | None) -> list[tuple[list[str], bool]]:
        """What is unlike in each, in words, and whether it is beyond what the clips held out showed."""
        found = [[*self._other_poses(one), *self._missing(one)] for one in recordings]
        beyond = self._beyond(clips_of(recordings, self.read) if clips is None else clips)
        return [([*said, *more], bool(more)) for said, more in zip(found, beyond, strict=True)]

    def _beyond(self, clips: Clips) -> list[list[str]]:
        """Why no answer to each clip can be sure, if so."""
        known, clips = self.likeness, clips.to("cpu")
        if known is None:
            return [[] for _ in range(len(clips))]
        still = (movement(clips) < known.least_movement).tolist()
        measured = (cropped_hands(clips), still, known.distances(clips).tolist(), leading(clips).tolist())
        return [self._reasons(known.limit, *each) for each in zip(*measured, strict=True)]

    def _reasons(self, limit: float, hand: bool, still: bool, distance: float, leader: float) -> list[str]:
        if not hand:
            return ["no joint of a hand that the model learnt from"]
        said = ["nothing moves"] if still else []
        if distance > limit:
            said.append(f"joints in other places (distance {distance:.1f}, limit {limit:.1f})")
        if leader and self.leader not in (leader, 0):
            known = "right" if self.leader > 0 else "left"
            said.append(f"a mirrored picture, or a signer whose leading hand is not the {known} one")
        return said

    def _other_poses(self, recording: Recording) -> list[str]:
        """Whether another estimator saw it than those known, in words."""
        if not recording.estimator or not self.estimators or recording.estimator in self.estimators:
            return []
        return [f"poses by {recording.estimator} instead of {', '.join(self.estimators)}"]

    def _missing(self, recording: Recording) -> list[str]:
        """Parts that nearly all training clips showed and this one does not; a clip may well be of one hand."""
        if self.shares is None:
            return []
        common = [part for part, joints in PARTS.items() if np.median(self.shares[joints]) >= 1 - COMMON]
        return [f"no {part}" for part in common if not recording.seen[:, PARTS[part]].any()]

    def _left_out(self, recording: Recording) -> list[str]:
        """Joints that it shows and the model leaves out, in words."""
        joints = [joint for joint in self.ignored if recording.seen[:, joint].any()]
        return [f"{_named(joints)} left out, which the training clips do not show"] if joints else []


def _named(joints: Sequence[int]) -> str:
    everything = set(range(len(JOINTS))[TRUNK])
    if everything <= {*joints}:
        others = [joint for joint in joints if joint not in everything]
        return "the trunk" + (f" and {_named(others)}" if others else "")
    names = [JOINTS[joint].replace("_", " ") for joint in joints]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more joints" if len(names) > 3 else "")
