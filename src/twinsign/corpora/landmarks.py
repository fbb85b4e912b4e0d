"""A landmark set (NAME.npz with NAME.csv beside it) as clips to pack."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from os import PathLike

from twinsign.corpora.sample import Sample
from twinsign.pose.read.landmarks import open_landmarks


def landmark_samples(path: str | PathLike[str]) -> tuple[int, Iterator[Sample]]:
    """How many clips the set has, and each of them; InputError where the set itself is damaged (ours)."""
    clips = open_landmarks(path)
    samples = (
        Sample(row["id"], partial(clips.clip, number), {name: value for name, value in row.items() if name != "id"})
        for number, row in enumerate(clips.rows)
    )
    return len(clips), samples
