"""What is unlike the training clips in one recording, and whether the model may still be sure of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twinsign.inference.likeness import hands_seen, leading_side, load_likeness, movement
from twinsign.inference.shift import COMMON, PARTS, list_joints, parse_statistics, shift_error
from twinsign.pose.layout import INDEX, JOINTS, TRUNK
from twinsign.pose.recording import Recording
from twinsign.runs.run import TRAINING_STATISTICS, Run
from twinsign.views.batches import collate_recordings
from twinsign.views.clips import Clips

ONE_SIDED = 0.9
"""Where the same hand leads in this share of the training clips, the network learnt nothing of the other one."""


class Notice(NamedTuple):
    """A note on an input for the user; `unlike`: it differs so much from the training clips that no answer is sure."""

    note: str = ""
    unlike: bool = False


class Noticer:
    """Compares recordings with a RUN's training clips: joints, estimator, places, the leading hand."""

    def __init__(self, run: Run) -> None:
        learnt = run.about.get(TRAINING_STATISTICS) or {}
        self.run, self.read = run, run.recipe.read
        self.estimators = list(learnt.get("estimators", []))
        shares = parse_statistics(learnt)[:, 4] if "joints" in learnt else np.zeros(len(JOINTS))
        self.common = [part for part, joints in PARTS.items() if np.median(shares[joints]) >= 1 - COMMON]
        self.likeness = load_likeness(run)
        self.leader = 0
        if self.likeness is not None and not run.augment.mirrors:
            share = self.likeness.right_leads
            self.leader = 1 if share >= ONE_SIDED else -1 if share <= 1 - ONE_SIDED else 0

    def compare(self, recordings: Sequence[Recording], clips: Clips | None = None) -> list[Notice]:
        """A notice of each recording; `clips`: the same ones as cropped for the network, if already computed."""
        reasons = self._unsure(collate_recordings(recordings, self.read) if clips is None else clips)
        return [
            Notice("; ".join([*self._other_poses(recording), *unsure, *self._left_out(recording)]), bool(unsure))
            for recording, unsure in zip(recordings, reasons, strict=True)
        ]

    def unlike(self, clips: Clips) -> list[bool]:
        """Whether each clip, as cropped for the network, is so unlike the training clips that no answer is sure."""
        return [bool(reasons) for reasons in self._unsure(clips)]

    def require(self, recording: Recording) -> None:
        """InputError where a recording is unlike in anything but joints that the model leaves out."""
        reasons = [*self._other_poses(recording), *self._unsure(collate_recordings([recording], self.read))[0]]
        if reasons:
            raise shift_error("; ".join(reasons), recording.source or recording.id, self.run)

    def _unsure(self, clips: Clips) -> list[list[str]]:
        """Why no answer to each clip can be sure, if so."""
        likeness, clips = self.likeness, clips.to("cpu")
        if likeness is None:
            return [[] for _ in range(len(clips))]
        still = movement(clips) < likeness.least_movement
        measured = (hands_seen(clips), still, likeness.distances(clips), leading_side(clips))
        reasons = []
        for hand, is_still, distance, leader in zip(*(values.tolist() for values in measured), strict=True):
            unsure = ["nothing moves"] if is_still else []
            if distance > likeness.limit:
                unsure.append(f"joints in other places (distance {distance:.1f}, limit {likeness.limit:.1f})")
            if self.leader and leader == -self.leader:
                hand_name = "right" if self.leader > 0 else "left"
                unsure.append(f"a mirrored picture, or a signer whose leading hand is not the {hand_name} one")
            reasons.append(unsure if hand else ["no joint of a hand that the model learnt from"])
        return reasons

    def _other_poses(self, recording: Recording) -> list[str]:
        """An estimator that the training clips do not have, and missing parts that nearly all of them show."""
        reasons = [f"no {part}" for part in self.common if not recording.seen[:, PARTS[part]].any()]
        if recording.estimator and self.estimators and recording.estimator not in self.estimators:
            reasons.insert(0, f"poses by {recording.estimator} instead of {', '.join(self.estimators)}")
        return reasons

    def _left_out(self, recording: Recording) -> list[str]:
        """Joints that it shows and the model ignores."""
        ignored = [name for name in self.read.crop.ignore if recording.seen[:, INDEX[name]].any()]
        trunk = ["the trunk"] if {*JOINTS[TRUNK]} <= {*ignored} else []
        names = [name.replace("_", " ") for name in ignored if not trunk or name not in JOINTS[TRUNK]]
        parts = [*trunk, *([list_joints(names)] if names else [])]
        return [f"{' and '.join(parts)} left out, which the training clips do not show"] if parts else []
