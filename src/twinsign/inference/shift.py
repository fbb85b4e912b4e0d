"""Distribution shift between a set of clips and the training clips: estimators, missing parts, joints' statistics.

A RUN keeps those of a sample of its training clips, cropped as the network sees them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.inference.likeness import cropped_batches, fit_likeness
from twinsign.pack.open import Indices, Pack
from twinsign.pose.layout import JOINTS, LEFT_HAND, RIGHT_HAND, TRUNK
from twinsign.runs.run import TRAINING_STATISTICS, Run
from twinsign.terminal import escape_controls
from twinsign.views.config import ReadConfig

log = logging.getLogger("twinsign")
SAMPLE = 256
"""Clips measured at most, drawn with a fixed seed."""
BATCH = 64
SHIFTED = 0.5
"""Standard deviations by which a joint's mean may differ. WLASL's splits differ by up to 0.4 (MediaPipe Hands alike),
WLASL and webcam clips by 0.9 and more, hands with and without a body by 1.1 and more (docs/data.md)."""
NOISE = 3.0
"""Allowed besides, over the root of the number of clips: two samples of one source differ by chance."""
COMMON, RARE = 0.3, 0.1
"""A joint is missing where it was seen in `COMMON` of the frames or more, and now in less than `RARE` of that share."""
LEAST_SEEN = 0.02
"""Joints seen in fewer frames are not compared."""
LEAST_DEVIATION = 1e-3
"""Least standard deviation that counts, in crop coordinates."""
WORST = 3
"""Joints named in a message."""
PARTS = {"right hand": RIGHT_HAND, "left hand": LEFT_HAND, "trunk": TRUNK}
Statistics = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """How clips differ from the training clips; false where they do not."""

    estimators: dict[str, list[str]]
    """`learnt` and `met`, if none is shared."""
    missing: list[str]
    """Joints common in the training clips and rare here."""
    unknown: list[str]
    """Joints common here and rare in the training clips."""
    median: float
    """Of all joints' shifts, in standard deviations of the training clips."""
    joints: dict[str, float]
    """Joints shifted by more than chance allows, the worst first, in standard deviations."""

    def __bool__(self) -> bool:
        return bool(self.estimators or self.missing or self.unknown or self.joints)

    def __str__(self) -> str:
        reasons = []
        if self.estimators:
            learnt, met = (", ".join(self.estimators[name]) for name in ("learnt", "met"))
            reasons.append(f"poses by {met} instead of {learnt}")
        if self.missing:
            reasons.append(f"no {list_joints(self.missing)}")
        if self.unknown:
            reasons.append(f"{list_joints(self.unknown)}, which the network never saw")
        if self.joints:
            worst = ", ".join(f"{name} by {value:.1f}" for name, value in list(self.joints.items())[:WORST])
            reasons.append(
                f"{len(self.joints)} joints shifted by more standard deviations than chance and {SHIFTED} allow"
                f" (median of all {self.median:.1f}; {worst})"
            )
        return "; ".join(reasons)


def training_statistics(pack: Pack, rows: Indices, read: ReadConfig, held_out: Indices | None = None) -> dict[str, Any]:
    """What a RUN keeps of its training clips: provenance, estimators, each joint's statistics, and their likeness.

    `held_out`: rows that show how far clips of the same kind lie from the training clips.
    """
    statistics, clips = joint_statistics(pack, rows, read)
    kept = ("twinsign", "command", "dataset", "estimators", "fps", "sizes", "files")
    notes = [note for number, note in enumerate(pack.provenance) if note not in pack.provenance[:number]]  # of shards
    lines = [" ".join(f"{value:.4f}" for value in row) for row in statistics]
    return {
        "packs": [{name: note[name] for name in kept if note.get(name)} for note in notes],
        "estimators": list_estimators(pack, rows),
        "clips_measured": clips,
        "joints": dict(zip(JOINTS, lines, strict=True)),
        "likeness": fit_likeness(pack, rows, read, held_out).as_dict(),
    }


