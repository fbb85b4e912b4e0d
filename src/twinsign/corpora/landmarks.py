"""A landmark set (NAME.npz with NAME.csv beside it) as clips to pack."""

from __future__ import annotations

from functools import partial
from os import PathLike
from pathlib import Path

from twinsign.corpora.sample import Corpus, Sample
from twinsign.pose.read.landmarks import open_landmarks


def landmark_corpus(path: str | PathLike[str]) -> Corpus:
    """Every clip of a set; InputError where the set itself is damaged (ours)."""
    clips = open_landmarks(path)
    samples = [
        Sample(row["id"], partial(clips.clip, number), {name: value for name, value in row.items() if name != "id"})
        for number, row in enumerate(clips.rows)
    ]
    return Corpus(samples, files=[Path(path), Path(path).with_suffix(".csv")])
