"""Splits and sources: hashes, coverage, signers in several splits, listed clips without poses, repeated ids."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from twinsign.datasets.columns import ALIASES, normalise_column
from twinsign.datasets.tables import normalise_split
from twinsign.doctor.exam import SPLIT_ORDER, CheckResult, Exam, Finding, Level, abbreviate, pluralize, with_clips
from twinsign.errors import InputError
from twinsign.evaluation.metrics import percent
from twinsign.files import parse_json
from twinsign.pack.selection import HELD_OUT
from twinsign.report.html import Table

SHARE = 0.2
"""Difference of an estimator's or source's share between train and a held-out split that is reported."""
WANTED = "a CSV with a column `id`, or JSON: a list of rows with `id`, or clips by id"


def split_hash(exam: Exam) -> CheckResult:
    """`split_hash`: of each split, as in evaluation reports."""
    return CheckResult({split: exam.pack.split_hash(exam.rows[exam.split == split]) for split in exam.splits})


def signer_overlap(exam: Exam) -> CheckResult:
    """`signer_overlap`: signers of several splits, their clips by split, and the ids of their held-out clips."""
    signers = exam.text("signer")
    clips: dict[str, Counter[str]] = defaultdict(Counter)
    for signer, split in zip(signers.tolist(), exam.split.tolist(), strict=True):
        if signer:
            clips[signer][split] += 1
    value: list[dict[str, Any]] = [
        {"signer": signer, "splits": dict(counts), "clips": exam.names(np.flatnonzero((signers == signer) & exam.held))}
        for signer, counts in sorted(clips.items())
        if len(counts) > 1 and set(counts) & set(HELD_OUT)
    ]
    if not value:
        return CheckResult(value)
    ids = [name for row in value for name in row["clips"]]
    message = (
        f"{pluralize(len(value), 'signer')} of val or test also sign in other splits ("
        f"{percent(len(ids) / max(1, int(exam.held.sum()))):.0f} % of the held-out clips): results are not "
        "signer-independent"
    )
    rows = [[row["signer"], *(row["splits"].get(split) for split in exam.splits)] for row in value]
    table = Table("Signers in several splits", ["Signer", *exam.splits], rows, "Clips by split.")
    return CheckResult(value, [Finding("warning", message, ids)], [table])


def missing_clips(exam: Exam) -> CheckResult:
    """`missing_clips`: rows (id, gloss, split) that the corpus lists and the pack lacks."""
    present = set(exam.id.tolist())
    rows = [
        {"id": row["id"], "gloss": row.get("gloss") or "", "split": row.get("split") or "none"}
        for row in exam.missing or ()
        if row["id"] not in present
    ]
    if not rows:
        return CheckResult(rows)
    counts = sorted(Counter(row["split"] for row in rows).items())
    message = f"{pluralize(len(rows), 'listed clip has', 'listed clips have')} no poses ("
    message += ", ".join(f"{split} {count}" for split, count in counts) + ")"
    if any(split in HELD_OUT for split, _ in counts):
        message += ": results are of the clips with poses, not of the official split"
    return CheckResult(rows, [Finding("warning", message, [row["id"] for row in rows])])


def coverage(exam: Exam) -> CheckResult:
    """`coverage`: of each split, clips and classes present and (where known) listed, and classes without a clip."""
    missing = missing_clips(exam).value
    names = exam.splits + sorted({row["split"] for row in missing} - set(exam.splits))
    listed_known = exam.missing is not None
    value, rows = {}, []
    lost_classes: list[str] = []
    for split in names:
        inside = exam.split == split
        glosses = set(exam.gloss[inside].tolist()) - {""}
        lost = Counter(row["gloss"] for row in missing if row["split"] == split)
        classes_lost, clips = sorted(set(lost) - glosses - {""}), int(inside.sum())
        listed = clips + lost.total() if listed_known else None
        value[split] = {
            "clips": clips,
            "classes": len(glosses),
            "listed": listed,
            "listed_classes": len(glosses | (set(lost) - {""})) if listed_known else None,
            "percent": percent(clips / listed) if listed else None,
            "classes_lost": classes_lost,
            "missing_by_gloss": dict(sorted(lost.items())),
        }
        lost_classes += classes_lost if split in HELD_OUT else []
        signers = len(set(exam.text("signer")[inside].tolist()) - {""})
        rows.append([split, clips, listed, value[split]["percent"], len(glosses), signers or None])
    findings = []
    if lost_classes:
        words = pluralize(len(lost_classes), "class has", "classes have")
        findings.append(Finding("warning", f"{words} no clip left in val or test: {abbreviate(lost_classes)}"))
    unsplit, unusual = np.flatnonzero(exam.split == "none"), sorted(set(exam.splits) - set(SPLIT_ORDER))
    if len(unsplit) == len(exam):
        findings.append(Finding("warning", "no clip has a split: pre-training takes all of them, a classifier none"))
    elif len(unsplit) and exam.held.any():
        words = pluralize(len(unsplit), "clip has", "clips have")
        message = f"{words} no split: pre-training takes them, a classifier does not"
        findings.append(Finding("note", message, exam.names(unsplit)))
    if unusual:
        message = f"splits called {abbreviate(map(repr, unusual))}: pre-training also takes their clips"
        findings.append(Finding("warning", message, exam.names(np.flatnonzero(np.isin(exam.split, unusual)))))
    table = Table("Splits", ["Split", "Clips", "Listed", "There %", "Classes", "Signers"], rows)
    return CheckResult(value, findings, [table])


def provenance(exam: Exam) -> CheckResult:
    """`provenance`: each pack's own note, and clips by estimator and source over the splits."""
    notes = zip(exam.pack.paths, exam.pack.provenance, strict=True)
    value: dict[str, Any] = {"packs": [{"file": str(path), **note} for path, note in notes]}
    findings, rows = [], []
    for name in ("estimator", "source"):
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for split, word in zip(exam.split.tolist(), exam.text(name).tolist(), strict=True):
            counts[split][word or "(unknown)"] += 1
        value[name] = {split: dict(words.most_common()) for split, words in counts.items()}
        kinds = {word for words in counts.values() for word in words}
        if len(kinds) > 1 and len(kinds) < len(exam) / 4:
            rows += [
                [name, split, word, count] for split, words in value[name].items() for word, count in words.items()
            ]
            train = counts["train"]
            for split in HELD_OUT if train else ():
                held = counts[split]
                for word in sorted(train.keys() | held.keys()) if held else ():
                    share, train_share = held[word] / held.total(), train[word] / train.total()
                    if abs(share - train_share) > SHARE:
                        message = f"{name} {word!r}: {share:.0%} of {split}, {train_share:.0%} of train"
                        findings.append(Finding("warning", f"{message}: {split} is not like train"))
        if name == "estimator" and len(kinds - {"(unknown)"}) > 1:
            findings.append(Finding("note", f"several estimators: {abbreviate(sorted(kinds))}"))
    table = Table("Where clips come from", ["Kind", "Split", "Name", "Clips"], rows)
    return CheckResult(value, findings, [table])


