"""The doctor's page: findings, tables, lengths, frames without hands, and the oddest clips as skeletons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from twinsign.doctor.checks import Diagnosis
from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import counted, some
from twinsign.report.figures import COLOURS, plain
from twinsign.report.html import Picture, Table, write_report
from twinsign.report.skeletons import skeleton_strip

Numbers = NDArray[np.floating]
MOST_ROWS = 200
"""Rows shown of a table; JSON has all."""
DRAWN = 6
"""Clips drawn, at most two of a kind."""


def doctor_page(path: Path, exam: Exam, found: Diagnosis) -> None:
    """Write the page, whole or not at all."""
    pack = exam.pack
    facts = {
        "Packs": ", ".join(str(one) for one in pack.given),
        "Clips": f"{len(exam):,}",
        "Frames": f"{int(exam.number('frames').sum()):,}",
        "Classes": f"{found.values['labels']['classes']:,}",
        **{f"Hash of {split}": code for split, code in found.values["split_hash"].items()},
    }
    rows = [
        [finding.level, check.replace("_", " "), finding.said, some(finding.clips)] for check, finding in found.findings
    ]
    findings = Table("Findings", ["Level", "Check", "Found", "Clips"], rows)
    tables = [findings] if rows else []
    tables += [_short(table) for table in found.tables]
    write_report(path, title="Data", lead=lead(found), facts=facts, tables=tables, figures=_pictures(exam, found))


def lead(found: Diagnosis) -> str:
    """The verdict in a sentence."""
    if found.level == "clean":
        return "Nothing found."
    counts = [counted(found.count(level), level) for level in ("error", "warning", "note") if found.count(level)]
    words = ", ".join(counts)
    return f"{words}. An error makes results wrong; a warning is a likely fault of the data; a note is good to know."


def _short(table: Table) -> Table:
    if len(table.rows) <= MOST_ROWS:
        return table
    caption = f"{table.caption} The first {MOST_ROWS} of {len(table.rows):,} rows.".strip()
    return replace(table, rows=table.rows[:MOST_ROWS], caption=caption)


def _pictures(exam: Exam, found: Diagnosis) -> list[Picture]:
    splits = exam.splits
    caption = "Share of each split's clips; the last bar holds all longer ones."
    pictures: list[Picture] = [("Lengths of clips", caption, _lengths(exam, splits))]
    caption = "Share of each split's clips by how many of their frames show no hand."
    pictures.append(("Frames without a hand", caption, _unseen(exam, splits)))
    for place, why in _oddest(exam, found):
        recording = exam.pack.recording(int(exam.rows[place]))
        gloss = f" ({exam.gloss[place]})" if exam.gloss[place] else ""
        caption = "Orange: right hand; blue: left; grey: trunk."
        strip = skeleton_strip(recording.xy, recording.seen, recording.size)
        pictures.append((f"{exam.name[place]}{gloss}: {why}", caption, strip))
    return pictures


def _lengths(exam: Exam, splits: Sequence[str]) -> Figure:
    frames = exam.number("frames")
    top = max(float(np.percentile(frames, 99.5)), 10.0)
    edges = np.linspace(0, np.ceil(top / 10) * 10, 31)
    return _histograms(exam, splits, np.minimum(frames, edges[-1] - 1e-6), edges, "frames")


def _unseen(exam: Exam, splits: Sequence[str]) -> Figure:
    frames = exam.number("frames")
    share = 100 * (1 - exam.number("hand_frames") / frames)
    return _histograms(exam, splits, share, np.linspace(0, 100, 21), "frames without a hand (%)")


def _histograms(exam: Exam, splits: Sequence[str], values: Numbers, edges: Numbers, label: str) -> Figure:
    """One panel a split under the other, with its median."""
    figure = Figure(figsize=(7.2, 0.9 + 1.25 * len(splits)), layout="constrained")
    first = None
    for number, split in enumerate(splits):
        axes = first = figure.add_subplot(len(splits), 1, number + 1, sharex=first)
        mine = values[exam.split == split]
        share = np.full(len(mine), 100 / len(mine))
        axes.hist(mine, bins=edges.tolist(), weights=share, color=COLOURS[5], edgecolor="white", linewidth=0.4)
        middle = float(np.median(mine))
        axes.axvline(middle, color="black", linewidth=1.2)
        axes.set_title(f"{plain(split)}: {len(mine):,} clips, median {middle:.0f}", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylabel("% of clips", fontsize=9)
        axes.tick_params(labelbottom=number == len(splits) - 1)
    if first is not None:
        first.set_xlabel(label)
    return figure


def _oddest(exam: Exam, found: Diagnosis) -> list[tuple[int, str]]:
    """A few clips worth a look, with the reason: up to two of each kind."""
    values = found.values
    place = {name: number for number, name in enumerate(exam.name)}
    kinds = {
        "nearly identical clips": [name for pair in values.get("near_duplicates", [])[:1] for name in pair],
        "hands far from any usual size": [row["id"] for row in values["outliers"]["hand_size"]],
        "left and right exchanged": values["sides"]["crossed"],
        "right shoulder at the picture's right": values["sides"]["turned"],
        "a wrist jumps, or the hands change places": [row["id"] for row in values["jumping"]],
        "stands still": [row["id"] for row in values["frozen"]],
    }
    chosen: dict[int, str] = {}
    for why, names in kinds.items():
        for name in names[:2]:
            chosen.setdefault(place[name], why)
    return list(chosen.items())[:DRAWN]
