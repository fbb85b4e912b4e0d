"""What a corpus lists: rows id, gloss, split of a CSV or JSON file, to hold a pack against."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

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
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(str(error), WANTED, file=path) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
        raise InputError("rows without an id", WANTED, file=path)
    return [
        {name: str(row.get(name) or "") for name in ("id", "gloss")}
        | {"split": str(row.get("split") or row.get("subset") or "")}
        for row in rows
    ]


def _json_rows(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("missing"), list):
        return value["missing"]
    if isinstance(value, dict):
        return [{**row, "id": name} if isinstance(row, dict) else row for name, row in value.items()]
    return value
