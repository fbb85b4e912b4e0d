"""A cleaned pack: copies and clips without content leave train; val and test stay unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twinsign import __version__
from twinsign.doctor.duplicates import group_identical
from twinsign.doctor.exam import Exam
from twinsign.pack.subset import write_subset


class DroppedClip(NamedTuple):
    """A clip by place in the exam, and why it is left out."""

    place: int
    why: str


def select_dropped(exam: Exam, near: Sequence[Sequence[str]] = ()) -> list[DroppedClip]:
    """The clips to leave out, in order; `near`: pairs of names that also count as identical.

    Of copies of a val or test clip all that are outside val and test are dropped; of copies elsewhere one stays, or
    none where their glosses differ. Clips outside val and test without a hand, or of one frame, are dropped.
    """
    dropped: dict[int, str] = {}
    for column, limit, why in (("frames", 1, "one frame"), ("hand_frames", 0, "no hand")):
        dropped |= dict.fromkeys(np.flatnonzero((exam.number(column) == limit) & ~exam.held).tolist(), why)
    place = {name: number for number, name in enumerate(exam.name)}
    pairs = [[place[name] for name in pair] for pair in near]
    for kind, groups in (("identical", group_identical(exam)), ("nearly identical", pairs)):
        for group in groups:
            left = [clip for clip in group if clip not in dropped]
            if len(left) > 1:
                dropped |= _drop_copies(exam, left, kind)
    return [DroppedClip(number, why) for number, why in sorted(dropped.items())]


def _drop_copies(exam: Exam, group: list[int], kind: str) -> dict[int, str]:
    held = [clip for clip in group if exam.held[clip]]
    outside = [clip for clip in group if not exam.held[clip]]
    if held:
        return dict.fromkeys(outside, f"{kind} to {exam.name[held[0]]} of {exam.split[held[0]]}")
    glosses = sorted({str(exam.gloss[clip]) for clip in outside} - {""})
    if len(glosses) > 1:
        return dict.fromkeys(outside, f"{kind} clips with glosses {', '.join(glosses)}")
    kept = min(outside, key=lambda clip: (exam.gloss[clip] == "", exam.split[clip] != "train", clip))
    return dict.fromkeys((clip for clip in outside if clip != kept), f"{kind} to {exam.name[kept]}")


def write_fixed(exam: Exam, dropped: Sequence[DroppedClip], out: Path) -> None:
    """Write the pack without the dropped clips; InputError as by `write_subset`."""
    kept = np.ones(len(exam), bool)
    kept[[clip.place for clip in dropped]] = False
    reasons = {exam.name[clip.place]: clip.why for clip in dropped}
    note = {"twinsign": __version__, "of": str(Path(exam.pack.paths[0])), "dropped": reasons}
    write_subset(exam.pack, kept, out, {"fixed": note})
