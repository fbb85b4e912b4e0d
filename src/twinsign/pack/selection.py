"""Which clips of a pack take part: a split's labelled rows, a stratified share of them, what pre-training may see."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from twinsign.errors import InputError
from twinsign.pack.open import Indices, Pack

log = logging.getLogger("twinsign")
HELD_OUT = ("val", "test")
"""Splits that pre-training and fitting never see."""


class LabelledRows(NamedTuple):
    """Rows of a pack and the class of each."""

    rows: Indices
    labels: Indices


class EvaluationScope(NamedTuple):
    """Which clips an evaluation is of: splits (None: all), conditions on rows, and glosses, where not all of them.

    `stream`: whether the live segmenter cut them first.
    """

    splits: list[str] | None
    where: list[str]
    among: Sequence[str] | None = None
    stream: bool = False


def label_list(pack: Pack, rows: Indices) -> list[str]:
    """The glosses of these rows, sorted; InputError where there are fewer than two."""
    glosses = sorted({gloss for gloss in pack.table["gloss"].take(rows).to_pylist() if gloss})
    if len(glosses) < 2:
        raise InputError(f"{len(glosses)} glosses", "at least two to tell apart", file=pack.paths[0])
    return glosses


def labelled_rows(pack: Pack, rows: Indices, glosses: Sequence[str], hint: str = "") -> LabelledRows:
    """The rows that carry a gloss, with its number; InputError names the first clip whose gloss is not in the list."""
    number = {gloss: i for i, gloss in enumerate(glosses)}
    kept, labels = [], []
    for row, gloss in zip(rows.tolist(), pack.table["gloss"].take(rows).to_pylist(), strict=True):
        if not gloss:
            continue
        if gloss not in number:
            clip = pack.table["id"][row].as_py()
            wanted, file = f"one of the {len(number)} in the label list", pack.paths[0]
            raise InputError(f"gloss {gloss!r}", wanted, file=file, clip=clip, hint=hint)
        kept.append(row)
        labels.append(number[gloss])
    if not kept:
        _check_labels(pack)
        raise InputError("no clip with a gloss among those asked for", "labelled clips", file=pack.paths[0])
    if len(kept) < len(rows):
        log.warning("note: %d of %d clips have no gloss and are left out", len(rows) - len(kept), len(rows))
    return LabelledRows(np.asarray(kept), np.asarray(labels))


def share_of_labels(data: LabelledRows, fraction: float, seed: int, per_class: int | None = None) -> LabelledRows:
    """A seeded share of each class's clips, at least one a class, or `per_class` clips of each (paper, Sec. IV-D).

    One seed's shares are nested: its 20 % are among its 40 %, its 2 a class among its 5.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"label fraction {fraction}", "a number in (0, 1]")
    if per_class is not None and (per_class < 1 or fraction != 1):
        found = f"{per_class} labels per class" + (f" with label fraction {fraction}" if fraction != 1 else "")
        raise InputError(found, "at least 1, and one of the two options")
    random, kept = np.random.default_rng(seed), []
    for label in np.unique(data.labels):
        mine = random.permutation(np.flatnonzero(data.labels == label))
        kept.append(mine[: max(1, round(fraction * len(mine))) if per_class is None else per_class])
    order = np.sort(np.concatenate(kept))
    return LabelledRows(data.rows[order], data.labels[order])


def share_of_rows(rows: Indices, fraction: float, seed: int) -> Indices:
    """A seeded share of rows (N), at least one, in their order; one seed's shares are nested (paper, Table VI)."""
    if not 0 < fraction <= 1:
        raise InputError(f"pretrain.fraction {fraction}", "a number in (0, 1]")
    drawn = np.random.default_rng(seed).permutation(rows)[: max(1, round(fraction * len(rows)))]
    return np.sort(drawn)


def select_labelled_training(
    pack: Pack, where: Sequence[str], fraction: float, seed: int, per_class: int | None = None, split: str = "train"
) -> tuple[LabelledRows, list[str]]:
    """The labelled train clips that show a hand, a share of them, and all their glosses: what a classifier learns."""
    _check_labels(pack)
    rows = pack.select([split], where)
    rows = rows[pack.usable[rows]]
    glosses = label_list(pack, rows)
    return share_of_labels(labelled_rows(pack, rows, glosses), fraction, seed, per_class), glosses


def _check_labels(pack: Pack) -> None:
    """InputError where no clip has a gloss: the first thing to say, whatever the pack lacks besides."""
    if not any(pack.table["gloss"].unique().to_pylist()):
        hint = "Pack them with a gloss: GLOSS/clip, or a column of --annotations. `pretrain` learns without."
        raise InputError("no labelled clip: the pack has no gloss", "clips with a gloss", file=pack.paths[0], hint=hint)


