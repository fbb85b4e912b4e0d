"""Names of splits as annotations spell them, as train, val and test; and what a corpus lacks of labels and splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from twinsign.datasets.sample import Corpus
from twinsign.datasets.tables import NONE, plain_split
from twinsign.errors import InputError


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
    """Notes on clips without a gloss or a split, and what that means for them (ours)."""
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
