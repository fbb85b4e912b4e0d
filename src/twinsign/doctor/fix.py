"""A cleaned pack: copies and clips without content leave train; val and test stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twinsign import __version__
from twinsign.doctor.copies import identical
from twinsign.doctor.exam import Exam
from twinsign.pack.subset import rewrite


class Dropped(NamedTuple):
    """A clip by place in the exam, and why it goes."""

    place: int
    why: str


def to_drop(exam: Exam, near: Sequence[Sequence[str]] = ()) -> list[Dropped]:
    """What to leave out, in order; `near`: pairs of names that count as identical, too.

    Of copies of a val or test clip all others outside val and test go; of copies elsewhere one stays, or none where
    their glosses differ. Clips outside val and test without a hand, or of one frame, go.
    """
    dropped: dict[int, str] = {}
    empty = (exam.number("hand_frames") == 0) & ~exam.held
    short = (exam.number("frames") == 1) & ~exam.held
    dropped |= dict.fromkeys(np.flatnonzero(short).tolist(), "one frame")
    dropped |= dict.fromkeys(np.flatnonzero(empty).tolist(), "no hand")
    place = {name: number for number, name in enumerate(exam.name)}
    pairs = [[place[name] for name in pair] for pair in near]
    for what, groups in (("identical", identical(exam)), ("nearly identical", pairs)):
        for group in groups:
            left = [one for one in group if one not in dropped]
            if len(left) > 1:
                dropped |= _of_group(exam, left, what)
    return [Dropped(number, why) for number, why in sorted(dropped.items())]


def _of_group(exam: Exam, group: list[int], what: str) -> dict[int, str]:
    held = [one for one in group if exam.held[one]]
    rest = [one for one in group if not exam.held[one]]
    if held:
        return dict.fromkeys(rest, f"{what} to {exam.name[held[0]]} of {exam.split[held[0]]}")
    glosses = sorted({str(exam.gloss[one]) for one in rest} - {""})
    if len(glosses) > 1:
        return dict.fromkeys(rest, f"{what} clips with glosses {', '.join(glosses)}")
    kept = min(rest, key=lambda one: (exam.gloss[one] == "", exam.split[one] != "train", one))
    return dict.fromkeys((one for one in rest if one != kept), f"{what} to {exam.name[kept]}")


def write_fixed(exam: Exam, dropped: Sequence[Dropped], out: Path) -> None:
    """Write the pack without the dropped clips; InputError as by `rewrite`."""
    kept = np.ones(len(exam), bool)
    kept[[one.place for one in dropped]] = False
    rewrite(exam.pack, kept, out, {"fixed": _note(exam, dropped, Path(exam.pack.paths[0]))})


def _note(exam: Exam, dropped: Sequence[Dropped], source: Path) -> dict[str, Any]:
    return {
        "twinsign": __version__,
        "of": str(source),
        "dropped": {exam.name[one.place]: one.why for one in dropped},
    }
