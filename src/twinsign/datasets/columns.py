"""Which column of a person's own table says what: by its name, its usual other names, or as `--columns` says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from twinsign.datasets.tables import plain_split
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
"""What a table may say of a clip, and the other names that tables commonly use for it."""
LIKE = 0.75
"""How alike, by difflib's ratio, an unknown name must be to a known one to be asked about."""


def plain(name: str) -> str:
    """A column's name without case, surrounding blanks, and kind of separator."""
    return re.sub(r"[\s\-.]+", "_", name.strip().casefold())


def parse_columns(text: str | None) -> dict[str, str]:
    """ "file=path,gloss=sign" as a dictionary; InputError where it is none, or names what a table cannot say."""
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
    """Column of each field that a table's rows have, and notes on names that were taken for others or resemble them.

    A field chosen as "" is none of the columns. Raises InputError where `needed` is absent, a chosen column is, or
    several could be meant.
    """
    names = list(rows[0])
    columns, notes = {}, []
    for field, aliases in ALIASES.items():
        if field in chosen:
            if chosen[field]:
                columns[field] = _chosen(table, names, field, chosen[field])
            continue
        column = _only(table, names, field, [name for name in names if plain(name) == field])
        if column is None:
            taken = {*columns.values(), *chosen.values()}
            others = [name for name in names if plain(name) in aliases and name not in taken]
            if field == "split":
                others = [name for name in others if _splits(rows, name)]
            column = _only(table, names, field, others)
            if column is not None and field != "file":
                notes.append(f"column {column!r} taken as {field}")
        if column is not None:
            columns[field] = column
    if needed not in columns:
        hint = "--columns file=COLUMN,gloss=COLUMN says which column is which" + _suggested(names)
        listed = ", ".join(names) or "(none)"
        wanted = f"a CSV with a column {needed}, and gloss, split, signer"
        raise InputError(f"columns {listed}", wanted, file=table, hint=hint)
    return columns, notes + _unknown(names, columns, chosen)


def _chosen(table: Path, names: Sequence[str], field: str, column: str) -> str:
    same = [name for name in names if name == column] or [name for name in names if plain(name) == plain(column)]
    if len(same) != 1:
        close = get_close_matches(plain(column), names, 1, LIKE)
        hint = f"Did you mean {field}={close[0]}?" if close else ""
        raise InputError(f"no column {column!r}", f"one of {', '.join(names)}", file=table, hint=hint)
    return same[0]


def _only(table: Path, names: Sequence[str], field: str, fits: Sequence[str]) -> str | None:
    """The column that fits; where several do, the one spelt as the field itself."""
    if len(fits) > 1 and field not in fits:
        listed = " and ".join(map(repr, fits))
        hint = f"--columns {field}={fits[0]} says which; --columns {field}= that it is neither."
        raise InputError(f"columns {listed}, any of which may be the {field}", "one of them", file=table, hint=hint)
    return field if field in fits else fits[0] if fits else None


def _splits(rows: Sequence[Mapping[str, object]], column: str) -> bool:
    """Whether a column that may be the split holds names of splits alone."""
    return all(plain_split(str(row.get(column) or "")) is not None for row in rows)


def _suggested(names: Sequence[str]) -> str:
    close = {name: get_close_matches(plain(name), ["file", *ALIASES["file"]], 1, LIKE) for name in names}
    like = next((name for name, found in close.items() if found), None)
    return f": perhaps file={like}." if like else "."


def _unknown(names: Sequence[str], columns: Mapping[str, str], chosen: Mapping[str, str]) -> list[str]:
    """Notes on columns that resemble a field which no column has."""
    lacking = [field for field in ("gloss", "split", "signer") if field not in columns and field not in chosen]
    field_of = {word: field for field in lacking for word in (field, *ALIASES[field])}
    notes = []
    for name in names:
        close = get_close_matches(plain(name), field_of, 1, LIKE) if name not in columns.values() else []
        if close:
            field = field_of[close[0]]
            notes.append(f"column {name!r} is kept as it is; if it is the {field}: --columns {field}={name}")
    return notes
