"""Cross-validation inside a split: which of its clips a fold holds out, so that val and test stay unseen."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from twinsign.errors import InputError
from twinsign.pack.open import Indices, Pack


def held_out(pack: Pack, rows: Indices, folds: int, fold: int, by: str | None = None, seed: int = 0) -> Indices:
    """Those of `rows` that fold 0 … folds - 1 holds out; the folds are disjoint and glosses spread evenly.

    Clips of identical poses, and those with one value in the column `by` (signer, recording session), are never on two
    sides; clips without a gloss are never held out. Raises InputError where a clip has no value in `by`, or there are
    fewer groups, or clips of each gloss, than folds.
    """
    if folds < 2 or not 0 <= fold < folds:
        raise InputError(f"fold {fold} of {folds}", "two folds or more, and one of 0 to their number less 1")
    file = pack.paths[0]
    glosses = np.asarray([gloss or "" for gloss in pack.table["gloss"].take(rows).to_pylist()], dtype=object)
    rows, glosses = rows[glosses != ""], glosses[glosses != ""]
    if not len(rows):
        raise InputError("no clip with a gloss", "labelled clips", file=file)
    groups = _groups(pack, rows, by)
    if len(set(groups)) < folds:
        raise InputError(f"{len(set(groups))} groups of clips", f"one or more for each of {folds} folds", file=file)
    gloss, most = Counter(glosses.tolist()).most_common(1)[0]
    if most < folds:
        raise InputError(f"{most} clips of {gloss!r}, the most of any gloss", f"{folds}, one a fold", file=file)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # that some glosses have fewer clips than there are folds
        warnings.filterwarnings("ignore", "The least populated class")
        held = [test for _, test in splitter.split(rows, glosses.astype(str), groups)][fold]
    return np.sort(rows[held])


def _groups(pack: Pack, rows: Indices, by: str | None) -> list[str]:
    """A name for each row, equal where clips must stay together: copies, and groups that share a copy."""
    hashes = pack.pose_hashes(rows)
    if by is None:
        return hashes
    values = pack.column(by)
    empty = [int(row) for row in rows if not values[row]]
    if empty:
        name = pack.name_of(empty[0])["id"]
        raise InputError(f"no value in {by!r}", "a group for each clip", file=pack.paths[0], clip=name)
    mine = [str(values[row]) for row in rows]
    leader = {group: group for group in mine}
    first: dict[str, str] = {}
    for group, copy in zip(mine, hashes, strict=True):
        leader[_lead(leader, group)] = _lead(leader, first.setdefault(copy, group))
    return [_lead(leader, group) for group in mine]


def _lead(leader: dict[str, str], group: str) -> str:
    while leader[group] != group:
        group = leader[group]
    return group


class Fold(NamedTuple):
    """A fold's pack: which clips it has (N), the split of each (N), and glosses held out that nothing else shows."""

    kept: NDArray[np.bool_]
    splits: list[str]
    lost: list[str]


def fold_of(pack: Pack, rows: Indices, held: Indices, name: str) -> Fold:
    """The clips of `rows`: those held out as split `name`, the others as train.

    Held-out clips of a gloss of which train would have no clip with a hand are left out: nobody could learn it.
    """
    kept, away = np.zeros(len(pack), bool), np.zeros(len(pack), bool)
    kept[rows], away[held] = True, True
    glosses = np.asarray([gloss or "" for gloss in pack.column("gloss")], dtype=object)
    learnt = {*glosses[kept & ~away & pack.usable]}
    lost = sorted({*glosses[away]} - learnt)
    kept &= ~(away & np.isin(glosses.astype(str), lost))
    return Fold(kept, [name if one else "train" for one in away], lost)
