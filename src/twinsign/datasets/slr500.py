"""SLR500 (CSL isolated): 125,000 clips of 500 Chinese words by 50 signers, 5 times each (Huang et al., TCSVT 2018)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Literal

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.tables import Row, annotation_files, read_csv, read_lines, split_of
from twinsign.errors import InputError

CLASSES, SIGNERS, TAKES, CLASSES_A_BATCH = 500, 50, 5, 20
LAST_TRAIN_SIGNER = 36
"""Train is P01 to P36, test P37 to P50: the dataset's readme, and the paper's 90,000 and 35,000 clips."""
IMAGE = (1280, 720)
"""Width and height of the colour videos in pixels."""
_NAME = re.compile(r"(?:(?P<folder>\d{3})/)?P(?P<signer>\d\d)_(?P<batch>\d\d)_(?P<word>\d\d)_(?P<take>\d)")
Splits = Literal["paper", "files"]


def slr500(
    annotations: Sequence[Path], subset: int | None = None, splits: Splits = "paper", val_signers: Collection[int] = ()
) -> Annotation:
    """Read the clips of split.{train,test}.csv; without these, list all 125,000 by the dataset's naming.

    Glosses are the lines of gloss_label.txt in class order, else the CSVs' class_name. `splits`: "paper" by signer, or
    as the CSV "files" say; `val_signers` of train become val. Raises InputError naming file, row and field.
    """
    files = annotation_files(annotations, "gloss_label.txt", "split.*.csv")
    words = [word for file in files if file.suffix == ".txt" for word in read_lines(file)]
    if words and len(words) != CLASSES:
        raise InputError(f"{len(words)} words", f"{CLASSES}", file=files[0])
    tables = [file for file in files if file.suffix == ".csv"]
    if splits == "files" and not tables:
        raise InputError("no split.train.csv and split.test.csv", "the files that say the splits")
    clips: list[Clip] = []
    moved = renamed = 0
    for row, stated in _rows(tables, subset):
        signer, label, name = _parse_name(row)
        split = "train" if signer <= LAST_TRAIN_SIGNER else "test"
        moved += bool(stated) and split != stated
        split = stated if splits == "files" else split
        gloss = words[label] if words else row.optional("class_name") or f"{label:03d}"
        renamed += "class_name" in row.fields and gloss != row.optional("class_name")
        if split == "train" and signer in val_signers:
            split = "val"
        if subset is None or label < subset:
            fields = {"gloss": gloss, "split": split, "signer": f"P{signer:02d}", "label": str(label)}
            names = {"name": name, "color": f"{name}._color", "path": row.path("video_path")}
            clips.append(Clip(name, fields, names, size=IMAGE))
    notes = []
    if moved:
        notes.append(
            f"{moved} clips have another split by signer (train: P01 to P36) than by file ({tables[0].name}, …)"
        )
    if renamed:
        notes.append(f"{renamed} clips have another class_name than gloss_label.txt, which counts")
    return Annotation(clips, files, notes)


def _rows(tables: Sequence[Path], subset: int | None) -> Iterator[tuple[Row, str]]:
    """Each clip's row and the split that its file says; without files, every clip of the dataset's naming."""
    for table in tables:
        for row in read_csv(table, ("video_path", "class_name")):
            yield row, split_of(table)
    labels = range(0 if tables else min(CLASSES, subset or CLASSES))
    for label, signer, take in product(labels, range(1, SIGNERS + 1), range(TAKES)):
        name = f"P{signer:02d}_{label // CLASSES_A_BATCH + 1:02d}_{label % CLASSES_A_BATCH:02d}_{take}"
        yield Row(Path(), name, {"video_path": f"{label:03d}/{name}._color.mp4"}), ""


def _parse_name(row: Row) -> tuple[int, int, str]:
    """Signer from 1, class from 0 and id of P41_01_00_1: signer 41, class (1 - 1) * 20 + 0, second take."""
    name = _NAME.match(row.path("video_path"))
    if name is None:
        raise row.error("video_path", "a name such as 000/P41_01_00_1._color.mp4")
    label = (int(name["batch"]) - 1) * CLASSES_A_BATCH + int(name["word"])
    if not 0 <= label < CLASSES or (name["folder"] and int(name["folder"]) != label):
        raise row.error("video_path", f"class {label} in a folder of that number, below {CLASSES}")
    return int(name["signer"]), label, name[0].rpartition("/")[2]
