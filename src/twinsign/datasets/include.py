"""INCLUDE: 4,287 clips of 263 Indian signs; INCLUDE-50 has 50 of the signs (Sridhar et al., ACM MM 2020)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.sample import strip_suffixes
from twinsign.datasets.tables import Row, annotation_files, line_rows, read_csv, split_of
from twinsign.errors import InputError

PATTERNS = tuple(f"*{split}*include*.{ending}" for split in ("train", "val", "test") for ending in ("csv", "txt"))
PATTERNS += tuple(f"include*_{split}.txt" for split in ("train", "val", "test"))
COLUMNS = ("Category", "Word", "Video", "FilePath")


def include(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """Read the clips of {train,val,test}_include.csv (OpenHands) or include_{train,val,test}.txt (the authors).

    A subset of 50 reads the files of INCLUDE-50 alone; otherwise those of INCLUDE are read, and column include50 says
    which clips the files of INCLUDE-50 list, where there are both. The gloss is the word without its number. Raises
    InputError naming file, row and field.
    """
    if subset not in (None, 50):
        raise InputError(f"subset {subset}", "50, or none")
    files = annotation_files(annotations, *PATTERNS)
    small = [file for file in files if "include50" in file.stem.lower().replace("-", "")]
    if subset and not small:
        raise InputError("no list of INCLUDE-50", "files whose names say include50", file=files[0])
    large = [file for file in files if file not in small]
    listed = {strip_suffixes(row.path("FilePath")) for file in small for row in _rows(file)}
    clips = []
    for file in small if subset or not large else large:
        for row in _rows(file):
            name = strip_suffixes(row.path("FilePath"))
            gloss = re.sub(r"^\d+\s*\.\s*", "", row.text("Word"))
            fields = {"gloss": gloss, "split": split_of(file), "category": row.optional("Category")}
            fields["include50"] = str(int(name in listed)) if small else ""
            clips.append(Clip(name, fields, {"path": name, "flat": name.replace("/", "_")}))
    return Annotation(clips, files)


def _rows(file: Path) -> list[Row]:
    """The rows of a CSV, or of a list of paths CATEGORY/WORD/CLIP."""
    if file.suffix.lower() == ".csv":
        return read_csv(file, COLUMNS)
    return list(line_rows(file, lambda line: {**dict(zip(COLUMNS, line.split("/"), strict=False)), "FilePath": line}))
