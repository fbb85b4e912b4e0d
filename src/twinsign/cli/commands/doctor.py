"""The command that examines packs, and what it prints about them."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from twinsign.cli.console import OK, console, print_note, print_table, progress_bar, save_report, shorten
from twinsign.cli.options import MYPY, Positionals

if MYPY:
    from twinsign.doctor.checks import Diagnosis
    from twinsign.doctor.exam import Exam
    from twinsign.doctor.fix import DroppedClip

ERRORS = 1
STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
LISTED = 20
"""Dropped clips named on the screen."""


def doctor(
    packs: Positionals,
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
        packs: Packs to examine, together.
        json: JSON file to write all findings to, with every clip's id.
        html: HTML file to write a page with tables and pictures to.
        fix: Pack to write without copies and empty clips; val and test stay as they are.
        annotations: What the corpus lists: CSV or JSON with id, gloss, split.
        near: Whether to search for near-duplicates, which is the slow part.
        fix_near: Whether --fix also drops near-duplicates.
    """
    import numpy as np

    from twinsign.doctor.checks import diagnose
    from twinsign.doctor.exam import examine
    from twinsign.doctor.fix import select_dropped, write_fixed
    from twinsign.doctor.page import write_page
    from twinsign.doctor.splits import read_annotations
    from twinsign.pack.open import Pack

    pack = Pack(packs)
    listed = read_annotations(annotations) if annotations else None
    missing = list({row["id"]: row for row in [*pack.missing, *(listed or [])]}.values())
    with progress_bar("reading clips", len(pack), transient=True) as update:
        exam = examine(pack, missing or listed, lambda clips: update(advance=clips), cluster)
        diagnosis = diagnose(
            exam, near=near, tick=lambda check: update(description=f"checking {check.replace('_', ' ')}")
        )
    verdict, clips = diagnosis.verdict(), len(exam)
    report = {**diagnosis.values, "verdict": verdict, "data": [str(name) for name in pack.given], "clips": clips}
    _print_diagnosis(exam, diagnosis, advise=not fix)
    final = diagnosis
    if fix:
        dropped = select_dropped(exam, diagnosis.values["near_duplicates"] if near and fix_near else ())
        write_fixed(exam, dropped, fix)
        kept = np.setdiff1d(np.arange(clips), [clip.place for clip in dropped])
        final = diagnose(exam.only(kept), near=near)
        _print_fixed(exam, dropped, final, fix)
        report["fixed"] = {
            "pack": str(fix),
            "clips": clips - len(dropped),
            "dropped": [{"id": exam.name[clip.place], "why": clip.why} for clip in dropped],
            "verdict": final.verdict(),
        }
    save_report(report, json)
    if html:
        write_page(html, exam, diagnosis)
        console.print(f"page: {html}")
    return ERRORS if final.level == "error" else OK


def _print_diagnosis(exam: Exam, diagnosis: Diagnosis, advise: bool) -> None:
    from twinsign.doctor.page import lead

    values = diagnosis.values
    rows = []
    for split, coverage in values["coverage"].items():
        listed, unseen = coverage["listed"], values["hand_unseen_rate"]["by_split"].get(split)
        counts = [f"{coverage['clips']:,}", "–" if listed is None else f"{listed:,}", f"{coverage['classes']:,}"]
        rows.append([split, *counts, "–" if unseen is None else f"{unseen:.1f}", values["split_hash"].get(split, "–")])
    header = ["split", "clips", "listed", "classes", "frames without a hand %", "hash"]
    title = f"{len(exam):,} clips, {values['labels']['classes']:,} classes"
    print_table(title, header, rows, left=["split", "hash"])
    if diagnosis.findings:
        header = ["", "check", "found", "clips"]
        findings = (
            [
                Text(finding.level, STYLES[finding.level]),
                check.replace("_", " "),
                finding.message,
                shorten(finding.clips, 4),
            ]
            for check, finding in diagnosis.findings
        )
        print_table(lead(diagnosis).split(". ")[0], header, findings, left=header)
    else:
        console.print("nothing found")
    for row in values["not_checked"]:
        console.print(f"not checked: {row['check']}: {row['why']}")
    if advise and "duplicates" in {check for check, finding in diagnosis.findings if finding.level == "error"}:
        print_note("--fix OUT writes a pack without copies; val and test stay as they are")


def _print_fixed(exam: Exam, dropped: list[DroppedClip], diagnosis: Diagnosis, out: Path) -> None:
    from twinsign.doctor.page import lead

    console.print(f"{out}: {len(exam) - len(dropped):,} clips, {len(dropped):,} left out")
    for clip in dropped[:LISTED]:
        console.print(f"  {exam.name[clip.place]}: {clip.why}")
    if len(dropped) > LISTED:
        console.print(f"  and {len(dropped) - LISTED} more: see --json")
    console.print(f"remaining findings: {lead(diagnosis).split('. ')[0]}")
