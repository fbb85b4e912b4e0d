"""LSA64: 3,200 clips of 64 Argentinian signs by 10 signers, 5 times each (Ronchetti et al., 2016); no split."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.tables import Row, annotation_files, read_lines
from twinsign.errors import InputError

PATTERNS = ("*signs*.md", "*signs*.txt")
CLASSES, SIGNERS, TAKES = 64, 10, 5
By = Literal["signer", "repetition"]
HELD_OUT: dict[By, tuple[int, int]] = {"signer": (9, 10), "repetition": (4, 5)}
"""val and test: signers 9 and 10 as in OpenHands; the last repetitions where all signers are seen in training."""


def lsa64(
    annotations: Sequence[Path] = (),
    split_by: By = "signer",
    val: Collection[int] | None = None,
    test: Collection[int] | None = None,
) -> Annotation:
    """All 3,200 clips, by name: SIGN_SIGNER_REPETITION, such as 001_002_003; lsa64_signs.md has the glosses.

    `val` and `test` are numbers of signers (1 to 10), or of repetitions (1 to 5); test=[3] for each signer in turn is
    the leave-one-out protocol. Raises InputError naming file, row and field.
    """
    highest = SIGNERS if split_by == "signer" else TAKES
    held = {"val": {HELD_OUT[split_by][0]} if val is None else set(val)}
    held["test"] = {HELD_OUT[split_by][1]} if test is None else set(test)
    # Told only which to test, the usual val gives way to it.
    held["val"] -= held["test"] if val is None else set()
    wrong = {number for numbers in held.values() for number in numbers if not 1 <= number <= highest}
    if wrong or held["val"] & held["test"]:
        found = f"val {sorted(held['val'])} and test {sorted(held['test'])}"
        raise InputError(found, f"numbers of a {split_by} from 1 to {highest}, none in both")
    files = annotation_files(annotations, *PATTERNS) if annotations else []
    names = _names(files)
    clips = []
    for sign in range(1, CLASSES + 1):
        for signer in range(1, SIGNERS + 1):
            for take in range(1, TAKES + 1):
                group = signer if split_by == "signer" else take
                split = next((split for split, numbers in held.items() if group in numbers), "train")
                gloss, hands = names.get(sign, (f"{sign:03d}", ""))
                row = {"gloss": gloss, "split": split, "signer": str(signer), "repetition": str(take)}
                name = f"{sign:03d}_{signer:03d}_{take:03d}"
                clips.append(Clip(name, {**row, "label": str(sign - 1), "hands": hands}, {"name": name}))
    return Annotation(clips, files)


def _names(files: Sequence[Path]) -> dict[int, tuple[str, str]]:
    """Gloss and hands (R right, B both) by number of the sign, of lines "01|Opaque|R"."""
    found = {}
    for file in files:
        for number, line in enumerate(read_lines(file)):
            fields = dict(zip(("sign", "gloss", "hands"), line.split("|"), strict=False))
            row = Row(file, f"line {number + 1}", fields)
            found[row.whole("sign", 1, CLASSES)] = (row.text("gloss"), row.maybe("hands"))
    return found
