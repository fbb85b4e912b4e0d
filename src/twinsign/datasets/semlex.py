"""Sem-Lex: over 84,000 clips of 3,149 American signs, labelled by ASL-LEX or freely (Kezar et al., ASSETS 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.tables import annotation_files, read_csv

PATTERNS = ("*semlex*metadata*.csv", "*sem-lex*metadata*.csv", "metadata.csv")
COLUMNS = ("video_id", "signer_id", "split", "label_type", "label")


def semlex(annotations: Sequence[Path]) -> Annotation:
    """Read the clips of semlex_metadata.csv; the pack's notes name those listed twice, some of them in two splits.

    Raises InputError naming file, row and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    clips = []
    for row in (row for file in files for row in read_csv(file, COLUMNS)):
        name = row.path("video_id")
        fields = {"gloss": row.text("label"), "split": row.split("split"), "signer": row.optional("signer_id")}
        clips.append(Clip(name, {**fields, "label_type": row.optional("label_type")}, {"video_id": name}))
    return Annotation(clips, files)
