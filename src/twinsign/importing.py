"""Packing a corpus with progress, and saying what was packed and what was not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from twinsign.corpora.sample import Corpus
from twinsign.files import write_json
from twinsign.pack.write import NothingPackedError, PackReport, write_pack

console = Console()
errors = Console(stderr=True)

LISTED = 10
"""Ids or reasons shown of a longer list; JSON holds all."""


def import_corpus(corpus: Corpus, out: Path, json: Path | None, provenance: dict[str, Any]) -> int:
    """Pack every readable clip and show what came of it; exit codes: 0, 2 (nothing written), 3 (some unreadable)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as progress:
        bar = progress.add_task("packing", total=len(corpus.samples))
        try:
            report = write_pack(corpus.samples, out, provenance=provenance, tick=lambda: progress.advance(bar))
        except NothingPackedError as error:
            report = error.report
    _show_packed(report, out)
    if json:
        write_json(json, asdict(report))
    return report.exit_code


def _show_packed(report: PackReport, out: Path) -> None:
    total = sum(report.clips.values())
    if total:
        splits = ", ".join(f"{split} {count}" for split, count in sorted(report.clips.items()))
        console.print(
            f"{out}: {total} clips ({splits}), {report.frames} frames, {report.glosses} glosses", markup=False
        )
        rates = ", ".join(f"{part} {rate:.1f} %" for part, rate in report.missing.items())
        console.print(f"frames without {rates}")
    if report.handless:
        console.print(f"{len(report.handless)} clips show no hand; training leaves them out: {_some(report.handless)}")
    if report.notes:
        first = next(iter(report.notes))
        console.print(f"{len(report.notes)} clips have notes; {first}: {report.notes[first][0]}", markup=False)
    if report.unreadable:
        errors.print(f"{len(report.unreadable)} clips could not be read:")
        for reason in list(report.unreadable.values())[:LISTED]:
            errors.print(f"  {reason}", markup=False)
    if not total:
        errors.print("nothing was written")


def _some(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
