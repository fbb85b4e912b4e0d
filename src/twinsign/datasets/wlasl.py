"""WLASL: 21,083 clips of 2000 American signs (Li et al., WACV 2020); the first 100, 300 and 1000 glosses are subsets.

Two forms: nslt_*.json with wlasl_class_list.txt (class and frames by video id), and the list WLASL_v0.3.json or
asl*.json (gloss, signer, box, frames of the source video). Where both are given, the list takes precedence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from twinsign.datasets.matching import Annotation, Clip
from twinsign.datasets.spans import Span
from twinsign.datasets.tables import Row, annotation_files, json_rows, line_rows, read_json
from twinsign.errors import InputError

SUBSETS = (100, 300, 1000)
PATTERNS = ("nslt_*.json", "WLASL*.json", "asl*.json", "*class_list.txt")
ABOUT = ("signer", "source_site", "url", "variation", "box", "frame_start", "frame_end")


def wlasl(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """Read the clips of either form of the annotation, or of both, with notes on where these differ.

    Raises InputError naming file, clip or row, and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    classes = {}
    for row in (row for file in files if file.suffix == ".txt" for row in line_rows(file, _parse_class)):
        classes[row.integer("class")] = row.text("gloss")
    contents = {file: read_json(file, "nslt_*.json or WLASL_v0.3.json") for file in files if file.suffix != ".txt"}
    lists: dict[str, Clip] = {}
    numbers: dict[str, Clip] = {}
    notes: list[str] = []
    for file, value in contents.items():
        if not isinstance(value, dict):
            notes += _add(lists, file, _from_list(file, value))
    for clip in lists.values():
        classes.setdefault(int(clip.row["label"]), clip.row["gloss"])
    for file, value in contents.items():
        if isinstance(value, dict):
            notes += _add(numbers, file, _from_numbers(file, value, classes))
    if not lists and not numbers:
        raise InputError("no list of clips", " or ".join(PATTERNS[:3]), file=files[0])
    notes += _differences(lists, numbers) if lists and numbers else []
    clips = [clip for _, clip in sorted((numbers | lists).items())]
    return Annotation([clip for clip in clips if subset is None or int(clip.row["label"]) < subset], files, notes)


def _parse_class(line: str) -> dict[str, str]:
    """Class number and gloss of a line, with a tab between."""
    return dict(zip(("class", "gloss"), line.split(maxsplit=1), strict=False))


def _from_numbers(file: Path, value: dict[str, object], classes: dict[int, str]) -> Iterator[Clip]:
    for clip, fields in value.items():
        row = Row(file, f"clip {clip!r}", fields if isinstance(fields, dict) else {})
        action = row.fields.get("action")
        if not isinstance(action, list) or len(action) != 3:
            raise row.error("action", "class, first and last frame")
        parts = Row(file, row.place, dict(zip(("class", "first frame", "last frame"), action, strict=True)))
        label, first = parts.integer("class"), parts.integer("first frame", low=1)
        last = parts.integer("last frame", low=first)
        if label not in classes:
            hint = "wlasl_class_list.txt, or WLASL_v0.3.json, says which gloss it is."
            raise InputError(f"class {label} of clip {clip!r}", "a class whose gloss is known", file=file, hint=hint)
        # A range from frame 1 belongs to a video that was cut already: such numbers count the cut video's frames.
        span = Span(first - 1, last) if first > 1 else None
        about = {"frame_start": str(first), "frame_end": str(last)}
        yield _clip(clip, (label, classes[label], row.split("subset")), span, about)


def _from_list(file: Path, value: object) -> Iterator[Clip]:
    for label, group in enumerate(json_rows(file, value, "gloss")):
        gloss = group.text("gloss")
        for row in json_rows(file, group.fields.get("instances"), f"gloss {gloss!r}, instance"):
            first, last = row.integer("frame_start", low=1), row.integer("frame_end", low=-1)
            if last != -1 and last < first:
                raise row.error("frame_end", f"-1 (to the end), or {first} or more")
            signer = row.integer("signer_id", low=-1)
            about = {
                "signer": str(signer) if signer >= 0 else "",
                "source_site": row.optional("source"),
                "url": row.optional("url"),
                "variation": row.optional("variation_id"),
                "box": " ".join(f"{side:g}" for side in row.numbers("bbox", 4)),
                "frame_start": str(first),
                "frame_end": str(last),
            }
            span = None if (first, last) == (1, -1) else Span(first - 1, None if last == -1 else last)
            yield _clip(row.text("video_id"), (label, gloss, row.split("split")), span, about)


def _clip(clip: str, sign: tuple[int, str, str], span: Span | None, about: dict[str, str]) -> Clip:
    label, gloss, split = sign
    subsets = {f"wlasl{size}": str(int(label < size)) for size in SUBSETS}
    row = {"gloss": gloss, "split": split, "label": str(label), **subsets, **dict.fromkeys(ABOUT, ""), **about}
    names = {"video_id": clip, **({"number": clip.lstrip("0") or "0"} if clip.isdecimal() else {})}
    return Clip(clip, row, names, span)


def _add(clips: dict[str, Clip], file: Path, more: Iterable[Clip]) -> list[str]:
    """Add a file's clips; the first of each id counts, and a note names those listed again."""
    notes = []
    ids: set[str] = set()
    for clip in more:
        first, row = clips.setdefault(clip.id, clip).row, clip.row
        same = (first["label"], first["split"]) == (row["label"], row["split"])
        if clip.id in ids or not same:
            change = f" as {row['gloss']!r} ({row['split']}), not {first['gloss']!r} ({first['split']})"
            notes.append(f"clip {clip.id!r} is listed again in {file.name}{'' if same else change}; the first counts")
        ids.add(clip.id)
    return notes


def _differences(lists: dict[str, Clip], numbers: dict[str, Clip]) -> list[str]:
    """Notes on clips about which the two forms disagree, and on clips that only one of them has."""
    notes: list[str] = []
    signs: Counter[str] = Counter()
    for clip in sorted(lists.keys() & numbers.keys()):
        (gloss, split, label), (nslt_gloss, nslt_split, nslt_label) = (
            [form[clip].row[name] for name in ("gloss", "split", "label")] for form in (lists, numbers)
        )
        if split != nslt_split:
            notes.append(f"clip {clip!r} is of {split} in the list, of {nslt_split} in nslt; the list counts")
        if (label, gloss) != (nslt_label, nslt_gloss):
            signs[f"class {label} {gloss!r} in the list, {nslt_label} {nslt_gloss!r} in nslt"] += 1
    notes += [f"{difference} ({count} clips); the list counts" for difference, count in signs.items()]
    for name, only in (("the list", lists.keys() - numbers.keys()), ("nslt", numbers.keys() - lists.keys())):
        if only:
            examples = ", ".join(sorted(only)[:5]) + "…" * (len(only) > 5)
            notes.append(f"{len(only)} clips are in {name} alone: {examples}")
    return notes
