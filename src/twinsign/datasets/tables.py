"""Annotation files as rows of checked fields: CSV, JSON and lists of lines; errors name file, row and field."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from twinsign.errors import InputError
from twinsign.files import parse_json

SPLIT_WORDS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val"}
SPLIT_WORDS |= {"test": "test", "testing": "test"}
NONE = ("", "none")
"""Words for a clip that is in no split."""
SHOWN = 60
"""Letters of a field that a message shows."""


@dataclass(frozen=True)
class Row:
    """One row of an annotation file: its fields, each read as what it has to be or refused with InputError."""

    file: Path
    place: str
    fields: Mapping[str, object]

    def error(self, name: str, wanted: str) -> InputError:
        """An InputError that names file, row and field."""
        found = repr(self.fields[name])[:SHOWN] if name in self.fields else "nothing"
        return InputError(f"{found} as {name!r} of {self.place}", wanted, file=self.file)

    def text(self, name: str) -> str:
        """A text that is not empty, without blanks around it."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self.error(name, "a text")
        return value.strip()

    def maybe(self, name: str) -> str:
        """A text or number as text; empty where the row has none."""
        value = self.fields.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.error(name, "a text or number, or nothing")
        return f"{value:g}" if isinstance(value, float) else str(value).strip()

    def whole(self, name: str, low: int = 0, high: int | None = None) -> int:
        """A whole number from `low` to `high`, as number or digits."""
        value = self.fields.get(name)
        wanted = f"a whole number from {low}" + (f" to {high}" if high is not None else "")
        if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            raise self.error(name, wanted)
        return value

    def number(self, name: str) -> float:
        """A finite number, as number or text."""
        value = self.fields.get(name)
        try:
            number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self.error(name, "a finite number")
        return number

    def numbers(self, name: str, count: int) -> list[float]:
        """A list of so many finite numbers."""
        value = self.fields.get(name)
        if not isinstance(value, list) or len(value) != count:
            raise self.error(name, f"a list of {count} numbers")
        parts = Row(self.file, f"{name!r} of {self.place}", {str(i): one for i, one in enumerate(value)})
        return [parts.number(str(i)) for i in range(count)]

    def split(self, name: str) -> str:
        """train, val or test, also under its other usual names."""
        value = SPLIT_WORDS.get(self.text(name).lower())
        if value is None:
            raise self.error(name, "train, val or test")
        return value

    def path(self, name: str) -> str:
        """A relative path with forward slashes that stays below its folder."""
        value = self.text(name).replace("\\", "/")
        pure = PurePosixPath(value)
        if pure.is_absolute() or ".." in pure.parts or value[1:2] == ":":
            raise self.error(name, "a path below the folder of poses, without `..`")
        return pure.as_posix()


def plain_split(word: str) -> str | None:
    """train, val or test under any of its usual names, none, or "" where nothing is said; None for other words."""
    plain = word.strip().casefold()
    return plain if plain in NONE else SPLIT_WORDS.get(plain)


def annotation_files(given: Sequence[str | Path], *patterns: str) -> list[Path]:
    """The files given, and of folders given those whose names fit a pattern; InputError where there is none."""
    found: list[Path] = []
    for path in map(Path, given):
        inside = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else []
        listed = [one for one in inside if any(fnmatch(one.name.lower(), pattern.lower()) for pattern in patterns)]
        if path.is_dir() and not listed:
            names = ", ".join(one.name for one in inside[:5]) or "nothing"
            raise InputError(f"a folder with {names}", f"one with {' or '.join(patterns)}", file=path)
        found += listed if path.is_dir() else [path]
    if not found:
        raise InputError("no annotation file", " or ".join(patterns))
    return list(dict.fromkeys(found))


