"""A file of many clips as clips to pack: a landmark set, or any other that `open_set` knows."""

from __future__ import annotations

from functools import partial
from os import PathLike

from twinsign.datasets.columns import find_columns
from twinsign.datasets.sample import Corpus, Sample
from twinsign.pose.read import PoseSet, open_landmarks


def landmark_corpus(path: str | PathLike[str]) -> Corpus:
    """Every clip of a landmark set; InputError where the set itself is damaged."""
    return set_corpus(open_landmarks(path))


def set_corpus(clips: PoseSet) -> Corpus:
    """Every clip of an opened set, with its row; columns under other names than a pack's are taken and noted."""
    columns, notes = find_columns(clips.path, clips.rows, {}, "id") if clips.rows else ({}, [])
    field_of = {column: field for field, column in columns.items()}
    samples = [
        Sample(
            row["id"],
            partial(clips.clip, number),
            {field_of.get(name, name): value for name, value in row.items() if name != "id"},
        )
        for number, row in enumerate(clips.rows)
    ]
    return Corpus(samples, files=clips.files, notes=[*notes, *clips.notes])
