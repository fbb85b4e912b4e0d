"""Names of splits as annotations spell them, as train, val and test; and what a corpus lacks of labels and splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.datasets.sample import Corpus
from twinsign.datasets.tables import NONE, plain_split
from twinsign.errors import InputError

SPLITS = ("train", "val", "test")
Shares = tuple[float, float, float]
SHARES: Shares = (0.8, 0.1, 0.1)
"""Of train, val and test."""
TRIES = 12
"""Orders in which groups are placed: large ones first, then ever less so."""
LACKING = 1e9
"""What a gloss costs that train lacks, since nobody could learn it: more than any misfit of numbers."""
ROUNDS = 20
"""Passes over all groups in which each may still change its split."""
Counts = NDArray[np.float64]


def plain_splits(corpus: Corpus) -> Corpus:
    """The corpus with splits called train, val, test or none, and a note of each other name that was understood.

    Raises InputError where a split has a name that nobody knows: its clips would be lost, or learnt from.
    """
    rows = [*(sample.row for sample in corpus.samples), *corpus.missing]
    words = Counter(row.get("split") or "" for row in rows)
    known = {word: plain_split(word) for word in words}
    strange = [word for word, plain in known.items() if plain is None]
    if strange:
        listed = ", ".join(f"{word!r} of {words[word]} clips" for word in strange[:3])
        hint = "Splits are a column of the table or, in SPLIT/GLOSS/clip, the first folder."
        wanted = "train, val (dev, valid, validation), test, or none"
        raise InputError(f"split {listed}", wanted, file=corpus.files[0] if corpus.files else None, hint=hint)
    renamed = {word: plain for word, plain in known.items() if plain is not None and plain != word}
    if not renamed:
        return corpus

    def renaming(row: Mapping[str, str]) -> Mapping[str, str]:
        word = row.get("split") or ""
        return {**row, "split": renamed[word]} if word in renamed else row

    notes = [f"split {word!r} ({words[word]} clips) taken as {plain or 'none'}" for word, plain in renamed.items()]
    samples = [replace(sample, row=renaming(sample.row)) for sample in corpus.samples]
    missing = [renaming(row) for row in corpus.missing]
    return replace(corpus, samples=samples, missing=missing, notes=[*notes, *corpus.notes])


def lacking(corpus: Corpus) -> list[str]:
    """Notes on clips without a gloss or a split, and what that means for them."""
    count = len(corpus.samples)
    bare = sum(not sample.row.get("gloss") for sample in corpus.samples)
    loose = sum((sample.row.get("split") or "") in NONE for sample in corpus.samples)
    notes = []
    if bare == count:
        notes.append("no clip has a gloss: pre-training can learn from them, a classifier cannot")
    elif bare:
        notes.append(f"{bare} of {count} clips have no gloss: only pre-training can learn from those")
    if loose == count:
        notes.append("no clip has a split: pre-training takes all of them; --split_by makes splits")
    elif loose:
        notes.append(f"{loose} of {count} clips have no split: pre-training takes them, a classifier does not")
    return notes


def split_by(corpus: Corpus, column: str, shares: Shares = SHARES, seed: int = 0) -> Corpus:
    """The corpus with splits in which no value of `column` is in two, glosses spread as evenly as groups allow.

    Groups go, large ones first and equal ones in seeded order, where they bring clips of each gloss nearest to its
    share; then groups move while that brings them nearer; of some such tries the best counts. Train gets each gloss
    if that leaves val and test a group; glosses that it lacks are noted. Raises InputError where a clip has no value
    in the column, a share is negative, or there are fewer groups than splits.
    """
    if min(shares) < 0 or shares[0] <= 0 or not np.isfinite(sum(shares)):
        raise InputError(f"shares {shares}", "shares of train, val and test, 0 or more, train's above 0")
    for sample in corpus.samples:
        if not sample.row.get(column):
            known = ", ".join(name for name, value in sample.row.items() if value) or "(none)"
            raise InputError(f"no {column!r} (columns with values: {known})", "a group for each clip", clip=sample.id)
    groups = sorted({sample.row[column] for sample in corpus.samples})
    used = [split for split, share in zip(SPLITS, shares, strict=True) if share > 0]
    if len(groups) < len(used):
        raise InputError(f"{len(groups)} groups in {column!r}", f"at least {len(used)}, one a split")
    counts = _counts(corpus, column, groups)
    chosen = assign(counts, [share for share in shares if share > 0], seed)
    split = {group: used[number] for group, number in zip(groups, chosen, strict=True)}
    samples = [replace(one, row={**one.row, "split": split[one.row[column]]}) for one in corpus.samples]
    learnt = {one.row.get("gloss") for one in samples if one.row["split"] == "train"}
    alone = sorted({one.row.get("gloss", "") for one in samples} - learnt)
    note = [f"glosses of val or test that train lacks: {', '.join(alone)}"] if alone else []
    return replace(corpus, samples=samples, notes=[*corpus.notes, *note])


def _counts(corpus: Corpus, column: str, groups: Sequence[str]) -> Counts:
    """Clips by group and gloss (groups glosses)."""
    glosses = sorted({sample.row.get("gloss", "") for sample in corpus.samples})
    row, place = ({name: number for number, name in enumerate(names)} for names in (groups, glosses))
    counts = np.zeros((len(groups), len(glosses)))
    for sample in corpus.samples:
        counts[row[sample.row[column]], place[sample.row.get("gloss", "")]] += 1
    return counts


def assign(counts: Counts, shares: Sequence[float], seed: int) -> list[int]:
    """The split's number of each group, from clips by group and gloss (groups glosses): the best of TRIES."""
    wanted = np.outer(np.asarray(shares) / sum(shares), counts.sum(axis=0))
    random, clips = np.random.default_rng(seed), counts.sum(axis=1)
    best: tuple[float, list[int]] | None = None
    for attempt in range(TRIES):
        spread = random.uniform(1, 1 + attempt, len(counts))
        order = random.permutation(len(counts))
        chosen, have = _spread(counts, wanted, order[np.argsort(-(clips * spread)[order], kind="stable")])
        misfit = float(_change(wanted, wanted, have - wanted).sum()) + LACKING * int((have[0] == 0).sum())
        if best is None or misfit < best[0] - 1e-9:
            best = misfit, chosen
    return best[1] if best else []