def shared_signers(asked: Sequence[str], learnt: Sequence[str]) -> dict[str, Any] | None:
    """How far the signers of clips asked (N) also signed those learnt from (M); None where either side names none.

    Names, or hashes of names; "" for a clip without one.

    `independent` is None where some clips of either side have no named signer and no named one is shared.
    """
    named, known = {one for one in asked if one}, {one for one in learnt if one}
    if not named or not known:
        return None
    shared = named & known
    certain = all(asked) and all(learnt)
    return {
        "evaluated": len(named),
        "shared": len(shared),
        "clips_of_shared": sum(one in shared for one in asked),
        "clips_without_signer": sum(not one for one in asked),
        "independent": False if shared else True if certain else None,
    }


def select_pretraining(pack: Pack, keep_out: Sequence[Pack] = (), where: Sequence[str] = ()) -> Indices:
    """Rows that show a hand, are not held out and repeat no held-out clip's poses or id, here or in `keep_out`.

    By id too, since packs made by other estimators show the same videos with other poses; but not where both packs
    name their datasets, and differently: there an equal id is chance.
    """
    candidates = np.flatnonzero(~np.isin(pack.splits, HELD_OUT) & pack.usable)
    held = [(other, np.flatnonzero(np.isin(other.splits, HELD_OUT))) for other in (pack, *keep_out)]
    allowed = ~(_same_poses(pack, candidates, held) | _same_id(pack, candidates, held))
    seen: Indices = candidates[allowed]
    if where:
        seen = np.intersect1d(seen, pack.select(where=where))
    if not len(seen):
        wanted = " with ".join(["clips outside val and test that show a hand", " and ".join(where)][: 1 + bool(where)])
        raise InputError("no clip to learn from", wanted, file=pack.paths[0])
    return seen


def _same_poses(pack: Pack, candidates: Indices, held: Sequence[tuple[Pack, Indices]]) -> NDArray[np.bool_]:
    """Which candidates are bit by bit a held-out clip; only clips as long as one of these are looked at."""
    found = np.zeros(len(candidates), bool)
    hashes = {one for other, rows in held for one in other.pose_hashes(rows)}
    lengths = np.unique(np.concatenate([other.frames[rows] for other, rows in held]))
    suspects = np.flatnonzero(np.isin(pack.frames[candidates], lengths))
    found[suspects] = [one in hashes for one in pack.pose_hashes(candidates[suspects])]
    return found


def _same_id(pack: Pack, candidates: Indices, held: Sequence[tuple[Pack, Indices]]) -> NDArray[np.bool_]:
    """Which candidates have the id of a held-out clip of the same dataset, or of one that may be the same."""
    ids: dict[str, list[str]] = {}
    for other, rows in held:
        files = other.file_of(rows)
        for number, dataset in enumerate(other.datasets):
            ids.setdefault(dataset, []).extend(other.table["id"].take(rows[files == number]).to_pylist())
    found = np.zeros(len(candidates), bool)
    files, mine = pack.file_of(candidates), pack.table["id"].take(candidates)
    for dataset in set(pack.datasets):
        its_own = np.isin(files, [number for number, name in enumerate(pack.datasets) if name == dataset])
        rivals = [one for name, some in ids.items() if not dataset or name in ("", dataset) for one in some]
        found |= its_own & np.asarray(pc.is_in(mine, value_set=pa.array(rivals, pa.string())))
    return found


def clip_ids(pack: Pack, rows: Indices) -> list[str]:
    """The ids of these rows; of several packs with the same id, the later ones get their row beside it."""
    found: dict[str, int] = {}
    names = []
    for row, name in zip(rows.tolist(), pack.table["id"].take(rows).to_pylist(), strict=True):
        names.append(name if name not in found else f"{name}@{row}")
        found[name] = row
    return names


@dataclass(frozen=True)
class ClipSelection:
    """Which clips take part: packs, conditions COLUMN=VALUE on rows, share of the labels or labels a class."""

    data: Sequence[str | Path]
    where: list[str] = field(default_factory=list)
    label_fraction: float = 1.0
    labels_per_class: int | None = None
    strict: bool = False
    """Refuse clips unlike those that a RUN learnt from, instead of warning."""


def select_training(clips: ClipSelection, seed: int) -> tuple[Pack, LabelledRows, LabelledRows | None, list[str]]:
    """The pack, its labelled train clips (a share of them), val clips or None, and the label list of train."""
    pack = Pack(clips.data)
    train, glosses = select_labelled_training(pack, clips.where, clips.label_fraction, seed, clips.labels_per_class)
    if "val" not in pack.column("split"):
        return pack, train, None, glosses
    return pack, train, labelled_rows(pack, pack.select(["val"], clips.where), glosses), glosses
