"""Score files side by side: the same clips and glosses in one order, or an error that names what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.evaluation.metrics import Scored
from twinsign.evaluation.scores import ScoreFile, Truth

NAMED = 5
"""Ids or glosses named in a message."""


def aligned(files: Sequence[ScoreFile], common: bool = False) -> list[Scored]:
    """The files' scores of the same clips and glosses in one order: that of the first file that names both.

    With `common` the clips that all files have, else InputError where the sets of clips differ; always where labels or
    the sets of glosses do. Class numbers without glosses are trusted only with labels that agree clip by clip.
    """
    lead = next((one for one in files if one.glosses is not None and one.truth is not None), None)
    if lead is None or lead.glosses is None or lead.truth is None:
        raise InputError("glosses and labels together in no file", "a file with both", file=files[0].path)
    for other in files:
        _check_glosses(lead, lead.glosses, other)
        if not common:
            _check_ids(lead, other)
    shared = set(lead.ids).intersection(*(other.ids for other in files))
    if not shared:
        raise InputError("no clip in common", "score files of the same clips", file=files[-1].path)
    ids = [name for name in lead.ids if name in shared]
    labels = _numbers(lead, lead.truth, lead.glosses, ids)
    return [_arranged(lead, lead.glosses, other, ids, labels) for other in files]


def difference(wanted: Sequence[str], found: Sequence[str]) -> str:
    """In words, with some of the names: "2 missing (a, b), 1 too many (c)"."""
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    said = [
        f"{len(names)} {word} ({', '.join(names[:NAMED])}{', …' if len(names) > NAMED else ''})"
        for names, word in ((missing, "missing"), (extra, "too many"))
        if names
    ]
    return ", ".join(said) or "nothing"


def _arranged(lead: ScoreFile, glosses: list[str], other: ScoreFile, ids: list[str], labels: NDArray[Any]) -> Scored:
    """The other file's scores of these clips in the lead's order; InputError where its labels are others."""
    theirs = labels if other.truth is None else _numbers(other, other.truth, glosses, ids)
    wrong = np.flatnonzero(theirs != labels)
    if len(wrong):
        some = "; ".join(f"{ids[i]}: {glosses[theirs[i]]}, not {glosses[labels[i]]}" for i in wrong[:NAMED])
        raise InputError(f"other labels of {len(wrong)} clips ({some})", f"those of {lead.path}", file=other.path)
    place = {name: row for row, name in enumerate(other.ids)}
    column = {gloss: number for number, gloss in enumerate(other.glosses or glosses)}
    chosen = np.ix_([place[name] for name in ids], [column[gloss] for gloss in glosses])
    return Scored(ids, glosses, labels, other.scores[chosen])


def _numbers(file: ScoreFile, truths: Truth, glosses: list[str], ids: list[str]) -> NDArray[np.int64]:
    """The number in `glosses` of each of these clips' true gloss; InputError names the first that has none."""
    place = {name: row for row, name in enumerate(file.ids)}
    own, number = file.glosses or glosses, {gloss: i for i, gloss in enumerate(glosses)}
    found = np.empty(len(ids), np.int64)
    for row, name in enumerate(ids):
        truth = truths[place[name]]
        gloss = truth if isinstance(truth, str) else own[truth] if 0 <= truth < len(own) else ""
        if gloss not in number:
            raise InputError(f"label {truth}", f"one of the {len(own)} classes", file=file.path, clip=name)
        found[row] = number[gloss]
    return found


def _check_glosses(lead: ScoreFile, glosses: list[str], other: ScoreFile) -> None:
    if other.glosses is None:
        if other.truth is None:
            raise InputError("neither glosses nor labels", "one of them, to know its classes by", file=other.path)
        if other.scores.shape[1] != len(glosses):
            found = f"{other.scores.shape[1]} classes without names"
            raise InputError(found, f"the {len(glosses)} of {lead.path}", file=other.path)
    elif set(other.glosses) != set(glosses):
        found = f"other classes: {difference(glosses, other.glosses)}"
        raise InputError(found, f"the {len(glosses)} glosses of {lead.path}", file=other.path)


def _check_ids(lead: ScoreFile, other: ScoreFile) -> None:
    if set(other.ids) != set(lead.ids):
        hint = "--common takes the clips that all files have."
        found = f"other clips: {difference(lead.ids, other.ids)}"
        raise InputError(found, f"the {len(lead.ids)} clips of {lead.path}", file=other.path, hint=hint)
