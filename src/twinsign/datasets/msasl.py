"""MS-ASL: 25,513 clips of 1000 American signs, the first 100, 200, 500 as subsets (Vaezi Joze and Koller, 2019)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twinsign.datasets.matching import VIDEO, Annotation, Clip
from twinsign.datasets.spans import Span
from twinsign.datasets.tables import Row, annotation_files, json_rows, read_json, split_of
from twinsign.errors import InputError

SUBSETS = (100, 200, 500)
MOST_SYNONYMS = 100
"""Words in a group of synonyms; the published groups have a handful."""
PATTERNS = ("MSASL_*.json", "MS_ASL_SI_ASL*.json")
"""The dataset's own files, and OpenHands' lists of the subsets."""
_VIDEO_ID = re.compile(r"(?:[?&]v=|youtu\.be/|/embed/)([\w-]{11})")


def msasl(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """Read the clips of MSASL_{train,val,test}.json, with MSASL_classes.json and MSASL_synonym.json where given.

    A clip's id is its video's id with its first and last frame. Raises InputError naming file, row and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    class_files = [file for file in files if "classes" in file.stem.lower()]
    synonym_files = [file for file in files if "synonym" in file.stem.lower()]
    list_files = [file for file in files if file not in class_files and file not in synonym_files]
    lists, listed_again, notes = _one_list_a_split(list_files)
    classes = [gloss for file in class_files for gloss in _read_list(file, "a list of glosses", str)]
    synonyms = _read_synonyms(synonym_files)
    clips: list[Clip] = []
    differing: set[str] = set()
    for split, file in lists.items():
        for index, row in enumerate(json_rows(file, read_json(file, "a list of clips"))):
            label = row.integer("label", high=len(classes) - 1 if classes else None)
            gloss = classes[label] if classes else row.text("text")
            if gloss != row.text("text"):
                differing.add(f"{row.text('text')!r} for {gloss!r}")
            if subset is None or label < subset:
                place = None if split in listed_again else index
                clips.append(_clip(row, split, place, label, gloss, "|".join(synonyms.get(gloss, ()))))
    if differing:
        notes.append(f"texts that differ from the class list: {', '.join(sorted(differing))}")
    used = [file for file in files if file in (*lists.values(), *class_files, *synonym_files)]
    return Annotation(clips, used, notes)


def _one_list_a_split(files: Sequence[Path]) -> tuple[dict[str, Path], set[str], list[str]]:
    """One list for each split, the splits that several files list, and notes.

    MSASL_*.json takes precedence over the lists of a subset, a larger subset over a smaller one. Where several files
    list a split, it is unknown in which of them the numbers of pose files count.
    """
    lists: dict[str, Path] = {}
    left_out: list[Path] = []
    for file in sorted(files, key=_vocabulary, reverse=True):
        if lists.setdefault(split_of(file), file) != file:
            left_out.append(file)
    if not lists:
        raise InputError("no list of clips", "MSASL_train.json, MSASL_val.json, MSASL_test.json")
    notes = []
    if left_out:
        notes.append(f"not read, since another file lists the split: {', '.join(file.name for file in left_out)}")
    if len({_vocabulary(file) for file in lists.values()}) > 1:
        sizes = ", ".join(f"{split} {_vocabulary(file)}" for split, file in lists.items())
        notes.append(f"the lists have different vocabularies ({sizes} classes): --subset restricts them to one")
    listed_again = {split_of(file) for file in left_out}
    if listed_again:
        splits = ", ".join(sorted(listed_again))
        notes.append(f"several files list {splits}: pose files numbered by place do not match; give one list a split")
    return dict(sorted(lists.items())), listed_again, notes


def _vocabulary(file: Path) -> int:
    """Number of classes that a list's name says, 1000 where it says none."""
    match = re.search(r"ASL(\d+)", file.stem)
    return int(match[1]) if match else 1000


def _read_list(file: Path, wanted: str, kind: type) -> list[Any]:
    values = read_json(file, wanted)
    if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
        raise InputError("something else", wanted, file=file)
    return values


def _read_synonyms(files: Sequence[Path]) -> dict[str, dict[str, None]]:
    """The other words of each gloss's groups of synonyms, in order and once each."""
    synonyms: dict[str, dict[str, None]] = {}
    for file in files:
        for group in _read_list(file, "a list of lists of words", list):
            if len(group) > MOST_SYNONYMS:
                raise InputError(f"a group of {len(group):,} words", f"at most {MOST_SYNONYMS}", file=file)
            for word in group:
                others = (str(synonym) for synonym in group if synonym != word)
                synonyms.setdefault(str(word), {}).update(dict.fromkeys(others))
    return synonyms


def _clip(row: Row, split: str, place: int | None, label: int, gloss: str, synonyms: str) -> Clip:
    """A row's clip; `place` is its number within its list, None where pose files may count in another list."""
    url = row.text("url")
    video = _VIDEO_ID.search(url)
    if video is None:
        raise row.error("url", "the address of a YouTube video")
    start = row.integer("start")
    end = row.integer("end", low=start)
    fps = row.number("fps") if "fps" in row.fields else None
    box = row.numbers("box", 4)
    if fps is not None and fps <= 0:
        raise row.error("fps", "frames a second above 0")
    if not all(0 <= side <= 1 for side in box):
        raise row.error("box", "fractions of the image: top, left, bottom, right")
    name = f"{video[1]}_{start}_{end}"
    fields = {
        "gloss": gloss,
        "split": split,
        "signer": str(row.integer("signer_id", low=-1)),
        "label": str(label),
        **{f"msasl{size}": str(int(label < size)) for size in SUBSETS},
        "url": url,
        "start": str(start),
        "end": str(end),
        "start_time": row.optional("start_time"),
        "end_time": row.optional("end_time"),
        "box": " ".join(f"{side:.4f}" for side in box),
        "review": str(row.integer("review", high=1) if "review" in row.fields else 0),
        "clean_text": row.optional("clean_text"),
        "synonyms": synonyms,
        **{f"video_{field}": row.optional(field) for field in ("fps", "width", "height")},
    }
    names = {"frames": name, VIDEO: video[1]}
    if place is not None:
        by_place = {"split_index": f"{split}/{place:05d}", "split_index_flat": f"{split}_{place:05d}"}
        names = {**by_place, "split_number": f"{split}/{place}", **names}
    return Clip(name, fields, names, Span(start, max(end, start + 1), fps))
