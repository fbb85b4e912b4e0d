"""NMFs-CSL: 32,010 clips of 1067 Chinese words, 610 of them confusing (Hu et al., TOMM 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.sample import plain_name
from twinsign.datasets.tables import Row, annotation_files, read_lines, split_of
from twinsign.errors import InputError

PATTERNS = ("*trainlist*", "*testlist*", "*vallist*", "gloss*.txt", "confusing*.txt")
LONGEST = 18
"""Digits of a number that is still read."""
CLASSES, CONFUSING = 1067, 610
"""Words that differ in face or head alone come first: 610 classes, filmed at another image size than the other 457."""
CONFUSING_IMAGE, NORMAL_IMAGE = (1000, 720), (540, 540)
"""Width and height in pixels of the two parts' videos."""


def nmfs_csl(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """The clips of traintestlist/trainlist01.txt ("CLASS/CLIP LABEL") and testlist01.txt ("CLASS/CLIP").

    Glosses are the lines of gloss*.txt in class order, else class numbers. Column `confusing` is 1 for classes 0 to
    609, or for those that confusing*.txt lists by number or word. Raises InputError naming file, row and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    words = [word for file in files if file.name.startswith("gloss") for word in read_lines(file)]
    if words and len(words) != CLASSES:
        raise InputError(f"{len(words)} words", f"{CLASSES}", file=files[0])
    hard = [file for file in files if file.name.startswith("confusing")]
    confusing = _confusing(hard, words) if hard else set(range(CONFUSING))
    clips = []
    for file in files:
        if file.name.startswith(("gloss", "confusing")):
            continue
        split = split_of(file)
        for number, line in enumerate(read_lines(file)):
            path, label = _parts(file, number, line)
            gloss = words[label] if words else f"{label:04d}"
            if subset is None or label < subset:
                clips.append(_clip(path, label, gloss, split, label in confusing))
    return Annotation(clips, files)


def _parts(file: Path, number: int, line: str) -> tuple[str, int]:
    """Path and class from 0 of a line "CLASS/CLIP" or "CLASS/CLIP LABEL", with a blank or comma between."""
    path, _, label = line.replace(",", " ").partition(" ")
    row = Row(file, f"line {number + 1}", {"path": path, "label": label or path.partition("/")[0]})
    found = row.whole("label", high=CLASSES - 1)
    folder = path.partition("/")[0]
    if "/" in path and folder.isdecimal() and (len(folder) > LONGEST or int(folder) != found):
        raise row.error("label", f"the number of its folder, {folder}")
    return row.path("path"), found


def _confusing(files: Sequence[Path], words: Sequence[str]) -> set[int]:
    """Class numbers of the confusing words, listed a line by number or word."""
    number = {word: label for label, word in enumerate(words)}
    listed = set()
    for file in files:
        for place, word in enumerate(read_lines(file)):
            row = Row(file, f"line {place + 1}", {"class": str(number.get(word, word))})
            listed.add(row.whole("class", high=CLASSES - 1))
    return listed


def _clip(path: str, label: int, gloss: str, split: str, confusing: bool) -> Clip:
    name = plain_name(path)
    row = {"gloss": gloss, "split": split, "label": str(label), "confusing": str(int(confusing))}
    names = {"path": name, "flat": name.replace("/", "_"), "name": name.rpartition("/")[2]}
    return Clip(name, row, names, size=CONFUSING_IMAGE if label < CONFUSING else NORMAL_IMAGE)
