"""Splits of a corpus: their names normalised to train, val and test; new splits by groups; notes on what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.datasets.sample import Corpus
from twinsign.datasets.tables import NO_SPLIT, normalise_split
from twinsign.errors import InputError

SPLITS = ("train", "val", "test")
Shares = tuple[float, float, float]
SHARES: Shares = (0.8, 0.1, 0.1)
"""Of train, val and test."""
TRIES = 12
"""Orders in which groups are placed: the first by size, later ones ever less so."""
LACKING = 1e9
"""Cost of a gloss that train lacks, above that of any misfit of numbers: no model could learn it."""
ROUNDS = 20
"""Passes over all groups in which each may still change its split."""
Counts = NDArray[np.float64]


def normalise_splits(corpus: Corpus) -> Corpus:
    """The corpus with its splits' names normalised to train, val, test or none, and a note on each name that changed.

    Raises InputError for a name that is not recognised, whose clips would otherwise be lost or learnt from.
    """
    clips = Counter(row.get("split") or "" for row in (*(sample.row for sample in corpus.samples), *corpus.missing))
    plain = {word: normalise_split(word) for word in clips}
    unrecognised = [word for word, split in plain.items() if split is None]
    if unrecognised:
        listed = ", ".join(f"{word!r} of {clips[word]} clips" for word in unrecognised[:3])
        hint = "Splits are a column of the table or, in SPLIT/GLOSS/clip, the first folder."
        wanted = "train, val (dev, valid, validation), test, or none"
        raise InputError(f"split {listed}", wanted, file=corpus.files[0] if corpus.files else None, hint=hint)
    renamed = {word: split for word, split in plain.items() if split is not None and split != word}
    if not renamed:
        return corpus

    def rename(row: Mapping[str, str]) -> Mapping[str, str]:
        word = row.get("split") or ""
        return {**row, "split": renamed[word]} if word in renamed else row

    notes = [f"split {word!r} ({clips[word]} clips) taken as {split or 'none'}" for word, split in renamed.items()]
    samples = [replace(sample, row=rename(sample.row)) for sample in corpus.samples]
    return replace(corpus, samples=samples, missing=[*map(rename, corpus.missing)], notes=[*notes, *corpus.notes])


def label_notes(corpus: Corpus) -> list[str]:
    """Notes on clips without a gloss or a split, and on what can learn from them."""
    count = len(corpus.samples)
    unlabelled = sum(not sample.row.get("gloss") for sample in corpus.samples)
    unsplit = sum((sample.row.get("split") or "") in NO_SPLIT for sample in corpus.samples)
    notes = []
    if unlabelled == count:
        notes.append("no clip has a gloss: pre-training can learn from them, a classifier cannot")
    elif unlabelled:
        notes.append(f"{unlabelled} of {count} clips have no gloss: only pre-training can learn from those")
    if unsplit == count:
        notes.append("no clip has a split: pre-training takes all of them; --split_by makes splits")
    elif unsplit:
        notes.append(f"{unsplit} of {count} clips have no split: pre-training takes them, a classifier does not")
    return notes


def split_by(corpus: Corpus, column: str, shares: Shares = SHARES, seed: int = 0) -> Corpus:
    """The corpus split so that no value of `column` is in two splits, with glosses spread as evenly as groups allow.

    Each group goes where it brings the clips of each gloss nearest to its share, large groups first and equal ones in
    seeded order; then groups move while that brings them nearer; the best of several such tries counts. Train gets
    each gloss if that leaves val and test a group; glosses that it lacks are noted. Raises InputError where a clip has
    no value in the column, a share is negative, or there are fewer groups than splits.
    """
    if min(shares) < 0 or shares[0] <= 0 or not np.isfinite(sum(shares)):
        raise InputError(f"shares {shares}", "shares of train, val and test, 0 or more, train's above 0")
    for sample in corpus.samples:
        if not sample.row.get(column):
            filled = ", ".join(name for name, value in sample.row.items() if value) or "(none)"
            raise InputError(f"no {column!r} (columns with values: {filled})", "a group for each clip", clip=sample.id)
    # Arrays of objects: fixed-width strings would take the longest value's memory for every clip.
    values = np.asarray([[sample.row[column], sample.row.get("gloss", "")] for sample in corpus.samples], object)
    groups, group = np.unique(values[:, 0], return_inverse=True)
    glosses, gloss = np.unique(values[:, 1], return_inverse=True)
    used = [split for split, share in zip(SPLITS, shares, strict=True) if share > 0]
    if len(groups) < len(used):
        raise InputError(f"{len(groups)} groups in {column!r}", f"at least {len(used)}, one a split")
    counts = np.zeros((len(groups), len(glosses)))
    np.add.at(counts, (group, gloss), 1)
    assigned = np.asarray(assign(counts, [share for share in shares if share > 0], seed))[group]
    samples = [
        replace(sample, row={**sample.row, "split": used[number]})
        for sample, number in zip(corpus.samples, assigned.tolist(), strict=True)
    ]
    absent = sorted(set(glosses.tolist()) - set(values[assigned == 0, 1].tolist()))
    note = [f"glosses of val or test that train lacks: {', '.join(absent)}"] if absent else []
    return replace(corpus, samples=samples, notes=[*corpus.notes, *note])


def assign(counts: Counts, shares: Sequence[float], seed: int) -> list[int]:
    """Number of each group's split, the best of TRIES, from clips by group and gloss (groups glosses)."""
    wanted = np.outer(np.asarray(shares) / sum(shares), counts.sum(axis=0))
    random, clips = np.random.default_rng(seed), counts.sum(axis=1)
    best: tuple[float, list[int]] | None = None
    for attempt in range(TRIES):
        spread = random.uniform(1, 1 + attempt, len(counts))
        order = random.permutation(len(counts))
        splits, have = _place(counts, wanted, order[np.argsort(-(clips * spread)[order], kind="stable")])
        misfit = float(_cost(wanted, wanted, have - wanted).sum()) + LACKING * int((have[0] == 0).sum())
        if best is None or misfit < best[0] - 1e-9:
            best = misfit, splits
    return best[1] if best else []


