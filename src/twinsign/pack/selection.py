"""Which clips of a pack take part: a split's labelled rows, a stratified share of them, those for pre-training."""

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
    glosses = sorted(filter(None, pack.table["gloss"].take(rows).unique().to_pylist()))
    if len(glosses) < 2:
        raise InputError(f"{len(glosses)} glosses", "at least two to tell apart", file=pack.paths[0])
    return glosses


def labelled_rows(pack: Pack, rows: Indices, glosses: Sequence[str], hint: str = "") -> LabelledRows:
    """The rows with a gloss, and its number; InputError names the first clip whose gloss is not in the list."""
    number = {gloss: i for i, gloss in enumerate(glosses)}
    labels = []
    gloss_of = pack.table["gloss"].take(rows).to_pylist()
    for row, gloss in zip(rows.tolist(), gloss_of, strict=True):
        if gloss and gloss not in number:
            clip, wanted = pack.table["id"][row].as_py(), f"one of the {len(number)} in the label list"
            raise InputError(f"gloss {gloss!r}", wanted, file=pack.paths[0], clip=clip, hint=hint)
        labels.append(number[gloss] if gloss else -1)
    numbers = np.asarray(labels, np.int64)
    labelled = numbers >= 0
    if not labelled.any():
        _check_labels(pack)
        raise InputError("no clip with a gloss among those asked for", "labelled clips", file=pack.paths[0])
    if not labelled.all():
        log.warning("note: %d of %d clips have no gloss and are left out", np.sum(~labelled), len(rows))
    return LabelledRows(rows[labelled], numbers[labelled])


def outside_vocabulary(pack: Pack, rows: Indices, vocabulary: Sequence[str]) -> NDArray[np.bool_]:
    """Which rows (N) have a gloss that is not in the vocabulary."""
    known = {None, "", *vocabulary}
    return np.asarray([gloss not in known for gloss in pack.table["gloss"].take(rows).to_pylist()], bool)


def sample_labels(data: LabelledRows, fraction: float, seed: int, per_class: int | None = None) -> LabelledRows:
    """A seeded share of each class's clips, at least one a class, or `per_class` clips of each (paper, Sec. IV-D).

    One seed's shares are nested: its 20 % are among its 40 %, its 2 a class among its 5.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"label fraction {fraction}", "a number in (0, 1]")
    if per_class is not None and (per_class < 1 or fraction != 1):
        problem = f"{per_class} labels per class" + (f" with label fraction {fraction}" if fraction != 1 else "")
        raise InputError(problem, "at least 1, and one of the two options")
    random, kept = np.random.default_rng(seed), []
    for label in np.unique(data.labels):
        places = random.permutation(np.flatnonzero(data.labels == label))
        kept.append(places[: max(1, round(fraction * len(places))) if per_class is None else per_class])
    order = np.sort(np.concatenate(kept))
    return LabelledRows(data.rows[order], data.labels[order])


def sample_rows(rows: Indices, fraction: float, seed: int) -> Indices:
    """A seeded share of rows (N), at least one, in their order; one seed's shares are nested (paper, Table VI)."""
    if not 0 < fraction <= 1:
        raise InputError(f"pretrain.fraction {fraction}", "a number in (0, 1]")
    return np.sort(np.random.default_rng(seed).permutation(rows)[: max(1, round(fraction * len(rows)))])


def select_labelled_training(
    pack: Pack, where: Sequence[str], fraction: float, seed: int, per_class: int | None = None, split: str = "train"
) -> tuple[LabelledRows, list[str]]:
    """A share of the labelled train clips that show a hand, and all glosses of these: what a classifier learns."""
    _check_labels(pack)
    rows = pack.select([split], where)
    rows = rows[pack.usable[rows]]
    glosses = label_list(pack, rows)
    return sample_labels(labelled_rows(pack, rows, glosses), fraction, seed, per_class), glosses


def _check_labels(pack: Pack) -> None:
    """InputError where no clip has a gloss: the first thing to say, whatever the pack lacks besides."""
    if not any(pack.table["gloss"].unique().to_pylist()):
        hint = "Pack them with a gloss: GLOSS/clip, or a column of --annotations. `pretrain` learns without."
        raise InputError("no labelled clip: the pack has no gloss", "clips with a gloss", file=pack.paths[0], hint=hint)