def repeated_ids(exam: Exam) -> CheckResult:
    """`repeated_ids`: ids that several of the packs hold, with splits and glosses."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(exam.id.tolist()):
        places[name].append(place)
    value: list[dict[str, Any]] = [
        {
            "id": name,
            "clips": exam.names(group),
            "splits": exam.split[group].tolist(),
            "glosses": exam.gloss[group].tolist(),
            "poses": [exam.poses[place] for place in group],
        }
        for name, group in places.items()
        if len(group) > 1
    ]
    kinds: list[tuple[Level, list[dict[str, Any]], str]] = [
        ("note", value, "in several packs"),
        ("note", [row for row in value if len({*row["poses"]}) > 1], "with different poses in several packs: in one "
         "folder, or under one name of a dataset, one would replace, or overwrite, the other"),
        ("error", [row for row in value if {*row["splits"]} & {*HELD_OUT} and "train" in row["splits"]],
         "in train of one pack and in val or test of another: use --keep_out"),
        ("warning", [row for row in value if len({*row["glosses"]} - {""}) > 1],
         "with different glosses in several packs"),
    ]  # fmt: skip
    findings = with_clips(
        Finding(level, f"{pluralize(len(rows), 'id')} {words}", [row["id"] for row in rows])
        for level, rows, words in kinds
    )
    return CheckResult(value, findings)


def read_annotations(path: Path) -> list[dict[str, str]]:
    """Rows id, gloss, split of an annotation list; InputError where the file is none.

    CSV with a header; JSON list of rows; JSON object of rows by id, whose split may be called `subset` (as in WLASL);
    or the JSON of a pack command, of which `missing` counts.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = parse_json(text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
        if isinstance(rows, dict):
            by_id = [{**row, "id": name} if isinstance(row, dict) else row for name, row in rows.items()]
            rows = rows["missing"] if isinstance(rows.get("missing"), list) else by_id
        rows = [{normalise_column(str(name)): value for name, value in row.items()} for row in rows]
    except (OSError, ValueError, AttributeError, TypeError, csv.Error) as error:
        raise InputError(str(error), WANTED, file=path) from error
    if not all(row.get("id") for row in rows):
        raise InputError("rows without an id", WANTED, file=path)

    def text_of(row: dict[str, Any], field: str) -> str:
        """What a row says of a field, under its name or another usual one."""
        values = (row.get(name) for name in (field, *ALIASES[field]))
        return str(next((value for value in values if value not in (None, "")), "")).strip()

    listed = [{field: text_of(row, field) for field in ("id", "gloss", "split")} for row in rows]
    return [row | {"split": normalise_split(row["split"]) or row["split"]} for row in listed]
