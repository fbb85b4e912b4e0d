"""INCLUDE: 4,287 clips of 263 Indian signs, INCLUDE-50 of 50 of them (Sridhar et al., ACM MM 2020)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.sample import plain_name
from twinsign.datasets.tables import Row, annotation_files, read_csv, read_lines, split_of
from twinsign.errors import InputError

PATTERNS = tuple(f"*{split}*include*.{ending}" for split in ("train", "val", "test") for ending in ("csv", "txt"))
PATTERNS += tuple(f"include*_{split}.txt" for split in ("train", "val", "test"))
COLUMNS = ("Category", "Word", "Video", "FilePath")
_NUMBER = re.compile(r"^\d+\s*\.\s*")
SMALL = 50


def include(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """The clips of {train,val,test}_include.csv (OpenHands) or include_{train,val,test}.txt (the authors).

    A subset of 50 reads the files of INCLUDE-50 alone; else those of INCLUDE, with a column include50 where both are
    given. The gloss is the word without its number. Raises InputError naming file, row and field.
    """
    if subset not in (None, SMALL):
        raise InputError(f"subset {subset}", f"{SMALL}, or none")
    files = annotation_files(annotations, *PATTERNS)
    small = [file for file in files if f"include{SMALL}" in file.stem.lower().replace("-", "")]
    large = [file for file in files if file not in small]
    if subset and not small:
        raise InputError("no list of INCLUDE-50", "files whose names say include50", file=files[0])
    used = small if subset or not large else large
    listed = {plain_name(row.path("FilePath")) for file in small for row in _rows(file)}
    clips = []
    for file in used:
        for row in _rows(file):
            name = plain_name(row.path("FilePath"))
            gloss = _NUMBER.sub("", row.text("Word"))
            about = {"gloss": gloss, "split": split_of(file), "category": row.maybe("Category")}
            about[f"include{SMALL}"] = str(int(name in listed)) if small else ""
            clips.append(Clip(name, about, {"path": name, "flat": name.replace("/", "_")}))
    return Annotation(clips, files)


def _rows(file: Path) -> Iterator[Row]:
    """The rows of a CSV, or of a list of paths CATEGORY/WORD/CLIP."""
    if file.suffix.lower() == ".csv":
        yield from read_csv(file, COLUMNS)
        return
    for number, line in enumerate(read_lines(file)):
        parts = dict(zip(("Category", "Word", "Video"), line.split("/"), strict=False))
        yield Row(file, f"line {number + 1}", {**parts, "FilePath": line})
