"""Clips of odd length or frame rate, joints and hands where, or as large as, none can be; clips without content."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.doctor.exam import Exam
from twinsign.doctor.finding import Checked, Finding, counted
from twinsign.report.html import Table

DEVIATIONS = 3.5
"""Robust deviations (|x - median| / (1.4826 MAD), x the logarithm) that make an outlier (Iglewicz and Hoaglin 1993)."""
FACTOR = 2.0
"""An outlier is also this many times the median, or a fraction of it."""
FEW = 5
"""Clips of one source below which they are compared with the rest of their pack instead."""
RATES = (5.0, 240.0)
"""Frames a second that cameras take: others are a file's time base, or a mistake."""
MAD_TO_DEVIATION = 1.4826
OUTSIDE = 0.5
"""Image fractions by which a hand's joint may leave the picture."""
FAR = 3.0
"""The same of any joint."""
PIXELS = 10.0
"""Beyond this, coordinates are likely pixels."""
HANDS = (0.01, 1.0)
"""Least and most median size of a hand in image fractions."""
HANDS_TO_BODY = (0.1, 3.0)
"""The same over the distance of the shoulders."""


def outliers(exam: Exam) -> Checked:
    """`outliers`: length, fps, coordinates, hand_size: rows of id, value, usual; one_frame, handless: ids."""
    groups = _groups(exam)
    measures, frames, fps = exam.measures, exam.number("frames"), exam.number("fps")
    with np.errstate(invalid="ignore"):
        odd_rate = (fps < RATES[0]) | (fps > RATES[1])
    beyond = [(measures.outside > OUTSIDE, measures.outside, OUTSIDE), (measures.far > FAR, measures.far, FAR)]
    value: dict[str, Any] = {
        "length": _robust(exam, frames, groups),
        "fps": _robust(exam, fps, groups),
        "impossible_fps": _rows(exam, odd_rate, fps, RATES),
        "coordinates": [row for where, values, most in beyond for row in _rows(exam, where, values, (0, most))],
        "hand_size": [
            row
            for values, usual in ((measures.hand, HANDS), (measures.hand_to_body, HANDS_TO_BODY))
            for row in _rows(exam, (values < usual[0]) | (values > usual[1]), values, usual)
        ],
        "one_frame": exam.names(np.flatnonzero(frames == 1)),
        "handless": exam.names(np.flatnonzero(exam.number("hand_frames") == 0)),
    }
    rows = [[kind, row["id"], row["value"], *row["usual"]] for kind, found in _tabled(value) for row in found]
    caption = (
        f"Length and rate: more than {DEVIATIONS} robust deviations (of the logarithm, by pack and, where {FEW} clips "
        f"share one, source) and {FACTOR:g} times from the median. Coordinates: how far outside the picture, in image "
        "fractions. Hand size: in image fractions, or over the distance of the shoulders."
    )
    tables = [Table("Outliers", ["Kind", "Clip", "Value", "Usual from", "to"], rows, caption)] if rows else []
    return Checked(value, _findings(exam, value), tables)


def _groups(exam: Exam) -> NDArray[np.str_]:
    """The group (N) in which a clip's length and rate are compared: its pack's clips of its source, if FEW share it."""
    packs = np.char.add(exam.origin.astype(str), "/")
    groups = np.char.add(packs, exam.text("source"))
    _, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.where(counts[place] < FEW, packs, groups)


def _tabled(value: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [
        (name.replace("_", " "), value[name])
        for name in ("length", "fps", "impossible_fps", "coordinates", "hand_size")
    ]


def _robust(exam: Exam, values: NDArray[np.float64], groups: NDArray[np.str_]) -> list[dict[str, Any]]:
    found = []
    for group in np.unique(groups):
        mine = np.flatnonzero((groups == group) & np.isfinite(values))
        if len(mine):
            log = np.log(values[mine])
            middle = np.median(log)
            spread = MAD_TO_DEVIATION * np.median(np.abs(log - middle))
            reach = max(DEVIATIONS * spread, np.log(FACTOR))
            usual = (float(np.exp(middle - reach)), float(np.exp(middle + reach)))
            found += _rows(exam, np.isin(np.arange(len(exam)), mine[np.abs(log - middle) > reach]), values, usual)
    return found


def _rows(
    exam: Exam, where: NDArray[np.bool_], values: NDArray[np.floating], usual: tuple[float, float]
) -> list[dict[str, Any]]:
    limits = [round(limit, 4) for limit in usual]
    return [
        {"id": exam.name[place], "value": round(float(values[place]), 4), "usual": limits}
        for place in np.flatnonzero(where).tolist()
    ]


def _findings(exam: Exam, value: dict[str, Any]) -> list[Finding]:
    said = {
        "length": "of unusual length",
        "fps": "of unusual frame rate",
        "impossible_fps": f"whose frame rate no camera has (below {RATES[0]:g} or above {RATES[1]:g})",
        "coordinates": "with joints far outside the picture",
        "hand_size": "whose hands are impossibly large or small",
    }
    found = [
        Finding("note" if kind in ("length", "fps") else "warning", f"{counted(len(ids), 'clip')} {text}", ids)
        for kind, text in said.items()
        if (ids := list(dict.fromkeys(row["id"] for row in value[kind])))
    ]
    pixels = np.flatnonzero(exam.measures.far > PIXELS)
    if len(pixels):
        text = f"{counted(len(pixels), 'clip')} with coordinates beyond {PIXELS:g}: pixels taken for image fractions?"
        found.append(Finding("error", text, exam.names(pixels)))
    if value["one_frame"]:
        found.append(Finding("warning", f"{counted(len(value['one_frame']), 'clip')} of one frame", value["one_frame"]))
    if value["handless"]:
        text = (
            f"{counted(len(value['handless']), 'clip')} without a hand: training leaves them out, evaluation does not"
        )
        found.append(Finding("warning", text, value["handless"]))
    return found
