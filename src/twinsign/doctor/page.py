"""The doctor's page: findings, tables, lengths, frames without hands, and the most suspicious clips as skeletons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from twinsign.doctor.checks import Diagnosis
from twinsign.doctor.exam import LEVELS, Exam, abbreviate, pluralize
from twinsign.report.figures import COLOURS, label_text
from twinsign.report.html import Picture, Table, write_report
from twinsign.report.skeletons import skeleton_strip

Numbers = NDArray[np.floating]
MOST_ROWS = 200
"""Rows shown of a table; JSON has all."""
DRAWN = 6
"""Clips drawn, at most two of a kind."""


def write_page(path: Path, exam: Exam, diagnosis: Diagnosis) -> None:
    """Write the page as one HTML file, atomically."""
    facts = {
        "Packs": ", ".join(str(name) for name in exam.pack.given),
        "Clips": f"{len(exam):,}",
        "Frames": f"{int(exam.number('frames').sum()):,}",
        "Classes": f"{diagnosis.values['labels']['classes']:,}",
        **{f"Hash of {split}": code for split, code in diagnosis.values["split_hash"].items()},
    }
    rows = [
        [finding.level, check.replace("_", " "), finding.message, abbreviate(finding.clips)]
        for check, finding in diagnosis.findings
    ]
    tables = [Table("Findings", ["Level", "Check", "Found", "Clips"], rows)] if rows else []
    for table in diagnosis.tables:
        if len(table.rows) > MOST_ROWS:
            caption = f"{table.caption} The first {MOST_ROWS} of {len(table.rows):,} rows.".strip()
            table = replace(table, rows=table.rows[:MOST_ROWS], caption=caption)
        tables.append(table)
    figures = _histograms(exam) + _skeletons(exam, diagnosis)
    write_report(path, title="Data", lead=lead(diagnosis), facts=facts, tables=tables, figures=figures)


def lead(diagnosis: Diagnosis) -> str:
    """The verdict in a sentence."""
    counts = [pluralize(diagnosis.count(level), level) for level in LEVELS if diagnosis.count(level)]
    if not counts:
        return "Nothing found."
    words = ", ".join(counts)
    return f"{words}. An error makes results wrong; a warning is likely bad data; a note is good to know."


def _histograms(exam: Exam) -> list[Picture]:
    frames = exam.number("frames")
    edges = np.linspace(0, np.ceil(max(float(np.percentile(frames, 99.5)), 10.0) / 10) * 10, 31)
    lengths = _histogram(exam, np.minimum(frames, edges[-1] - 1e-6), edges, "frames")
    unseen = 100 * (1 - exam.number("hand_frames") / frames)
    shares = _histogram(exam, unseen, np.linspace(0, 100, 21), "frames without a hand (%)")
    caption = "Share of each split's clips"
    return [
        ("Lengths of clips", f"{caption}; the last bar holds all longer ones.", lengths),
        ("Frames without a hand", f"{caption} by how many of their frames show no hand.", shares),
    ]


def _histogram(exam: Exam, values: Numbers, edges: Numbers, label: str) -> Figure:
    """A panel for each split, one below the other, with its median."""
    figure = Figure(figsize=(7.2, 0.9 + 1.25 * len(exam.splits)), layout="constrained")
    panels = figure.subplots(len(exam.splits), sharex=True, squeeze=False)[:, 0]
    for axes, split in zip(panels, exam.splits, strict=True):
        of_split = values[exam.split == split]
        share = np.full(len(of_split), 100 / len(of_split))
        axes.hist(of_split, bins=edges.tolist(), weights=share, color=COLOURS[5], edgecolor="white", linewidth=0.4)
        median = float(np.median(of_split))
        axes.axvline(median, color="black", linewidth=1.2)
        axes.set_title(f"{label_text(split)}: {len(of_split):,} clips, median {median:.0f}", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylabel("% of clips", fontsize=9)
    panels[-1].set_xlabel(label)
    return figure


def _skeletons(exam: Exam, diagnosis: Diagnosis) -> list[Picture]:
    """A few clips worth a look, with the reason: up to two of each kind."""
    values = diagnosis.values
    kinds = {
        "nearly identical clips": [name for pair in values.get("near_duplicates", [])[:1] for name in pair],
        "hands far from any usual size": [row["id"] for row in values["outliers"]["hand_size"]],
        "left and right exchanged": values["sides"]["crossed"],
        "right shoulder at the picture's right": values["sides"]["turned"],
        "a wrist jumps, or the hands change places": [row["id"] for row in values["jumping"]],
        "stands still": [row["id"] for row in values["frozen"]],
    }
    reasons: dict[str, str] = {}
    for reason, names in kinds.items():
        for name in names[:2]:
            reasons.setdefault(name, reason)
    pictures: list[Picture] = []
    for name, reason in list(reasons.items())[:DRAWN]:
        place = exam.name.index(name)
        recording = exam.pack.recording(int(exam.rows[place]))
        gloss = f" ({exam.gloss[place]})" if exam.gloss[place] else ""
        strip = skeleton_strip(recording.xy, recording.seen, recording.size)
        pictures.append((f"{name}{gloss}: {reason}", "Orange: right hand; blue: left; grey: trunk.", strip))
    return pictures
