"""Glosses: too few clips, absent from train, spelt in several ways, or no sign at all."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np

from twinsign.doctor.exam import CheckResult, Exam, Finding, Level, abbreviate, pluralize, with_clips

JUNK = frozenset(("background", "blank", "empty", "idle", "n/a", "na", "nan", "neutral", "no_sign", "none", "nosign"))
JUNK |= {"nothing", "null", "undefined", "unknown", "?", "-"}
"""Words that stand for no sign in many collections; each may be a real sign of some language."""


def normalize_spelling(gloss: str) -> str:
    """A gloss without case, Unicode form, and kinds and numbers of blanks, dashes and underscores."""
    plain = unicodedata.normalize("NFKC", gloss).casefold().strip()
    return plain if plain in JUNK else re.sub(r"[\s_\-–]+", " ", plain).strip()


def labels(exam: Exam) -> CheckResult:
    """`labels`: glosses that val or test alone have, of one clip, spelt alike, junk; clips per class."""
    labelled = exam.gloss != ""
    clips = Counter(exam.gloss[labelled].tolist())
    train = Counter(exam.gloss[labelled & (exam.split == "train")].tolist())
    new = sorted(set(exam.gloss[labelled & exam.held].tolist()) - set(train)) if train else []
    spellings: dict[str, set[str]] = defaultdict(set)
    for gloss in clips:
        spellings[normalize_spelling(gloss)].add(gloss)
    alike = sorted(sorted(group) for group in spellings.values() if len(group) > 1)
    once = sorted(gloss for gloss, count in clips.items() if count == 1)
    junk = {gloss: clips[gloss] for gloss in sorted(clips) if normalize_spelling(gloss).replace(" ", "_") in JUNK}
    padded = sorted(gloss for gloss in clips if gloss != gloss.strip() or not gloss.isprintable())
    value: dict[str, Any] = {"classes": len(clips), "unlabelled_clips": int((~labelled).sum()), "held_out_only": new}
    value |= {"one_clip": once, "alike": alike, "junk": junk, "padded": padded, "imbalance": None}

    def finding(level: Level, message: str, glosses: Iterable[str]) -> Finding:
        return Finding(level, message, exam.names(np.flatnonzero(np.isin(exam.gloss, list(glosses)))))

    strange, spelt = abbreviate(map(repr, padded)), pluralize(len(alike), "gloss is", "glosses are")
    several = abbreviate((" = ".join(map(repr, group)) for group in alike), 5)
    unlabelled = pluralize(value["unlabelled_clips"], "clip has", "clips have")
    findings = with_clips(
        [
            finding("note", f"{unlabelled} no gloss: only pre-training uses them", [""] if clips else []),
            finding(
                "error",
                f"{pluralize(len(new), 'gloss', 'glosses')} in val or test that train lacks: {abbreviate(new)}",
                new,
            ),
            finding("warning", f"{spelt} spelt in several ways: {several}", chain(*alike)),
            finding("warning", f"glosses that may stand for no sign: {abbreviate(map(repr, junk))}", junk),
            finding("warning", f"glosses with blanks around them or control characters: {strange}", padded),
            finding("note", f"{pluralize(len(once), 'class', 'classes')} of a single clip: {abbreviate(once)}", once),
        ]
    )
    if not clips:
        message = "no clip has a gloss: pre-training can use them, a classifier cannot"
        return CheckResult(value, [Finding("warning", message)])
    sizes = np.asarray(sorted((train or clips).values()))
    value["imbalance"] = {
        "largest": int(sizes[-1]),
        "median": float(np.median(sizes)),
        "smallest": int(sizes[0]),
        "ratio": round(float(sizes[-1] / sizes[0]), 2),
        "largest_glosses": [gloss for gloss, count in (train or clips).most_common(5)],
    }
    if value["imbalance"]["ratio"] >= 10:
        findings.append(Finding("note", f"the largest class has {sizes[-1]} clips, the smallest {sizes[0]}"))
    return CheckResult(value, findings)
