"""Output of commands: tables, progress bars, notes, reports; and words of the command line as values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from twinsign.errors import InputError
from twinsign.files import write_json
from twinsign.terminal import console, errors

__all__ = ["OK", "console", "errors"]

OK, NOTHING_WRITTEN, SOME_UNREADABLE = 0, 2, 3
"""Exit codes."""


def print_note(text: object) -> None:
    """Print a note to stderr."""
    errors.print(f"note: {text}")


def print_reasons(heading: str, reasons: Iterable[str]) -> None:
    """Print to stderr what failed, and below it why, a line each."""
    errors.print(f"{heading}:")
    for reason in reasons:
        errors.print(f"  {reason}")


def print_table(
    title: str, header: Sequence[str], rows: Iterable[Iterable[Any]], left: Sequence[str] = (), **options: Any
) -> None:
    """Print a table; columns without a heading and those named in `left` are left-aligned, others right-aligned."""
    table = Table(title=title, **options)
    for name in header:
        table.add_column(name, justify="right" if name and name not in left else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else "" if cell is None else str(cell) for cell in row))
    console.print(table)


@contextmanager
def progress_bar(description: str, total: int, show: bool = True, **options: Any) -> Iterator[Callable[..., None]]:
    """A progress bar on stderr; gives its update function, which takes `advance`, `completed`, `note` and others."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    note = TextColumn("{task.fields[note]}")
    with Progress(*columns, note, console=errors, disable=not show, **options) as progress:
        yield partial(progress.update, progress.add_task(description, total=total, note=""))


def shorten(names: Sequence[str], limit: int = 10) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def print_report(report: dict[str, Any]) -> None:
    """Print a report's accuracies with their intervals."""
    from twinsign.evaluation.caveats import describe_source, list_warnings

    split = ", ".join(report["split"] or ["all"]) + (", the model's signs" if "unknown" in report else "")
    source = f" ({poses})" if (poses := describe_source(report.get("source"))) else ""
    clips = f"{report['clips']} clips of {report['classes']} classes{source}"
    tops = list(report["per_instance"])
    rows = (
        [kind.replace("_", " "), *(with_interval(report, kind, top) for top in tops)]
        for kind in ("per_instance", "per_class")
    )
    print_table(f"{split}: {clips}, in percent [95 %]", ["", *tops], rows)
    if same := report.get("same_signs"):
        print_note(f"top-1 {same['top1']:.1f} where another gloss of the same sign counts ({same['pairs']} pairs)")
    for caution in list_warnings(report):
        print_note(caution)


def save_report(report: dict[str, Any], json: Path | None, scored: Any = None, scores: Path | None = None) -> None:
    """Write each clip's scores and the report to the files that were asked for, if any."""
    if scores:
        from twinsign.evaluation.score_files import write_scores

        write_scores(scores, scored, report)
    if json:
        write_json(json, report)


def with_interval(report: dict[str, Any], kind: str, top: str, sign: str = "") -> str:
    """An accuracy of a report and its 95 % interval, in percent: "66.6 [62.4, 70.6]"."""
    low, high = report["interval95"][f"{kind}.{top}"]
    return f"{report[kind][top]:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def parse_splits(split: str) -> list[str] | None:
    """The names in a comma-separated list of splits; None for `all`."""
    return None if split == "all" else [name.strip() for name in split.split(",") if name.strip()]


def parse_numbers(words: list[str], what: str) -> list[float]:
    """Words as numbers; InputError names `what` has a word that is not one."""
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise InputError(f"{what} {' '.join(words)}", "numbers") from error


def parse_ending(path: Path, endings: tuple[str, ...]) -> str:
    """A file's ending in lower case; InputError where it is not one of `endings`."""
    kind = path.suffix.lower()
    if kind not in endings:
        raise InputError(f"ending {kind or 'none'}", f"one of {', '.join(endings)}", file=path)
    return kind
