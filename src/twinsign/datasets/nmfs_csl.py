"""NMFs-CSL: 32,010 clips of 1067 Chinese words, 610 of them confusing (Hu et al., TOMM 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.sample import strip_suffixes
from twinsign.datasets.tables import annotation_files, line_rows, read_lines, split_of
from twinsign.errors import InputError

PATTERNS = ("*trainlist*", "*testlist*", "*vallist*", "gloss*.txt", "confusing*.txt")
CLASSES, CONFUSING = 1067, 610
"""Words that differ in face or head alone come first: 610 classes, filmed at another image size than the other 457."""
CONFUSING_IMAGE, NORMAL_IMAGE = (1000, 720), (540, 540)
"""Width and height of the two parts' videos in pixels."""


def nmfs_csl(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """Read the clips of traintestlist/trainlist01.txt ("CLASS/CLIP LABEL") and testlist01.txt ("CLASS/CLIP").

    Glosses are the lines of gloss*.txt in class order, else class numbers. Column `confusing` is 1 for classes 0 to
    609, or for those that confusing*.txt lists by number or word. Raises InputError naming file, row and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    words = [word for file in files if file.name.startswith("gloss") for word in read_lines(file)]
    if words and len(words) != CLASSES:
        raise InputError(f"{len(words)} words", f"{CLASSES}", file=files[0])
    label_of = {word: str(label) for label, word in enumerate(words)}
    lists = [file for file in files if file.name.startswith("confusing")]
    rows = [row for file in lists for row in line_rows(file, lambda word: {"class": label_of.get(word, word)})]
    confusing = {row.integer("class", high=CLASSES - 1) for row in rows} if lists else set(range(CONFUSING))
    clips = []
    for file in files:
        if file.name.startswith(("gloss", "confusing")):
            continue
        split = split_of(file)
        for row in line_rows(file, _parse_line):
            label, folder = row.integer("label", high=CLASSES - 1), row.optional("folder")
            # int() refuses thousands of digits; no such number is a class.
            if folder.isdecimal() and (len(folder) > 18 or int(folder) != label):
                raise row.error("label", f"the number of its folder, {folder}")
            name = strip_suffixes(row.path("path"))
            if subset is None or label < subset:
                gloss = words[label] if words else f"{label:04d}"
                fields = {
                    "gloss": gloss,
                    "split": split,
                    "label": str(label),
                    "confusing": str(int(label in confusing)),
                }
                names = {"path": name, "flat": name.replace("/", "_"), "name": name.rpartition("/")[2]}
                size = CONFUSING_IMAGE if label < CONFUSING else NORMAL_IMAGE
                clips.append(Clip(name, fields, names, size=size))
    return Annotation(clips, files)


def _parse_line(line: str) -> Mapping[str, str]:
    """Path, folder and class of "CLASS/CLIP" or "CLASS/CLIP LABEL", with a blank or comma between."""
    path, _, label = line.replace(",", " ").partition(" ")
    first, slash, _ = path.partition("/")
    return {"path": path, "label": label or first, "folder": first if slash else ""}
