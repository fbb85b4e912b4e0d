"""AUTSL: 36,302 clips of 226 Turkish signs by 43 signers, no signer in two splits (Sincan and Keles, 2020)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.tables import annotation_files, read_csv, split_of
from twinsign.errors import InputError

PATTERNS = ("*train*label*.csv", "*val*label*.csv", "*test*label*.csv", "*ClassId*.csv")
_NAME = re.compile(r"(signer\d+)_sample\d+")


def autsl(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """The clips of {train,validation,test}_labels.csv (no head line), glosses of SignList_ClassId_TR_EN.csv.

    The gloss is the Turkish one: `you` stands for two signs in English, which is column `english`. Raises InputError
    naming file, row and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    signs = [file for file in files if "classid" in file.stem.lower()]
    if not signs:
        raise InputError("no list of signs", "SignList_ClassId_TR_EN.csv among the annotations", file=files[0])
    table = read_csv(signs[0], ("ClassId", "TR", "EN"))
    glosses = {row.whole("ClassId"): (row.text("TR"), row.text("EN")) for row in table}
    clips = []
    for file in files:
        for row in read_csv(file, ("name", "class"), ("name", "class")) if file not in signs else ():
            found, label = _NAME.fullmatch(row.text("name")), row.whole("class")
            if found is None:
                raise row.error("name", "a name such as signer0_sample1")
            if label not in glosses:
                raise row.error("class", f"a class of {signs[0].name}")
            gloss, english = glosses[label]
            about = {
                "gloss": gloss,
                "split": split_of(file),
                "signer": found[1],
                "label": str(label),
                "english": english,
            }
            if subset is None or label < subset:
                clips.append(Clip(found[0], about, {"sample": found[0], "color": f"{found[0]}_color"}))
    return Annotation(clips, files)
