"""Poses: unseen hands, clips of odd length or rate, impossible places and sizes, stuck and jumping tracks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.doctor.exam import CheckResult, Exam, Finding, Level, pluralize, with_clips
from twinsign.doctor.measure import JUMP
from twinsign.evaluation.metrics import percent
from twinsign.pack.open import Indices
from twinsign.report.html import Table

STILL = 5
"""Frames in a row in which no joint of a seen part moves at all, from which a track counts as frozen."""
WORST = 20
"""Clips and classes listed as those whose hands are seen least."""
MOSTLY = 0.9
"""Share of frames without a hand above which a clip is named."""
DEVIATIONS = 3.5
"""Robust deviations (|x - median| / (1.4826 MAD), x the logarithm) that make an outlier (Iglewicz and Hoaglin 1993)."""
FACTOR = 2.0
"""An outlier also differs from the median by this factor."""
FEW = 5
"""Clips of one source below which they are compared with their whole pack instead."""
RATES = (5.0, 240.0)
"""Frames per second that cameras record: others are a file's time base, or a mistake."""
OUTSIDE = 0.5
"""Image fractions by which a hand's joint may leave the picture."""
FAR = 3.0
"""The same of any joint."""
PIXELS = 10.0
"""Beyond this, coordinates are likely pixels."""
HANDS = (0.01, 1.0)
"""Least and greatest median size of a hand in image fractions."""
HANDS_TO_BODY = (0.1, 3.0)
"""The same over the distance of the shoulders."""
ODD = ("length", "fps", "impossible_fps", "coordinates", "hand_size")
"""Keys of `outliers` that hold rows of id, value and usual range."""
MESSAGES = {
    "length": "of unusual length",
    "fps": "of unusual frame rate",
    "impossible_fps": f"whose frame rate no camera has (below {RATES[0]:g} or above {RATES[1]:g})",
    "coordinates": "with joints far outside the picture",
    "hand_size": "whose hands are impossibly large or small",
    "pixels": f"with coordinates beyond {PIXELS:g}: pixels instead of image fractions?",
    "one_frame": "of one frame",
    "handless": "without a hand: training leaves them out, evaluation does not",
}


def frozen(exam: Exam) -> CheckResult:
    """`frozen`: clips with a hand or trunk that stands still for STILL frames or more, and for how many."""
    places = np.flatnonzero(exam.measures.frozen >= STILL)
    value = [{"id": exam.name[place], "frames": int(exam.measures.frozen[place])} for place in places.tolist()]
    message = f"{pluralize(len(places), 'clip')} in which a seen hand or trunk does not move for {STILL} frames or more"
    return CheckResult(value, with_clips([Finding("warning", message, exam.names(places))]))


def jumping(exam: Exam) -> CheckResult:
    """`jumping`: clips in which a wrist jumps, or the hands change places, between two frames, and how often."""
    jumps, exchanges = exam.measures.jumps, exam.measures.exchanges
    places = np.flatnonzero((jumps > 0) | (exchanges > 0))
    value = [
        {"id": exam.name[place], "jumps": int(jumps[place]), "exchanges": int(exchanges[place])}
        for place in places[np.argsort(-(jumps + exchanges)[places], kind="stable")].tolist()
    ]
    message = (
        f"{pluralize(len(places), 'clip')} in which, between two frames, a wrist jumps by {JUMP:.0%} of the picture "
        f"({int((jumps > 0).sum())}) or the hands change places ({int((exchanges > 0).sum())})"
    )
    level: Level = "warning" if len(places) > 0.01 * len(exam) else "note"
    return CheckResult(value, with_clips([Finding(level, message, [row["id"] for row in value])]))


