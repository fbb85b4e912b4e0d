"""What commands say, and the words that many of them take: reports as tables, splits, numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from twinsign.errors import InputError
from twinsign.evaluation.coverage import cautions, source_in_words
from twinsign.terminal import console, errors

__all__ = ["OK", "console", "errors", "parse_numbers", "parse_splits", "print_report", "with_interval"]

OK = 0


def print_report(report: dict[str, Any]) -> None:
    """Print a report's accuracies with their intervals."""
    split = ", ".join(report["split"] or ["all"]) + (", the model's signs" if "unknown" in report else "")
    source = f" ({poses})" if (poses := source_in_words(report.get("source"))) else ""
    clips = f"{report['clips']} clips of {report['classes']} classes{source}"
    table = Table(title=f"{split}: {clips}, in percent [95 %]")
    tops = list(report["per_instance"])
    for name in ("", *tops):
        table.add_column(name, justify="right" if name else "left")
    for kind in ("per_instance", "per_class"):
        table.add_row(kind.replace("_", " "), *(with_interval(report, kind, top) for top in tops))
    console.print(table)
    for caution in cautions(report):
        errors.print(f"note: {caution}")


def with_interval(report: dict[str, Any], kind: str, top: str, sign: str = "") -> str:
    """An accuracy of a report and its 95 % interval, in percent: "66.6 [62.4, 70.6]"."""
    low, high = report["interval95"][f"{kind}.{top}"]
    return f"{report[kind][top]:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def parse_splits(split: str) -> list[str] | None:
    """The splits that --split names, joined by commas; None for `all`."""
    return None if split == "all" else [one.strip() for one in split.split(",") if one.strip()]


def parse_numbers(words: list[str], what: str) -> list[float]:
    """An option's words as numbers; InputError where one is none."""
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise InputError(f"{what} {' '.join(words)}", "numbers") from error


def ending_of(path: Path, endings: tuple[str, ...]) -> str:
    """The kind of file to write, by its ending; InputError for another one."""
    kind = path.suffix.lower()
    if kind not in endings:
        raise InputError(f"ending {kind or 'none'}", f"one of {', '.join(endings)}", file=path)
    return kind
