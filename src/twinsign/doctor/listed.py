"""What a corpus lists: rows id, gloss, split of a CSV or JSON file, to hold a pack against."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from twinsign.datasets.columns import ALIASES, plain
from twinsign.datasets.tables import plain_split
from twinsign.errors import InputError
from twinsign.files import parse_json

WANTED = "a CSV with a column `id`, or JSON: a list of rows with `id`, or clips by id"


def read_listed(path: Path) -> list[dict[str, str]]:
    """Rows id, gloss, split of an annotation list; InputError where it is none (ours).

    CSV with a header; JSON list of rows; JSON object of rows by id, whose split may be called `subset` (as in WLASL);
    or the JSON of a pack command, of which `missing` counts.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _json_rows(parse_json(text)) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
        rows = [{plain(str(name)): value for name, value in row.items()} for row in rows]
    except (OSError, ValueError, AttributeError, TypeError, csv.Error) as error:
        raise InputError(str(error), WANTED, file=path) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
        raise InputError("rows without an id", WANTED, file=path)
    return [{name: _said(row, name) for name in ("id", "gloss")} | {"split": _split(row)} for row in rows]


def _said(row: dict[str, Any], field: str) -> str:
    """What a row says of a field, under its name or another usual one."""
    found = next((row[name] for name in (field, *ALIASES[field]) if row.get(name) not in (None, "")), "")
    return str(found).strip()


def _split(row: dict[str, Any]) -> str:
    word = _said(row, "split")
    return plain_split(word) or word


def _json_rows(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("missing"), list):
        return value["missing"]
    if isinstance(value, dict):
        return [{**row, "id": name} if isinstance(row, dict) else row for name, row in value.items()]
    return value