def hand_unseen_rate(exam: Exam) -> CheckResult:
    """`hand_unseen_rate`: percent of frames without a hand: overall, by part, split, gloss; the worst clips."""
    frames = exam.number("frames")
    unseen = frames - exam.number("hand_frames")
    rate = unseen / frames

    def by(names: NDArray[np.str_]) -> dict[str, float]:
        kinds, place = np.unique(names, return_inverse=True)
        shares = np.bincount(place, weights=unseen) / np.bincount(place, weights=frames)
        return {str(name): percent(share) for name, share in zip(kinds, shares, strict=True)}

    rates = by(exam.split)
    splits = {split: rates[split] for split in exam.splits}
    glosses = by(np.where(exam.gloss == "", "(unlabelled)", exam.gloss))
    value = {
        "overall": percent(unseen.sum() / frames.sum()),
        "by_part": {
            part: percent(1 - getattr(exam.measures, part).sum() / frames.sum()) for part in ("right", "left", "trunk")
        },
        "by_split": splits,
        "by_gloss": glosses,
        "worst": [
            {"id": exam.name[place], "percent": percent(rate[place])}
            for place in np.argsort(-rate, kind="stable")[:WORST].tolist()
        ],
    }
    bare = exam.names(np.flatnonzero((rate > MOSTLY) & (unseen < frames)))
    message = f"{pluralize(len(bare), 'clip shows', 'clips show')} a hand in less than a tenth of the frames"
    findings = with_clips([Finding("warning", message, bare)])
    if len(splits) > 1 and max(splits.values()) - min(splits.values()) > 10:
        words = ", ".join(f"{split} {share:.0f} %" for split, share in splits.items())
        findings.append(Finding("note", f"the splits differ in frames without a hand: {words}"))
    worst = sorted(glosses.items(), key=lambda entry: -entry[1])[:WORST]
    tables = [
        Table("Frames without a hand", ["Split", "%"], list(splits.items())),
        Table("Classes whose hands are seen least", ["Gloss", "Frames without a hand %"], worst),
    ]
    return CheckResult(value, findings, tables)


def outliers(exam: Exam) -> CheckResult:
    """`outliers`: length, fps, coordinates, hand_size: rows of id, value, usual; one_frame, handless: ids."""
    measures, frames, fps = exam.measures, exam.number("frames"), exam.number("fps")
    value: dict[str, Any] = {
        "length": _robust_outliers(exam, frames),
        "fps": _robust_outliers(exam, fps),
        "impossible_fps": _beyond(exam, fps, RATES),
        "coordinates": _beyond(exam, measures.outside, (0, OUTSIDE)) + _beyond(exam, measures.far, (0, FAR)),
        "hand_size": _beyond(exam, measures.hand, HANDS) + _beyond(exam, measures.hand_to_body, HANDS_TO_BODY),
        "one_frame": exam.names(np.flatnonzero(frames == 1)),
        "handless": exam.names(np.flatnonzero(exam.number("hand_frames") == 0)),
    }
    ids = {kind: list(dict.fromkeys(row["id"] for row in value[kind])) for kind in ODD}
    ids |= {"pixels": exam.names(np.flatnonzero(measures.far > PIXELS))}
    ids |= {kind: value[kind] for kind in ("one_frame", "handless")}
    levels: dict[str, Level] = {"length": "note", "fps": "note", "pixels": "error"}
    findings = with_clips(
        Finding(levels.get(kind, "warning"), f"{pluralize(len(ids[kind]), 'clip')} {text}", ids[kind])
        for kind, text in MESSAGES.items()
    )
    rows = [[kind.replace("_", " "), row["id"], row["value"], *row["usual"]] for kind in ODD for row in value[kind]]
    caption = (
        f"Length and rate: more than {DEVIATIONS} robust deviations (of the logarithm, by pack and, where {FEW} clips "
        f"share one, source) and {FACTOR:g} times from the median. Coordinates: how far outside the picture, in image "
        "fractions. Hand size: in image fractions, or over the distance of the shoulders."
    )
    table = Table("Outliers", ["Kind", "Clip", "Value", "Usual from", "to"], rows, caption)
    return CheckResult(value, findings, [table])


def _robust_outliers(exam: Exam, values: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Values far from the median of their group: the pack's clips of one source, or all of them where few do."""
    packs = np.char.add(exam.origin.astype(str), "/")
    groups = np.char.add(packs, exam.text("source"))
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    groups = np.where(counts[place] < FEW, packs, groups)
    rows = []
    for group in np.unique(groups):
        places = np.flatnonzero((groups == group) & np.isfinite(values))
        if len(places):
            log = np.log(values[places])
            middle = np.median(log)
            reach = max(DEVIATIONS * (1.4826 * np.median(np.abs(log - middle))), np.log(FACTOR))
            usual = (float(np.exp(middle - reach)), float(np.exp(middle + reach)))
            rows += _rows(exam, places[np.abs(log - middle) > reach], values, usual)
    return rows


def _beyond(exam: Exam, values: NDArray[np.floating], usual: tuple[float, float]) -> list[dict[str, Any]]:
    with np.errstate(invalid="ignore"):
        return _rows(exam, np.flatnonzero((values < usual[0]) | (values > usual[1])), values, usual)


def _rows(
    exam: Exam, places: Indices, values: NDArray[np.floating], usual: tuple[float, float]
) -> list[dict[str, Any]]:
    limits = [round(limit, 4) for limit in usual]
    return [
        {"id": exam.name[place], "value": round(float(values[place]), 4), "usual": limits} for place in places.tolist()
    ]