def _place(counts: Counts, wanted: Counts, order: NDArray[Any]) -> tuple[list[int], Counts]:
    """Each group's split and each split's clips (splits glosses).

    Groups are placed in order, each where it fits best, and then moved while that improves the fit.
    """
    have, splits, sizes = np.zeros_like(wanted), np.full(len(counts), -1), np.zeros(len(wanted), int)
    for placed, group in enumerate(order):
        empty = np.flatnonzero(sizes == 0)
        allowed = empty if len(empty) >= len(counts) - placed else np.arange(len(wanted))
        best = allowed[int(np.argmin(_cost(have, wanted, counts[group])[allowed]))]
        splits[group], have[best] = best, have[best] + counts[group]
        sizes[best] += 1
    for _ in range(ROUNDS):
        before = splits.tolist()
        for group, split in enumerate(before):
            if sizes[split] == 1:
                continue
            have[split] -= counts[group]
            cost = _cost(have, wanted, counts[group])
            best = int(np.argmin(cost))
            splits[group] = best = best if cost[best] < cost[split] - 1e-9 else split
            have[best] += counts[group]
            sizes[split] -= 1
            sizes[best] += 1
        if splits.tolist() == before:
            break
    return splits.tolist(), have


def _cost(have: Counts, wanted: Counts, more: Counts) -> Counts:
    """By how much more clips (glosses, or splits glosses) raise each split's misfit (splits), by gloss and over all."""
    excess, size = have - wanted, more.sum(axis=-1)
    by_gloss = ((2 * excess + more) * more / np.maximum(wanted, 1)).sum(axis=1)
    if more.ndim == 1:
        by_gloss[0] -= LACKING * int(((have[0] == 0) & (more > 0)).sum())
    # Clips as a whole count as one more gloss, so that groups with glosses of their own are spread too.
    return np.asarray(by_gloss + (2 * excess.sum(axis=1) + size) * size / np.maximum(wanted.sum(axis=1), 1))
