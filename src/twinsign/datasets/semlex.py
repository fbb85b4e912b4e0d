"""Sem-Lex: over 84,000 clips of 3,149 American signs, named as in ASL-LEX or freely (Kezar et al., ASSETS 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.tables import annotation_files, read_csv

PATTERNS = ("*semlex*metadata*.csv", "*sem-lex*metadata*.csv", "metadata.csv")
COLUMNS = ("video_id", "signer_id", "split", "label_type", "label")


def semlex(annotations: Sequence[Path]) -> Annotation:
    """The clips of semlex_metadata.csv; some are listed twice, also in two splits, which the pack's notes say.

    Raises InputError naming file, row and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    clips = []
    for file in files:
        for row in read_csv(file, COLUMNS):
            name = row.path("video_id")
            about = {"gloss": row.text("label"), "split": row.split("split"), "signer": row.maybe("signer_id")}
            clips.append(Clip(name, {**about, "label_type": row.maybe("label_type")}, {"video_id": name}))
    return Annotation(clips, files)
