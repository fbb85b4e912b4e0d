"""LSA64: 3,200 clips of 64 Argentinian signs by 10 signers, 5 times each (Ronchetti et al., 2016); no split."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import product
from pathlib import Path
from typing import Literal

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.tables import annotation_files, line_rows
from twinsign.errors import InputError

CLASSES, SIGNERS, TAKES = 64, 10, 5
By = Literal["signer", "repetition"]
HELD_OUT: dict[By, tuple[int, int]] = {"signer": (9, 10), "repetition": (4, 5)}
"""val and test: signers 9 and 10 as in OpenHands, or the last repetitions where training sees all signers."""


def lsa64(
    annotations: Sequence[Path] = (),
    split_by: By = "signer",
    val: Collection[int] | None = None,
    test: Collection[int] | None = None,
) -> Annotation:
    """List all 3,200 clips by name: SIGN_SIGNER_REPETITION, such as 001_002_003; lsa64_signs.md has the glosses.

    `val` and `test` are numbers of signers (1 to 10) or of repetitions (1 to 5); test=[3] for each signer in turn is
    the leave-one-out protocol, and the default val then gives way to it. Raises InputError naming file, row and field.
    """
    highest = SIGNERS if split_by == "signer" else TAKES
    default_val, default_test = HELD_OUT[split_by]
    test = {default_test} if test is None else set(test)
    val = {default_val} - test if val is None else set(val)
    if not val | test <= set(range(1, highest + 1)) or val & test:
        problem = f"val {sorted(val)} and test {sorted(test)}"
        raise InputError(problem, f"numbers of a {split_by} from 1 to {highest}, none in both")
    files = annotation_files(annotations, "*signs*.md", "*signs*.txt") if annotations else []
    names = _names(files)
    clips = []
    for sign, signer, take in product(range(1, CLASSES + 1), range(1, SIGNERS + 1), range(1, TAKES + 1)):
        group = signer if split_by == "signer" else take
        split = "val" if group in val else "test" if group in test else "train"
        gloss, hands = names.get(sign, (f"{sign:03d}", ""))
        fields = {"gloss": gloss, "split": split, "signer": str(signer), "repetition": str(take)}
        name = f"{sign:03d}_{signer:03d}_{take:03d}"
        clips.append(Clip(name, {**fields, "label": str(sign - 1), "hands": hands}, {"name": name}))
    return Annotation(clips, files)


def _names(files: Sequence[Path]) -> dict[int, tuple[str, str]]:
    """Gloss and hands (R right, B both) by number of the sign, from lines such as "01|Opaque|R"."""
    columns = ("sign", "gloss", "hands")
    rows = [
        row for file in files for row in line_rows(file, lambda line: dict(zip(columns, line.split("|"), strict=False)))
    ]
    return {row.integer("sign", 1, CLASSES): (row.text("gloss"), row.optional("hands")) for row in rows}
