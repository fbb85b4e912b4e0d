"""Which column of a user's table holds what: by its name, a common alias, or as `--columns` says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from twinsign.datasets.tables import normalise_split
from twinsign.errors import InputError

ALIASES: dict[str, tuple[str, ...]] = {
    field: tuple(words.split())
    for field, words in {
        "file": "path file_name filename file_path filepath pose_file pose_path poses pose video video_path video_name "
        "video_file videofile clip clip_path",
        "gloss": "label labels word sign class class_name classname glosses sign_name category",
        "split": "set subset partition splits split_name phase",
        "signer": "signer_id signerid signers participant participant_id subject subject_id person person_id user "
        "user_id performer speaker",
        "id": "",
        "source": "",
        "estimator": "",
        "fps": "frame_rate framerate",
        "width": "",
        "height": "",
    }.items()
}
"""The fields of a clip that a table may have, and the aliases under which tables commonly have them."""
SIMILAR = 0.75
"""Similarity (difflib's ratio) from which an unknown column's name is taken for a misspelt one."""


def normalise_column(name: str) -> str:
    """Normalise a column's name: no upper case, surrounding blanks, or separators but underscores."""
    return re.sub(r"[\s\-.]+", "_", name.strip().casefold())


def parse_columns(text: str | None) -> dict[str, str]:
    """Parse "file=path,gloss=sign" into a dictionary; InputError for other texts and for unknown or repeated fields."""
    chosen: dict[str, str] = {}
    for part in text.split(",") if text else ():
        field, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or field not in ALIASES or field in chosen:
            wanted = f"FIELD=COLUMN, joined by commas, each FIELD once of {', '.join(ALIASES)}"
            raise InputError(f"--columns {text!r}", wanted, hint="For example --columns file=path,gloss=sign.")
        chosen[field] = column
    return chosen


def find_columns(
    table: Path, rows: Sequence[Mapping[str, object]], chosen: Mapping[str, str], needed: str = "file"
) -> tuple[dict[str, str], list[str]]:
    """Find the column of each field in a table's rows; also notes on columns recognised by an alias or misspelt.

    A field chosen as "" has no column. Raises InputError where `needed` or a chosen column is absent, or where several
    columns could be a field's.
    """
    names = list(rows[0])
    columns, notes = {}, []
    for field, aliases in ALIASES.items():
        if field in chosen:
            if chosen[field]:
                columns[field] = _chosen_column(table, names, field, chosen[field])
            continue
        column = _only_column(table, field, [name for name in names if normalise_column(name) == field])
        if column is None:
            taken = {*columns.values(), *chosen.values()}
            candidates = [name for name in names if normalise_column(name) in aliases and name not in taken]
            if field == "split":  # a column `set` or `phase` counts only if it holds nothing but names of splits
                candidates = [
                    name
                    for name in candidates
                    if all(normalise_split(str(row.get(name) or "")) is not None for row in rows)
                ]
            column = _only_column(table, field, candidates)
            if column is not None and field != "file":
                notes.append(f"column {column!r} taken as {field}")
        if column is not None:
            columns[field] = column
    if needed not in columns:
        like_file = (name for name in names if _closest(name, ["file", *ALIASES["file"]]))
        guess = next((f": perhaps file={name}" for name in like_file), "")
        hint = f"--columns file=COLUMN,gloss=COLUMN says which column is which{guess}."
        wanted = f"a CSV with a column {needed}, and gloss, split, signer"
        raise InputError(f"columns {', '.join(names) or '(none)'}", wanted, file=table, hint=hint)
    absent = [field for field in ("gloss", "split", "signer") if field not in columns and field not in chosen]
    field_of = {word: field for field in absent for word in (field, *ALIASES[field])}
    for name in names:
        if name not in columns.values() and (word := _closest(name, field_of)):
            field = field_of[word]
            notes.append(f"column {name!r} is kept as it is; if it is the {field}: --columns {field}={name}")
    return columns, notes


def _closest(name: str, words: Iterable[str]) -> str | None:
    """The word most similar to a column's name; None where none is similar enough."""
    return next(iter(get_close_matches(normalise_column(name), words, 1, SIMILAR)), None)


def _chosen_column(table: Path, names: Sequence[str], field: str, column: str) -> str:
    """The column of this very name, or else the only one whose normalised name is the same."""
    same = [name for name in names if name == column] or [
        name for name in names if normalise_column(name) == normalise_column(column)
    ]
    if len(same) != 1:
        similar = _closest(column, names)
        hint = f"Did you mean {field}={similar}?" if similar else ""
        raise InputError(f"no column {column!r}", f"one of {', '.join(names)}", file=table, hint=hint)
    return same[0]


def _only_column(table: Path, field: str, candidates: Sequence[str]) -> str | None:
    """The candidate, of several the one named as the field itself, or None."""
    if len(candidates) > 1 and field not in candidates:
        listed = " and ".join(map(repr, candidates))
        hint = f"--columns {field}={candidates[0]} says which; --columns {field}= that it is neither."
        raise InputError(f"columns {listed}, any of which may be the {field}", "one of them", file=table, hint=hint)
    return field if field in candidates else next(iter(candidates), None)
