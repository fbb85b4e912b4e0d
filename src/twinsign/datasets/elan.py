"""ELAN: the annotations of tiers of `.eaf` files, of whatever program; those that are not usable are listed.

Read by the standard library's XML parser: pympi stops at files without a schema's location or an annotation's value.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from twinsign.errors import InputError

LONGEST = 10**10
"""Milliseconds, a hundred days, above which a time is none."""
OVERLAP = 20
"""Milliseconds that annotations of a tier may overlap: rounding, not two signs at once."""


@dataclass(frozen=True)
class Mark:
    """An annotation: its id in the file, its tier and who signs, begin and end in milliseconds, its value."""

    id: str
    tier: str
    participant: str
    begin: int
    end: int
    value: str


@dataclass(frozen=True)
class Tiers:
    """What an `.eaf` says: usable annotations of some tiers, why others are not, names of its tiers and media."""

    file: Path
    marks: list[Mark]
    problems: list[str]
    names: list[str]
    media: list[str]
    labelled: list[tuple[int, int]] = field(default_factory=list)
    """Every stretch that an annotation of those tiers covers, usable or not, in milliseconds."""


def read_elan(file: Path, tiers: Sequence[str]) -> Tiers:
    """Read the annotations of the tiers whose names match; InputError where the file is no `.eaf`."""
    root = _parse(file)
    slots = {
        slot.get("TIME_SLOT_ID", ""): _time(slot.get("TIME_VALUE")) for slot in root.iterfind("TIME_ORDER/TIME_SLOT")
    }
    elements = {tier.get("TIER_ID", ""): tier for tier in root.iterfind("TIER")}
    owners, aligned = dict[str, str](), dict[str, tuple[int | None, int | None]]()
    for item in root.iterfind("TIER/ANNOTATION/*"):
        id = item.get("ANNOTATION_ID", "")
        if item.tag == "REF_ANNOTATION":
            owners[id] = item.get("ANNOTATION_REF", "")
        else:
            ends = (slots.get(item.get(f"TIME_SLOT_REF{number}", "")) for number in (1, 2))
            aligned[id] = (next(ends), next(ends))
    marks, problems = [], []
    chosen = [name for name in elements if any(name == wanted or fnmatchcase(name, wanted) for wanted in tiers)]
    for name in chosen:
        for item in elements[name].iterfind("ANNOTATION/*"):
            mark, problem = _mark(item, name, elements[name].get("PARTICIPANT") or "", owners, aligned)
            marks += [mark] if mark else []
            problems += [f"{file}: {problem}"] if problem else []
    labelled = [(mark.begin, mark.end) for mark in marks]
    marks, overlapping = _without_overlaps(marks)
    problems += [f"{file}: {problem}" for problem in overlapping]
    media = [item.get("RELATIVE_MEDIA_URL") or item.get("MEDIA_URL") or "" for item in root.iter("MEDIA_DESCRIPTOR")]
    empty = [f"{file}: tier {name!r} is empty" for name in chosen if elements[name].find("ANNOTATION") is None]
    usable = [mark for mark in marks if mark.value]
    valueless = [f"{file}: {place(mark)}: no value" for mark in marks if not mark.value]
    return Tiers(file, usable, [*problems, *valueless, *empty], list(elements), media, labelled)


def _parse(file: Path) -> ET.Element:
    wanted = "an ELAN file (.eaf)"
    try:
        root = ET.parse(file).getroot()
    except FileNotFoundError as error:
        raise InputError("no such file", wanted, file=file) from error
    except (ET.ParseError, ValueError, OSError, RecursionError) as error:
        raise InputError(f"content that is no XML ({error})"[:200], wanted, file=file) from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise InputError(f"XML of {root.tag[:60]!r}", wanted, file=file)
    header = root.find("HEADER")
    units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise InputError(f"times in {units!r}", "milliseconds", file=file)
    return root


def _time(text: str | None) -> int | None:
    """A time slot's milliseconds; None where there are none."""
    try:
        value = None if text is None else int(text)
    except ValueError:
        return None
    return value if value is not None and abs(value) <= LONGEST else None


def _mark(
    item: ET.Element,
    tier: str,
    participant: str,
    owners: Mapping[str, str],
    aligned: Mapping[str, tuple[int | None, int | None]],
) -> tuple[Mark | None, str]:
    """An annotation with its times, those of what it refers to where it has none; or why it is not usable."""
    id = item.get("ANNOTATION_ID", "")
    owner, seen = id, set[str]()
    while owner in owners and owner not in seen:
        seen.add(owner)
        owner = owners[owner]
    begin, end = aligned.get(owner, (None, None))
    value = " ".join((item.findtext("ANNOTATION_VALUE") or "").split())
    what = f"annotation {id} {value!r} of tier {tier!r}"
    if owner not in aligned:
        return None, f"{what}: it refers to an annotation that is not there"
    if begin is None or end is None:
        return None, f"{what}: a time slot without a value"
    if begin < 0 or end <= begin:
        return None, f"{what}: {begin} to {end} ms, {'zero length' if begin == end else 'no stretch of time'}"
    return Mark(id, tier, participant, begin, end, value), ""


def _without_overlaps(marks: Sequence[Mark]) -> tuple[list[Mark], list[str]]:
    """The annotations that overlap no other one of their tier, in order, and a note on each of the others."""
    overlapping: set[str] = set()
    order = sorted(marks, key=lambda mark: (mark.tier, mark.begin, mark.end))
    longest: Mark | None = None
    for before, mark in pairwise([None, *order]):
        if before is None or mark is None or before.tier != mark.tier:
            longest = mark
            continue
        if longest is not None and mark.begin < longest.end - OVERLAP:
            overlapping |= {longest.id, mark.id}
        longest = mark if longest is None or mark.end > longest.end else longest
    kept = sorted((mark for mark in marks if mark.id not in overlapping), key=lambda mark: (mark.begin, mark.tier))
    return kept, [f"{place(mark)}: overlaps another one" for mark in order if mark.id in overlapping]


def place(mark: Mark) -> str:
    """An annotation and where it is, for messages."""
    return f"annotation {mark.id} {mark.value!r} of tier {mark.tier!r} at {mark.begin} to {mark.end} ms"
