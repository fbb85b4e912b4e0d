"""The command that holds a fold of a pack's clips out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from twinsign.cli.console import OK, errors, parse_splits
from twinsign.pack.open import Pack
from twinsign.pack.subset import fold_of, held_out, rewrite


def fold(
    pack: Path,
    out: Path,
    where: list[str],
    folds: int = 5,
    fold: int = 0,
    by: str | None = None,
    split: str = "train",
    held: Literal["val", "test"] = "val",
    seed: int = 0,
) -> int:
    """Hold a fold of a split's clips out, as a pack of its own: to choose settings without looking at val or test.

    Args:
        out: The pack to write: the split's clips and no others, as train and what is held out.
        folds: How many there are; each labelled clip is held out by one of them.
        fold: Which one, from 0.
        by: Column whose groups (signers, recording sessions) stay together; clips of identical poses always do.
        split: Splits joined by commas whose clips take part, or `all`.
        held: Split that the clips held out get.
        seed: Of who is in which fold.
    """
    given = Pack(pack)
    rows = given.select(parse_splits(split), where)
    away = held_out(given, rows, folds, fold, by, seed)
    found = fold_of(given, rows, away, held)
    note = {"of": str(pack), "where": where, "split": split, "folds": folds, "fold": fold, "by": by, "seed": seed}
    rewrite(given, found.kept, out, {"fold": note}, found.splits)
    asked = int(found.kept[away].sum())
    errors.print(f"{out}: {len(rows) - len(away)} train, {asked} {held}", markup=False, highlight=False, soft_wrap=True)
    if found.lost:
        text = f"left out, {len(away) - asked} clips of glosses that train would lack: {', '.join(found.lost)}"
        errors.print(text, markup=False, highlight=False, soft_wrap=True)
    return OK
