"""Splits: their hashes, who signs in several of them, and which listed clips are not there."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.datasets.columns import ALIASES, plain
from twinsign.datasets.tables import plain_split
from twinsign.doctor.exam import HELD_OUT, SPLIT_ORDER, Exam
from twinsign.doctor.finding import Checked, Finding, counted, some
from twinsign.errors import InputError
from twinsign.evaluation.metrics import percent
from twinsign.files import parse_json
from twinsign.report.html import Table

WANTED = "a CSV with a column `id`, or JSON: a list of rows with `id`, or clips by id"


def split_hash(exam: Exam) -> Checked:
    """`split_hash`: of each split, as reports give it."""
    return Checked({split: exam.pack.split_hash(exam.rows[exam.split == split]) for split in exam.splits})


def signer_overlap(exam: Exam) -> Checked:
    """`signer_overlap`: signers of several splits, their clips by split, and the ids of their held-out clips."""
    signers = exam.text("signer")
    clips: dict[str, Counter[str]] = defaultdict(Counter)
    for signer, split in zip(signers.tolist(), exam.split.tolist(), strict=True):
        if signer:
            clips[signer][split] += 1
    found: list[dict[str, Any]] = []
    for signer, counts in sorted(clips.items()):
        if len(counts) > 1 and set(counts) & set(HELD_OUT):
            held = np.flatnonzero((signers == signer) & exam.held)
            found.append({"signer": signer, "splits": dict(counts), "clips": exam.names(held)})
    if not found:
        return Checked(found)
    ids = [name for one in found for name in one["clips"]]
    share = len(ids) / max(1, int(exam.held.sum()))
    said = (
        f"{counted(len(found), 'signer')} of val or test sign in other splits, too ({percent(share):.0f} % of the "
        "held-out clips): results are of known people"
    )
    rows = [[one["signer"], *(one["splits"].get(split) for split in exam.splits)] for one in found]
    table = Table("Signers in several splits", ["Signer", *exam.splits], rows, "Clips by split.")
    return Checked(found, [Finding("warning", said, ids)], [table])


def missing_clips(exam: Exam) -> Checked:
    """`missing_clips`: rows (id, gloss, split) that the corpus lists and the pack lacks."""
    there = set(exam.id.tolist())
    rows = [
        {"id": row["id"], "gloss": row.get("gloss") or "", "split": row.get("split") or "none"}
        for row in exam.missing or ()
        if row["id"] not in there
    ]
    if not rows:
        return Checked(rows)
    listed = Counter(row["split"] for row in rows)
    words = ", ".join(f"{split} {count}" for split, count in sorted(listed.items()))
    held = any(row["split"] in HELD_OUT for row in rows)
    said = f"{counted(len(rows), 'listed clip has', 'listed clips have')} no poses ({words})"
    said += ": results are of what is there, not of the official split" if held else ""
    return Checked(rows, [Finding("warning", said, [row["id"] for row in rows])])


def coverage(exam: Exam) -> Checked:
    """`coverage`: of each split, clips and classes there and (where known) listed, and classes without a clip."""
    missing = missing_clips(exam).value
    names = exam.splits + sorted({row["split"] for row in missing} - set(exam.splits))
    value, rows = {}, []
    for split in names:
        mine = exam.split == split
        glosses = Counter(exam.gloss[mine & (exam.gloss != "")].tolist())
        lost = Counter(row["gloss"] for row in missing if row["split"] == split)
        clips, known = int(mine.sum()), exam.missing is not None
        about: dict[str, Any] = {"clips": clips, "classes": len(glosses)}
        about["listed"] = clips + lost.total() if known else None
        about["listed_classes"] = len(set(glosses) | (set(lost) - {""})) if known else None
        about["percent"] = percent(clips / (clips + lost.total())) if known else None
        about["classes_lost"] = sorted(set(lost) - set(glosses) - {""})
        about["missing_by_gloss"] = dict(sorted(lost.items()))
        value[split] = about
        signers = len(set(exam.text("signer")[mine].tolist()) - {""})
        rows.append([split, clips, about["listed"], about["percent"], len(glosses), signers or None])
    lost_classes = [gloss for split in names for gloss in value[split]["classes_lost"] if split in HELD_OUT]
    said = (
        f"{counted(len(lost_classes), 'class has', 'classes have')} no clip left in val or test: {some(lost_classes)}"
    )
    table = Table("Splits", ["Split", "Clips", "Listed", "There %", "Classes", "Signers"], rows)
    return Checked(value, [Finding("warning", said)] * bool(lost_classes) + _unsplit(exam), [table])


def _unsplit(exam: Exam) -> list[Finding]:
    """What it means that clips have no split: pre-training takes them, whatever they were kept for."""
    loose = np.flatnonzero(exam.split == "none")
    strange = sorted(set(exam.splits) - set(SPLIT_ORDER))
    findings = []
    if len(loose) == len(exam):
        findings.append(Finding("warning", "no clip has a split: pre-training takes all of them, a classifier none"))
    elif len(loose) and exam.held.any():
        said = (
            f"{counted(len(loose), 'clip has', 'clips have')} no split: pre-training takes them, a classifier does not"
        )
        findings.append(Finding("note", said, exam.names(loose)))
    if strange:
        said = f"splits called {some(map(repr, strange))}: pre-training takes their clips, too"
        findings.append(Finding("warning", said, exam.names(np.flatnonzero(np.isin(exam.split, strange)))))
    return findings


def read_listed(path: Path) -> list[dict[str, str]]:
    """Rows id, gloss, split of an annotation list; InputError where it is none.

    CSV with a header; JSON list of rows; JSON object of rows by id, whose split may be called `subset` (as in WLASL);
    or the JSON of a pack command, of which `missing` counts.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _json_rows(parse_json(text)) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
        rows = [{plain(str(name)): value for name, value in row.items()} for row in rows]
    except (OSError, ValueError, AttributeError, TypeError, csv.Error) as error:
        raise InputError(str(error), WANTED, file=path) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
        raise InputError("rows without an id", WANTED, file=path)
    return [{name: _said(row, name) for name in ("id", "gloss")} | {"split": _split(row)} for row in rows]


def _said(row: dict[str, Any], field: str) -> str:
    """What a row says of a field, under its name or another usual one."""
    found = next((row[name] for name in (field, *ALIASES[field]) if row.get(name) not in (None, "")), "")
    return str(found).strip()


def _split(row: dict[str, Any]) -> str:
    word = _said(row, "split")
    return plain_split(word) or word


def _json_rows(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("missing"), list):
        return value["missing"]
    if isinstance(value, dict):
        return [{**row, "id": name} if isinstance(row, dict) else row for name, row in value.items()]
    return value
