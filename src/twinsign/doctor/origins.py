"""Where clips come from: estimators and sources over the splits, and ids that several packs hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import Checked, Finding, counted, some
from twinsign.report.html import Table

SHARE = 0.2
"""Difference of an estimator's or source's share between train and a held-out split that is told."""


def provenance(exam: Exam) -> Checked:
    """`provenance`: each pack's own note, and clips by estimator and source over the splits."""
    value: dict[str, Any] = {
        "packs": [{"file": str(path), **note} for path, note in zip(exam.pack.paths, exam.pack.provenance, strict=True)]
    }
    findings, rows = [], []
    for name in ("estimator", "source"):
        words = exam.text(name)
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for split, word in zip(exam.split.tolist(), words.tolist(), strict=True):
            counts[split][word or "(unknown)"] += 1
        value[name] = {split: dict(found.most_common()) for split, found in counts.items()}
        kinds = {word for found in counts.values() for word in found}
        if len(kinds) > 1 and len(kinds) < len(exam) / 4:
            rows += [
                [name, split, word, count] for split, found in value[name].items() for word, count in found.items()
            ]
            findings += _apart(name, counts)
        if name == "estimator" and len(kinds - {"(unknown)"}) > 1:
            findings.append(Finding("note", f"several estimators: {some(sorted(kinds))}"))
    table = Table("Where clips come from", ["Kind", "Split", "Name", "Clips"], rows)
    return Checked(value, findings, [table] if rows else [])


def _apart(name: str, counts: dict[str, Counter[str]]) -> list[Finding]:
    """Held-out splits whose mixture differs from train's."""
    found: list[Finding] = []
    train = counts.get("train")
    for split in ("val", "test"):
        mine = counts.get(split)
        if not train or not mine:
            continue
        for word in sorted(train.keys() | mine.keys()):
            here, there = mine[word] / mine.total(), train[word] / train.total()
            if abs(here - there) > SHARE:
                said = f"{name} {word!r}: {here:.0%} of {split}, {there:.0%} of train: {split} is not like train"
                found.append(Finding("warning", said))
    return found


def repeated_ids(exam: Exam) -> Checked:
    """`repeated_ids`: ids that several of the packs hold, with splits and glosses."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(exam.id.tolist()):
        places[name].append(place)
    value = []
    for name, group in places.items():
        if len(group) > 1:
            splits, glosses = exam.split[group].tolist(), exam.gloss[group].tolist()
            clips, poses = exam.names(group), [exam.poses[place] for place in group]
            value.append({"id": name, "clips": clips, "splits": splits, "glosses": glosses, "poses": poses})
    differing = [row for row in value if len(set(row["poses"])) > 1]
    across = [row for row in value if set(row["splits"]) & {"val", "test"} and "train" in row["splits"]]
    labels = [row for row in value if len(set(row["glosses"]) - {""}) > 1]
    findings = []
    if value:
        findings.append(Finding("note", f"{counted(len(value), 'id')} in several packs", [row["id"] for row in value]))
    if differing:
        said = (
            f"{counted(len(differing), 'id')} with different poses in several packs: in one folder, or under one name"
        )
        said += " of a dataset, the one would stand for, or overwrite, the other"
        findings.append(Finding("note", said, [row["id"] for row in differing]))
    if across:
        said = f"{counted(len(across), 'id')} in train of one pack and in val or test of another: name it in --keep_out"
        findings.append(Finding("error", said, [row["id"] for row in across]))
    if labels:
        said = f"{counted(len(labels), 'id')} with different glosses in several packs"
        findings.append(Finding("warning", said, [row["id"] for row in labels]))
    return Checked(value, findings)