def split_of(file: Path) -> str:
    """The split that a file's name says: train, val or test between other letters than a to z."""
    words = "".join(letter if letter.isalpha() else " " for letter in file.stem.lower()).split()
    named = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    named |= {SPLIT_WORDS[word[:-4]] for word in words if word.endswith("list") and word[:-4] in SPLIT_WORDS}
    if len(named) != 1:
        raise InputError(f"file name {file.name!r}", "a name that says train, val or test", file=file)
    return named.pop()


def read_lines(file: Path) -> list[str]:
    """The lines of a text file in UTF-8, without blanks around them and without empty ones."""
    with _decoding(file, "a text file in UTF-8"):
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def read_csv(file: Path, columns: Sequence[str], header: Sequence[str] | None = None) -> list[Row]:
    """The rows of a CSV that has at least these columns; `header` names those of a CSV without a head line.

    Columns are found whatever their case and the blanks around them. Spreadsheets' tabs and semicolons between fields,
    and their UTF-16, are read too.
    """
    wanted = f"a CSV with columns {', '.join(columns)}" if columns else "a CSV with a head line"
    with _decoding(file, wanted):
        text = _text(file.read_bytes())
        reader = csv.DictReader(
            io.StringIO(text, newline=""), fieldnames=header, delimiter=_delimiter(text), strict=True
        )
        names = _named([name.strip() for name in reader.fieldnames or []], columns)
        reader.fieldnames = names
        lacking = [name for name in columns if name not in names]
        if lacking or len(set(names)) != len(names) or not names:
            raise InputError(f"columns {', '.join(names) or '(none)'}", wanted, file=file)
        rows = []
        for fields in reader:
            if None in fields or any(fields[name] is None for name in columns):
                found = f"line {reader.line_num} with fields missing or to spare"
                hint = "A field with a comma in it stands in double quotes."
                raise InputError(found, f"{len(names)} fields, as in the head line", file=file, hint=hint)
            if any((value or "").strip() for value in fields.values()):  # spreadsheets leave rows of commas alone
                rows.append(Row(file, f"line {reader.line_num}", fields))
    if not rows:
        raise InputError("no row", "a row a clip below the head line", file=file)
    return rows


def _text(data: bytes) -> str:
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"byte {data[error.start]:#x} in line {line}, which is no UTF-8: save it as UTF-8") from error


def _delimiter(text: str) -> str:
    """What stands between the fields of the head line: commas, unless there are none and there are others."""
    head = text[: min((place for place in map(text.find, "\r\n") if place >= 0), default=len(text))]
    return "," if "," in head else next((one for one in "\t;|" if one in head), ",")


def _named(names: list[str], columns: Sequence[str]) -> list[str]:
    """The names with those of `columns` spelt as there, where one alone differs in case."""
    for column in columns:
        same = [place for place, name in enumerate(names) if name.casefold() == column.casefold()]
        if column not in names and len(same) == 1:
            names[same[0]] = column
    return names


def read_json(file: Path, wanted: str) -> object:
    """A JSON file's value."""
    with _decoding(file, wanted):
        value: object = parse_json(file.read_bytes())
    return value


def json_rows(file: Path, value: object, place: str = "row") -> Iterator[Row]:
    """Each object of a JSON list as a row, counted from 0."""
    if not isinstance(value, list):
        raise InputError(f"{type(value).__name__} as {place}s", "a list", file=file)
    for number, fields in enumerate(value):
        if not isinstance(fields, dict):
            raise InputError(f"{place} {number} that is {type(fields).__name__}", "an object with fields", file=file)
        yield Row(file, f"{place} {number}", fields)


@contextmanager
def _decoding(file: Path, wanted: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError("no such file", wanted, file=file) from error
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise InputError(str(error)[:200], wanted, file=file) from error


def memberships(name: str, label: int, sizes: Sequence[int]) -> dict[str, str]:
    """A column for each subset, "1" where class number `label` (from 0) is in it: {"wlasl100": "1", …}."""
    return {f"{name}{size}": str(int(label < size)) for size in sizes}