def joint_statistics(pack: Pack, rows: Indices, read: ReadConfig) -> tuple[Statistics, int]:
    """Mean x, mean y, deviation x, deviation y and share of frames seen of each joint (49 5), and clips measured."""
    sample = np.random.default_rng(0).permutation(rows)[:SAMPLE]
    frames, counts, sums, squares = 0, np.zeros(len(JOINTS)), np.zeros((len(JOINTS), 2)), np.zeros((len(JOINTS), 2))
    for clips in cropped_batches(pack, sample, read, BATCH):
        seen = clips.seen.numpy()
        xy = np.where(seen[..., None], clips.xy.double().numpy(), 0)
        frames += len(seen)
        counts += seen.sum(axis=0)
        sums += xy.sum(axis=0)
        squares += (xy**2).sum(axis=0)
    seen_frames = np.maximum(counts, 1)[:, None]
    mean = sums / seen_frames
    deviation = np.sqrt(np.maximum(squares / seen_frames - mean**2, 0))
    return np.column_stack([mean, deviation, counts / max(frames, 1)]), len(sample)


def shift_of(learnt: Mapping[str, Any], pack: Pack, rows: Indices, read: ReadConfig) -> Shift:
    """How these rows differ from the clips of a RUN's `training_statistics`."""
    statistics, clips = joint_statistics(pack, rows, read)
    before = parse_statistics(learnt)
    was, now = before[:, 4], statistics[:, 4]
    moved = np.abs(statistics[:, :2] - before[:, :2]) / np.maximum(before[:, 2:4], LEAST_DEVIATION)
    compared = (was >= LEAST_SEEN) & (now >= LEAST_SEEN)
    shifts = np.where(compared, moved.max(axis=1), 0.0)
    allowed = SHIFTED + NOISE / np.sqrt(min(clips, int(learnt["clips_measured"])))
    worst = [joint for joint in np.argsort(-shifts, kind="stable").tolist() if shifts[joint] > allowed]
    estimators = {"learnt": list(learnt["estimators"]), "met": list_estimators(pack, rows)}
    differ = all(estimators.values()) and not set(estimators["learnt"]) & set(estimators["met"])
    return Shift(
        estimators if differ else {},
        [JOINTS[joint] for joint in np.flatnonzero((was >= COMMON) & (now < RARE * was))],
        [JOINTS[joint] for joint in np.flatnonzero((now >= COMMON) & (was < RARE * now))],
        round(float(np.median(shifts[compared])), 3) if compared.any() else 0.0,
        {JOINTS[joint]: round(float(shifts[joint]), 3) for joint in worst},
    )


def check_shift(run: Run, pack: Pack, rows: Indices, read: ReadConfig, strict: bool) -> dict[str, Any] | None:
    """The `Shift` of these rows as a dict, None where the RUN keeps no statistics; warns of it or (strict) raises."""
    learnt = run.about.get(TRAINING_STATISTICS)
    if not learnt:
        return None
    shift = shift_of(learnt, pack, rows, read)
    if shift and strict:
        raise shift_error(str(shift), pack.paths[0], run)
    if shift:
        words = map(escape_controls, (pack.paths[0], run.path, str(shift)))
        log.warning("note: %s is unlike the clips that %s learnt from: %s", *words)
    return asdict(shift)


def parse_statistics(learnt: Mapping[str, Any]) -> Statistics:
    """The joint statistics (49 5) that `training_statistics` keeps."""
    return np.asarray([str(learnt["joints"][name]).split() for name in JOINTS], np.float64)


def list_estimators(pack: Pack, rows: Indices) -> list[str]:
    """Names of the pose estimators of these rows, sorted."""
    return sorted(filter(None, pc.unique(pack.table["estimator"].take(rows)).to_pylist()))


def shift_error(shift: str, file: str | PathLike[str], run: Run) -> InputError:
    """The error where clips are unlike those that a RUN learnt from, and `--strict` is given."""
    wanted = f"clips like those that {run.path} learnt from"
    return InputError(shift, wanted, file=file, hint="Without --strict: a warning.")


def list_joints(names: Sequence[str]) -> str:
    """The first `WORST` names, and how many follow."""
    return ", ".join(names[:WORST]) + (f" and {len(names) - WORST} more joints" if len(names) > WORST else "")
