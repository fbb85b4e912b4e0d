"""ASL Citizen: 83,399 webcam clips of 2,731 American signs by 52 people, each in one split (Desai et al., 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.sample import strip_suffixes
from twinsign.datasets.tables import annotation_files, read_csv, split_of

COLUMNS = ("Participant ID", "Video file", "Gloss", "ASL-LEX Code")


def asl_citizen(annotations: Sequence[Path]) -> Annotation:
    """Read the clips of splits/{train,val,test}.csv; a clip's id is its video's name.

    Raises InputError naming file, row and field.
    """
    files = annotation_files(annotations, "train.csv", "val.csv", "test.csv")
    clips = []
    for file in files:
        for row in read_csv(file, COLUMNS):
            name = strip_suffixes(row.path("Video file"))
            fields = {"gloss": row.text("Gloss"), "split": split_of(file), "signer": row.text("Participant ID")}
            clips.append(Clip(name, {**fields, "asl_lex": row.optional("ASL-LEX Code")}, {"file": name}))
    return Annotation(clips, files)
