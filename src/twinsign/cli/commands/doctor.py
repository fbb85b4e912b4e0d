"""The command that examines packs, and what it says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from twinsign.doctor.checks import Diagnosis, diagnose
from twinsign.doctor.exam import Exam, examine, some
from twinsign.doctor.fix import Dropped, to_drop, write_fixed
from twinsign.doctor.page import doctor_page, lead
from twinsign.doctor.splits import read_listed
from twinsign.files import write_json
from twinsign.pack.open import Pack
from twinsign.terminal import console, errors

CLEAN, ERRORS = 0, 1
STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
LISTED = 20
"""Dropped clips named on the screen."""


def doctor(
    packs: list[str],
    json: Path | None = None,
    html: Path | None = None,
    fix: Path | None = None,
    annotations: Path | None = None,
    near: bool = True,
    fix_near: bool = False,
    cluster: str | None = None,
) -> int:
    """Find what is wrong with packs before training on them: leaks, copies, labels, poses. Exit code 1: errors found.

    Args:
        json: Where to write all findings, with every clip's id.
        html: Where to write a page with tables and pictures.
        fix: Where to write the pack without copies and empty clips; val and test stay as they are.
        annotations: What the corpus lists: CSV or JSON with id, gloss, split.
        near: Whether to look for nearly identical clips, which is the slow part.
        fix_near: Whether --fix also drops nearly identical clips.
        cluster: A Ray cluster that looks at the clips: local, auto or ray://HOST:PORT (docs/scaling.md).
    """
    pack = Pack(packs)
    listed = read_listed(annotations) if annotations else None
    missing = list({row["id"]: row for row in [*pack.missing, *(listed or [])]}.values())
    with _progress(len(pack)) as (step, say):
        exam = examine(pack, missing or listed, step, cluster)
        found = diagnose(exam, near=near, tick=say)
    report = {
        **found.values,
        "verdict": found.verdict(),
        "data": [str(name) for name in pack.given],
        "clips": len(exam),
    }
    _show(exam, found)
    left = found
    if fix:
        dropped = to_drop(exam, found.values["near_duplicates"] if near and fix_near else ())
        write_fixed(exam, dropped, fix)
        left = _after(exam, dropped, near)
        _show_fixed(exam, dropped, left, fix)
        report["fixed"] = {
            "pack": str(fix),
            "clips": len(exam) - len(dropped),
            "dropped": [{"id": exam.name[one.place], "why": one.why} for one in dropped],
            "verdict": left.verdict(),
        }
    if json:
        write_json(json, report)
    if html:
        doctor_page(html, exam, found)
        console.print(f"page: {html}", markup=False)
    return ERRORS if left.level == "error" else CLEAN


def _after(exam: Exam, dropped: list[Dropped], near: bool) -> Diagnosis:
    """What the checks say of the clips that stay."""
    gone = {one.place for one in dropped}
    return diagnose(exam.only(np.asarray([place for place in range(len(exam)) if place not in gone])), near=near)


@contextmanager
def _progress(clips: int) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """A bar of clips looked at, then the name of each check."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        bar = progress.add_task("looking at clips", total=clips)
        yield (
            lambda done: progress.advance(bar, done),
            lambda check: progress.update(bar, description=f"checking {check.replace('_', ' ')}"),
        )


def _show(exam: Exam, found: Diagnosis) -> None:
    splits = Table(title=f"{len(exam):,} clips, {found.values['labels']['classes']:,} classes")
    for name in ("split", "clips", "listed", "classes", "frames without a hand %", "hash"):
        splits.add_column(name, justify="left" if name in ("split", "hash") else "right")
    for split, about in found.values["coverage"].items():
        listed, unseen = about["listed"], found.values["hand_unseen_rate"]["by_split"].get(split)
        splits.add_row(
            split,
            f"{about['clips']:,}",
            "–" if listed is None else f"{listed:,}",
            f"{about['classes']:,}",
            "–" if unseen is None else f"{unseen:.1f}",
            found.values["split_hash"].get(split, "–"),
        )
    console.print(splits)
    if found.findings:
        table = Table(title=lead(found).split(". ")[0])
        for name in ("", "check", "found", "clips"):
            table.add_column(name, overflow="fold")
        for check, finding in found.findings:
            style = STYLES[finding.level]
            words = (check.replace("_", " "), finding.message, some(finding.clips, 4))
            table.add_row(Text(finding.level, style), *(Text(word) for word in words))
        console.print(table)
    else:
        console.print("nothing found")
    for row in found.values["not_checked"]:
        console.print(f"not checked: {row['check']}: {row['why']}", markup=False)


def _show_fixed(exam: Exam, dropped: list[Dropped], left: Diagnosis, out: Path) -> None:
    console.print(f"{out}: {len(exam) - len(dropped):,} clips, {len(dropped):,} left out", markup=False)
    for one in dropped[:LISTED]:
        console.print(f"  {exam.name[one.place]}: {one.why}", markup=False)
    if len(dropped) > LISTED:
        console.print(f"  and {len(dropped) - LISTED} more: see --json")
    console.print(f"what is left: {lead(left).split('. ')[0]}", markup=False)
