"""WLASL: 21,083 clips of 2000 American signs (Li et al., WACV 2020); the first 100, 300 and 1000 glosses are subsets.

Two forms: nslt_*.json with wlasl_class_list.txt (class and frames by video id), and the list WLASL_v0.3.json or
asl*.json (gloss, signer, box, frames of the source video). Given both, the list's word counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.spans import Span
from twinsign.datasets.tables import Row, annotation_files, json_rows, memberships, read_json, read_lines
from twinsign.errors import InputError

SUBSETS = (100, 300, 1000)
PATTERNS = ("nslt_*.json", "WLASL*.json", "asl*.json", "*class_list.txt")
SHOWN = 5


@dataclass(frozen=True)
class _Entry:
    """What one form says of a clip."""

    label: int
    gloss: str
    split: str
    span: Span | None
    about: dict[str, str]


Entries = dict[str, _Entry]
ABOUT = ("source_site", "url", "variation", "box", "frame_start", "frame_end")


def wlasl(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """The clips of either form of the annotation, or of both, checked one against the other.

    Raises InputError naming file, clip or row, and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    classes = _classes([file for file in files if file.suffix == ".txt"])
    contents = {file: read_json(file, "nslt_*.json or WLASL_v0.3.json") for file in files if file.suffix != ".txt"}
    numbered = {file: value for file, value in contents.items() if isinstance(value, dict)}
    lists: Entries = {}
    notes: list[str] = []
    for file, value in contents.items():
        if file not in numbered:
            notes += _add(lists, _from_list(file, value))
    for entry in lists.values():
        classes.setdefault(entry.label, entry.gloss)
    numbers: Entries = {}
    for file, value in numbered.items():
        notes += _add(numbers, _from_numbers(file, value, classes))
    if not lists and not numbers:
        raise InputError("no list of clips", " or ".join(PATTERNS[:3]), file=files[0])
    notes += _compared(lists, numbers) if lists and numbers else []
    entries = numbers | lists
    chosen = {clip: one for clip, one in sorted(entries.items()) if subset is None or one.label < subset}
    return Annotation([_clip(clip, one) for clip, one in chosen.items()], files, notes)


def _classes(files: Iterable[Path]) -> dict[int, str]:
    """Gloss by class number, of lines with both between a tab."""
    classes: dict[int, str] = {}
    for file in files:
        for number, line in enumerate(read_lines(file)):
            row = Row(file, f"line {number + 1}", dict(zip(("class", "gloss"), line.split(maxsplit=1), strict=False)))
            classes[row.whole("class")] = row.text("gloss")
    return classes


def _from_numbers(file: Path, value: dict[str, object], classes: dict[int, str]) -> Iterable[tuple[str, _Entry, Row]]:
    for clip, fields in value.items():
        row = Row(file, f"clip {clip!r}", fields if isinstance(fields, dict) else {})
        action = row.fields.get("action")
        if not isinstance(action, list) or len(action) != 3:
            raise row.error("action", "class, first and last frame")
        parts = Row(file, f"clip {clip!r}", dict(zip(("class", "first frame", "last frame"), action, strict=True)))
        label, first = parts.whole("class"), parts.whole("first frame", low=1)
        last = parts.whole("last frame", low=first)
        if label not in classes:
            hint = "wlasl_class_list.txt, or WLASL_v0.3.json, says which gloss it is."
            raise InputError(f"class {label} of clip {clip!r}", "a class whose gloss is known", file=file, hint=hint)
        # A range from frame 1 is that of a clip cut already: these numbers were counted on cut videos.
        span = Span(first - 1, last) if first > 1 else None
        about = {"frame_start": str(first), "frame_end": str(last)}
        yield clip, _Entry(label, classes[label], row.split("subset"), span, about), row


def _from_list(file: Path, value: object) -> Iterable[tuple[str, _Entry, Row]]:
    for label, group in enumerate(json_rows(file, value, "gloss")):
        gloss = group.text("gloss")
        for row in json_rows(file, group.fields.get("instances"), f"gloss {gloss!r}, instance"):
            first, last = row.whole("frame_start", low=1), row.whole("frame_end", low=-1)
            if last != -1 and last < first:
                raise row.error("frame_end", f"-1 (to the end), or {first} or more")
            span = Span(first - 1, None if last == -1 else last)
            signer = row.whole("signer_id", low=-1)
            about = {
                "signer": str(signer) if signer >= 0 else "",
                "source_site": row.maybe("source"),
                "url": row.maybe("url"),
                "variation": row.maybe("variation_id"),
                "box": " ".join(f"{side:g}" for side in row.numbers("bbox", 4)),
                "frame_start": str(first),
                "frame_end": str(last),
            }
            whole = (first, last) == (1, -1)
            yield row.text("video_id"), _Entry(label, gloss, row.split("split"), None if whole else span, about), row


def _add(entries: Entries, more: Iterable[tuple[str, _Entry, Row]]) -> list[str]:
    """Add clips; of ids that occur again the first counts, and a note says where they differ."""
    notes = []
    inside: set[str] = set()
    for clip, entry, row in more:
        known = entries.setdefault(clip, entry)
        same = (known.label, known.split) == (entry.label, entry.split)
        if clip in inside or not same:
            what = "" if same else f" as {entry.gloss!r} ({entry.split}), not {known.gloss!r} ({known.split})"
            notes.append(f"clip {clip!r} is listed again in {row.file.name}{what}; the first counts")
        inside.add(clip)
    return notes


def _compared(lists: Entries, numbers: Entries) -> list[str]:
    """Notes on what the two forms say differently."""
    notes: list[str] = []
    glosses: defaultdict[str, list[str]] = defaultdict(list)
    for clip in sorted(lists.keys() & numbers.keys()):
        one, other = lists[clip], numbers[clip]
        if one.split != other.split:
            notes.append(f"clip {clip!r} is of {one.split} in the list, of {other.split} in nslt; the list counts")
        if (one.label, one.gloss) != (other.label, other.gloss):
            said = f"class {one.label} {one.gloss!r} in the list, {other.label} {other.gloss!r} in nslt"
            glosses[said].append(clip)
    notes += [f"{said} ({len(clips)} clips); the list counts" for said, clips in glosses.items()]
    for name, here, there in (("the list", lists, numbers), ("nslt", numbers, lists)):
        only = sorted(here.keys() - there.keys())
        if only:
            notes.append(f"{len(only)} clips are in {name} alone: {', '.join(only[:SHOWN])}{'…' * (len(only) > SHOWN)}")
    return notes


def _clip(clip: str, entry: _Entry) -> Clip:
    blank = dict.fromkeys(("signer", *ABOUT), "")
    row = {"gloss": entry.gloss, "split": entry.split, "label": str(entry.label)}
    row |= {**memberships("wlasl", entry.label, SUBSETS), **blank, **entry.about}
    names = {"video_id": clip, **({"number": clip.lstrip("0") or "0"} if clip.isdecimal() else {})}
    return Clip(clip, row, names, entry.span)
