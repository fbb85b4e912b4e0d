"""Glosses: too few clips, unknown in training, spelt in two ways, or no sign at all."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import Checked, Finding, counted, some

JUNK = frozenset(("background", "blank", "empty", "idle", "n/a", "na", "nan", "neutral", "no_sign", "none", "nosign"))
JUNK |= {"nothing", "null", "undefined", "unknown", "?", "-"}
"""Words that stand for no sign in many collections; each may be a sign of one's own language."""


def spelling(gloss: str) -> str:
    """A gloss without case, Unicode form, and kinds and numbers of blanks, dashes and underscores."""
    plain = unicodedata.normalize("NFKC", gloss).casefold().strip()
    return plain if plain in JUNK else re.sub(r"[\s_\-–]+", " ", plain).strip()


def labels(exam: Exam) -> Checked:
    """`labels`: glosses that val or test alone have, of one clip, spelt alike, junk; clips a class."""
    given = exam.gloss != ""
    clips = Counter(exam.gloss[given].tolist())
    taught = set(exam.gloss[given & (exam.split == "train")].tolist())
    unseen = sorted(set(exam.gloss[given & exam.held].tolist()) - taught) if taught else []
    spellings: dict[str, set[str]] = defaultdict(set)
    for gloss in clips:
        spellings[spelling(gloss)].add(gloss)
    alike = sorted(sorted(group) for group in spellings.values() if len(group) > 1)
    once = sorted(gloss for gloss, count in clips.items() if count == 1)
    junk = {gloss: clips[gloss] for gloss in sorted(clips) if spelling(gloss).replace(" ", "_") in JUNK}
    padded = sorted(gloss for gloss in clips if gloss != gloss.strip() or not gloss.isprintable())
    value = {
        "classes": len(clips),
        "unlabelled_clips": int((~given).sum()),
        "held_out_only": unseen,
        "one_clip": once,
        "alike": alike,
        "junk": junk,
        "padded": padded,
        "imbalance": _imbalance(exam, clips),
    }
    return Checked(value, _findings(exam, value))


def _imbalance(exam: Exam, clips: Counter[str]) -> dict[str, Any] | None:
    """Of the train clips where there are any, else of all: clips of the largest, median and smallest class."""
    train = Counter(exam.gloss[(exam.gloss != "") & (exam.split == "train")].tolist()) or clips
    if not train:
        return None
    counts = np.asarray(sorted(train.values()))
    largest = [gloss for gloss, count in train.most_common(5)]
    return {
        "largest": int(counts[-1]),
        "median": float(np.median(counts)),
        "smallest": int(counts[0]),
        "ratio": round(float(counts[-1] / counts[0]), 2),
        "largest_glosses": largest,
    }


def _findings(exam: Exam, value: dict[str, Any]) -> list[Finding]:
    def clips_of(glosses: list[str]) -> list[str]:
        return exam.names(np.flatnonzero(np.isin(exam.gloss, glosses)))

    found = []
    if not value["classes"]:
        found.append(Finding("warning", "no clip has a gloss: pre-training can learn from them, a classifier cannot"))
    elif value["unlabelled_clips"]:
        said = f"{counted(value['unlabelled_clips'], 'clip has', 'clips have')} no gloss: only pre-training uses them"
        found.append(Finding("note", said, exam.names(np.flatnonzero(exam.gloss == ""))))
    if value["held_out_only"]:
        names = value["held_out_only"]
        said = f"{counted(len(names), 'gloss', 'glosses')} in val or test that train lacks: {some(names)}"
        found.append(Finding("error", said, clips_of(names)))
    if value["alike"]:
        listed = some((" = ".join(map(repr, group)) for group in value["alike"]), 5)
        said = f"{counted(len(value['alike']), 'gloss is', 'glosses are')} spelt in several ways: {listed}"
        found.append(Finding("warning", said, clips_of([one for group in value["alike"] for one in group])))
    if value["junk"]:
        names = list(value["junk"])
        found.append(Finding("warning", f"glosses that may be no signs: {some(names)}", clips_of(names)))
    if value["padded"]:
        names = value["padded"]
        said = f"glosses with blanks around them or control characters: {some(map(repr, names))}"
        found.append(Finding("warning", said, clips_of(names)))
    if value["one_clip"]:
        names = value["one_clip"]
        found.append(
            Finding(
                "note", f"{counted(len(names), 'class', 'classes')} of a single clip: {some(names)}", clips_of(names)
            )
        )
    spread = value["imbalance"]
    if spread and spread["ratio"] >= 10:
        said = f"the largest class has {spread['largest']} clips, the smallest {spread['smallest']}"
        found.append(Finding("note", said))
    return found