def _spread(counts: Counts, wanted: Counts, order: NDArray[Any]) -> tuple[list[int], Counts]:
    """Groups in order, each to where it fits best, then moved while that makes the fit better; clips by split too."""
    have, chosen, sizes = np.zeros_like(wanted), np.full(len(counts), -1), np.zeros(len(wanted), int)
    for placed, group in enumerate(order):
        empty = np.flatnonzero(sizes == 0)
        allowed = empty if len(empty) >= len(counts) - placed else np.arange(len(wanted))
        best = allowed[int(np.argmin(_change(have, wanted, counts[group])[allowed]))]
        chosen[group], have[best] = best, have[best] + counts[group]
        sizes[best] += 1
    for _ in range(ROUNDS):
        if not _improve(counts, wanted, have, chosen, sizes):
            break
    return [int(one) for one in chosen], have


def _change(have: Counts, wanted: Counts, more: Counts) -> Counts:
    """By how much more clips (glosses, or splits glosses) make each split's misfit larger: by gloss and over all."""
    lack, lacks, size = have - wanted, (have - wanted).sum(axis=1), more.sum(axis=-1)
    by_gloss = ((2 * lack + more) * more / np.maximum(wanted, 1)).sum(axis=1)
    if more.ndim == 1:
        by_gloss[0] -= LACKING * int(((have[0] == 0) & (more > 0)).sum())
    # Clips as a whole count like one more gloss, so that groups with glosses of their own are spread too.
    return np.asarray(by_gloss + (2 * lacks + size) * size / np.maximum(wanted.sum(axis=1), 1))


def _improve(counts: Counts, wanted: Counts, have: Counts, chosen: Any, sizes: Any) -> bool:
    """Move each group where it fits better, changing `have`, `chosen` and `sizes`; whether any moved."""
    moved = False
    for group, now in enumerate(chosen.tolist()):
        if sizes[now] == 1:
            continue
        have[now] -= counts[group]
        change = _change(have, wanted, counts[group])
        best = int(np.argmin(change))
        best = best if change[best] < change[now] - 1e-9 else now
        have[best] += counts[group]
        sizes[now] -= 1
        sizes[best] += 1
        moved |= best != now
        chosen[group] = best
    return moved
