"""Annotation files as rows of checked fields: CSV, JSON and lists of lines; errors name file, row and field."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from twinsign.errors import InputError
from twinsign.files import parse_json

SPLIT_WORDS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val"}
SPLIT_WORDS |= {"test": "test", "testing": "test"}
NO_SPLIT = ("", "none")
"""Names for the split of a clip that is in none."""


@dataclass(frozen=True)
class Row:
    """One row of an annotation file; each method returns a field in the type asked for, or raises InputError."""

    file: Path
    place: str
    fields: Mapping[str, object]

    def error(self, name: str, wanted: str) -> InputError:
        """Return an InputError that names file, row and field and shows the field's first 60 characters."""
        problem = repr(self.fields[name])[:60] if name in self.fields else "nothing"
        return InputError(f"{problem} as {name!r} of {self.place}", wanted, file=self.file)

    def text(self, name: str) -> str:
        """A non-empty text, stripped of white space."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self.error(name, "a text")
        return value.strip()

    def optional(self, name: str) -> str:
        """A text or number as text; empty where the row has neither."""
        value = self.fields.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.error(name, "a text or number, or nothing")
        return f"{value:g}" if isinstance(value, float) else str(value).strip()

    def integer(self, name: str, low: int = 0, high: int | None = None) -> int:
        """A whole number from `low` to `high`, written as a number or as digits."""
        value = self.fields.get(name)
        if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            raise self.error(name, f"a whole number from {low}" + (f" to {high}" if high is not None else ""))
        return value

    def number(self, name: str) -> float:
        """A finite number, written as a number or as text."""
        value = self.fields.get(name)
        with suppress(ValueError, OverflowError):
            if isinstance(value, str | int | float) and not isinstance(value, bool) and math.isfinite(float(value)):
                return float(value)
        raise self.error(name, "a finite number")

    def numbers(self, name: str, count: int) -> list[float]:
        """A list of `count` finite numbers."""
        value = self.fields.get(name)
        if not isinstance(value, list) or len(value) != count:
            raise self.error(name, f"a list of {count} numbers")
        parts = Row(self.file, f"{name!r} of {self.place}", {str(i): part for i, part in enumerate(value)})
        return [parts.number(str(i)) for i in range(count)]

    def split(self, name: str) -> str:
        """train, val or test, from any of their usual names."""
        value = SPLIT_WORDS.get(self.text(name).lower())
        if value is None:
            raise self.error(name, "train, val or test")
        return value

    def path(self, name: str) -> str:
        """A relative path with forward slashes that does not leave its folder."""
        value = self.text(name).replace("\\", "/")
        pure = PurePosixPath(value)
        if pure.is_absolute() or ".." in pure.parts or value[1:2] == ":":
            raise self.error(name, "a path below the folder of poses, without `..`")
        return pure.as_posix()


def normalise_split(word: str) -> str | None:
    """Normalise a split's name to train, val, test, none or "" (unstated); None for a name that is not recognised."""
    plain = word.strip().casefold()
    return plain if plain in NO_SPLIT else SPLIT_WORDS.get(plain)


def annotation_files(paths: Sequence[str | Path], *patterns: str) -> list[Path]:
    """List the files among `paths` and, of its folders, those files whose names match a pattern.

    Raises InputError where there is no such file.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.is_file())
        matching = [file for file in inside if any(fnmatch(file.name.lower(), glob.lower()) for glob in patterns)]
        if not matching:
            names = ", ".join(file.name for file in inside[:5]) or "nothing"
            raise InputError(f"a folder with {names}", f"one with {' or '.join(patterns)}", file=path)
        files += matching
    if not files:
        raise InputError("no annotation file", " or ".join(patterns))
    return list(dict.fromkeys(files))


def split_of(file: Path) -> str:
    """The split that a file's name contains as a word: train, val or test, such as in trainlist01.txt."""
    words = "".join(letter if letter.isalpha() else " " for letter in file.stem.lower()).split()
    splits = {SPLIT_WORDS[name] for name in (word.removesuffix("list") for word in words) if name in SPLIT_WORDS}
    if len(splits) != 1:
        raise InputError(f"file name {file.name!r}", "a name that says train, val or test", file=file)
    return splits.pop()


def read_lines(file: Path) -> list[str]:
    """The non-empty lines of a text file in UTF-8, stripped of white space."""
    with _decoding(file, "a text file in UTF-8"):
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def line_rows(file: Path, parse: Callable[[str], Mapping[str, object]]) -> Iterator[Row]:
    """Each non-empty line of a text file as a row, with the fields that `parse` returns for it."""
    for number, line in enumerate(read_lines(file), 1):
        yield Row(file, f"line {number}", parse(line))


def read_csv(file: Path, columns: Sequence[str], header: Sequence[str] | None = None) -> list[Row]:
    """The rows of a CSV that has at least these columns; `header` names the columns of a CSV without a header line.

    Column names match whatever their case and surrounding blanks. Tabs, semicolons and bars as separators, and UTF-16,
    as spreadsheets write them, are read too.
    """
    wanted = f"a CSV with columns {', '.join(columns)}" if columns else "a CSV with a header line"
    with _decoding(file, wanted):
        text = _decode(file.read_bytes())
        first_line = re.split(r"[\r\n]", text, maxsplit=1)[0]
        delimiter = next((mark for mark in ",\t;|" if mark in first_line), ",")
        reader = csv.DictReader(io.StringIO(text, newline=""), header, delimiter=delimiter, strict=True)
        names = [name.strip() for name in reader.fieldnames or []]
        for column in columns:
            same = [place for place, name in enumerate(names) if name.casefold() == column.casefold()]
            if column not in names and len(same) == 1:
                names[same[0]] = column
        reader.fieldnames = names
        if not names or len(set(names)) != len(names) or not set(columns) <= set(names):
            raise InputError(f"columns {', '.join(names) or '(none)'}", wanted, file=file)
        rows = []
        for fields in reader:
            if None in fields or any(fields[name] is None for name in columns):
                problem = f"line {reader.line_num} with missing or extra fields"
                hint = "Put a field that contains a comma in double quotes."
                raise InputError(problem, f"{len(names)} fields, as in the header line", file=file, hint=hint)
            if any((value or "").strip() for value in fields.values()):  # spreadsheets write rows of commas alone
                rows.append(Row(file, f"line {reader.line_num}", fields))
    if not rows:
        raise InputError("no row", "a row for each clip below the header line", file=file)
    return rows


def _decode(data: bytes) -> str:
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte {data[error.start]:#x} in line {line}, which is not valid UTF-8: save it as UTF-8"
        raise ValueError(message) from error


def read_json(file: Path, wanted: str) -> object:
    """The value of a JSON file."""
    with _decoding(file, wanted):
        value: object = parse_json(file.read_bytes())
    return value


def json_rows(file: Path, value: object, place: str = "row") -> Iterator[Row]:
    """Each object of a JSON list as a row, numbered from 0."""
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
