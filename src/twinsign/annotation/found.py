"""Where wanted signs occur in annotated recordings, best first."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twinsign.errors import InputError
from twinsign.files import write_text

FOUND = "found.csv"
COLUMNS = ("wanted", "score", "recording", "begin", "end", "first_frame", "stop_frame", "gloss", "sure")


def collect(files: Iterable[tuple[str, Path]], wanted: Iterable[str]) -> list[dict[str, Any]]:
    """Every segment of these recordings, names and files of JSON lines, for each wanted sign, best first."""
    rows = []
    names = list(wanted)
    for recording, file in files:
        for segment in read_rows(file):
            first = segment["guesses"][0]["gloss"] if segment["guesses"] else ""
            facts = {key: segment[key] for key in ("begin", "end", "first_frame", "stop_frame", "sure")}
            fits = segment.get("fits", {})
            rows += [
                {"wanted": name, "score": fits[name], "recording": recording, "gloss": first, **facts}
                for name in names
                if name in fits
            ]
    return sorted(rows, key=lambda row: (names.index(row["wanted"]), -row["score"]))


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines that `annotate` wrote; InputError where it is none."""
    try:
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        if not all({"begin", "end", "guesses", "sure"} <= row.keys() for row in rows):
            raise ValueError("rows without begin, end, guesses and sure")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"other content ({error})"[:200], "what `twinsign annotate` wrote", file=file) from error
    return rows


def write_found(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write them as CSV, whole or not at all."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        times = {name: f"{row[name]:.3f}" for name in ("begin", "end")}
        writer.writerow({**row, **times, "score": f"{row['score']:.4f}", "sure": str(row["sure"]).lower()})
    write_text(path, stream.getvalue())