def signer_overlap(asked: Sequence[str], learnt: Sequence[str]) -> dict[str, Any] | None:
    """How many signers of the evaluated clips (N) also signed training clips (M); None where either side has no signer.

    Signers are names or hashes of names, "" for a clip without one. `independent` is None where some clips of either
    side have no signer and no signer is shared.
    """
    evaluated, training = set(filter(None, asked)), set(filter(None, learnt))
    if not evaluated or not training:
        return None
    shared = evaluated & training
    all_named = all(asked) and all(learnt)
    return {
        "evaluated": len(evaluated),
        "shared": len(shared),
        "clips_of_shared": sum(signer in shared for signer in asked),
        "clips_without_signer": sum(not signer for signer in asked),
        "independent": False if shared else True if all_named else None,
    }


def select_pretraining(pack: Pack, keep_out: Sequence[Pack] = (), where: Sequence[str] = ()) -> Indices:
    """Rows that show a hand, are not held out and repeat no held-out clip's poses or id, here or in `keep_out`.

    By id too, since packs made by other estimators show the same videos with other poses; but not where both packs
    state their datasets, and different ones: there an equal id is chance.
    """
    rows = np.flatnonzero(~np.isin(pack.splits, HELD_OUT) & pack.usable)
    held = [(source, np.flatnonzero(np.isin(source.splits, HELD_OUT))) for source in (pack, *keep_out)]
    rows = rows[~(_has_held_out_poses(pack, rows, held) | _has_held_out_id(pack, rows, held))]
    if where:
        rows = np.intersect1d(rows, pack.select(where=where))
    if not len(rows):
        conditions = f" with {' and '.join(where)}" if where else ""
        wanted = f"clips outside val and test that show a hand{conditions}"
        raise InputError("no clip to learn from", wanted, file=pack.paths[0])
    return rows


def _has_held_out_poses(pack: Pack, rows: Indices, held: Sequence[tuple[Pack, Indices]]) -> NDArray[np.bool_]:
    """Which rows are bit by bit a held-out clip; only clips as long as one of these are looked at."""
    copies = np.zeros(len(rows), bool)
    hashes = {pose_hash for source, clips in held for pose_hash in source.pose_hashes(clips)}
    lengths = np.unique(np.concatenate([source.frames[clips] for source, clips in held]))
    suspects = np.flatnonzero(np.isin(pack.frames[rows], lengths))
    copies[suspects] = [pose_hash in hashes for pose_hash in pack.pose_hashes(rows[suspects])]
    return copies


def _has_held_out_id(pack: Pack, rows: Indices, held: Sequence[tuple[Pack, Indices]]) -> NDArray[np.bool_]:
    """Which rows have the id of a held-out clip of the same dataset, or of one that may be the same."""
    held_ids: dict[str, list[str]] = {}
    for source, clips in held:
        dataset_of_clip, ids = np.asarray(source.datasets)[source.file_of(clips)], source.table["id"].take(clips)
        for dataset in set(source.datasets):
            held_ids.setdefault(dataset, []).extend(ids.filter(pa.array(dataset_of_clip == dataset)).to_pylist())
    repeated = np.zeros(len(rows), bool)
    dataset_of_row, ids = np.asarray(pack.datasets)[pack.file_of(rows)], pack.table["id"].take(rows)
    for dataset in set(pack.datasets):
        same = [name for source, names in held_ids.items() if not dataset or source in ("", dataset) for name in names]
        repeated |= (dataset_of_row == dataset) & np.asarray(pc.is_in(ids, value_set=pa.array(same, pa.string())))
    return repeated


def clip_ids(pack: Pack, rows: Indices) -> list[str]:
    """The ids of these rows; where several packs have the same id, the later ones get `@` and their row."""
    seen = set[str]()
    names = []
    for row, name in zip(rows.tolist(), pack.table["id"].take(rows).to_pylist(), strict=True):
        names.append(f"{name}@{row}" if name in seen else name)
        seen.add(name)
    return names


@dataclass(frozen=True)
class ClipSelection:
    """Which clips take part: packs, conditions COLUMN=VALUE on rows, share of the labels or labels a class.

    Examples:
        >>> import twinsign as ts
        >>> clips = ts.ClipSelection(["packs/signs.pack"], labels_per_class=1)
        >>> run = ts.linear(ts.load_recipe("demo"), "none", clips, "runs/one_label")
        >>> run.about["clips"] == len(run.labels)
        True
    """

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
    rows = pack.select(["val"], clips.where)
    untaught = outside_vocabulary(pack, rows, glosses)
    if untaught.any() and not untaught.all():
        rows = rows[~untaught]
        log.warning("note: %d val clips are left out: their glosses have no usable train clip", np.sum(untaught))
    return pack, train, labelled_rows(pack, rows, glosses), glosses
