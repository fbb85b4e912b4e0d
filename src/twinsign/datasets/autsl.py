"""AUTSL: 36,302 clips of 226 Turkish signs by 43 signers, each in one split (Sincan and Keles, 2020)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.tables import annotation_files, read_csv, split_of
from twinsign.errors import InputError

PATTERNS = ("*train*label*.csv", "*val*label*.csv", "*test*label*.csv", "*ClassId*.csv")


def autsl(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """Read the clips of {train,validation,test}_labels.csv (no header) and the glosses of SignList_ClassId_TR_EN.csv.

    The gloss is the Turkish one, since the English `you` stands for two signs; the English one is column `english`.
    Raises InputError naming file, row and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    signs = [file for file in files if "classid" in file.stem.lower()]
    if not signs:
        raise InputError("no list of signs", "SignList_ClassId_TR_EN.csv among the annotations", file=files[0])
    table = read_csv(signs[0], ("ClassId", "TR", "EN"))
    glosses = {row.integer("ClassId"): (row.text("TR"), row.text("EN")) for row in table}
    clips = []
    for file in files:
        for row in read_csv(file, ("name", "class"), ("name", "class")) if file not in signs else ():
            name, label = row.text("name"), row.integer("class")
            if not re.fullmatch(r"signer\d+_sample\d+", name):
                raise row.error("name", "a name such as signer0_sample1")
            if label not in glosses:
                raise row.error("class", f"a class of {signs[0].name}")
            gloss, english = glosses[label]
            fields = {"gloss": gloss, "split": split_of(file), "signer": name.partition("_")[0], "label": str(label)}
            if subset is None or label < subset:
                clips.append(Clip(name, {**fields, "english": english}, {"sample": name, "color": f"{name}_color"}))
    return Annotation(clips, files)
