"""MS-ASL: 25,513 clips of 1000 American signs, the first 100, 200, 500 as subsets (Vaezi Joze and Koller, 2019)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from twinsign.datasets.matching import VIDEO, Annotation, Clip
from twinsign.datasets.spans import Span
from twinsign.datasets.tables import Row, annotation_files, json_rows, memberships, read_json, split_of
from twinsign.errors import InputError

SUBSETS = (100, 200, 500)
MOST_SYNONYMS = 100
"""Words of one group of synonyms: the published ones have a handful."""
PATTERNS = ("MSASL_*.json", "MS_ASL_SI_ASL*.json")
"""The dataset's own files, and OpenHands' lists of the subsets."""
OTHERS = ("classes", "synonym")
BY_PLACE = ("split_index", "split_index_flat", "split_number")
"""Namings that number a clip within its list."""
_VIDEO_ID = re.compile(r"(?:[?&]v=|youtu\.be/|/embed/)([\w-]{11})")
FRACTION = (0.0, 1.0)


def msasl(annotations: Sequence[Path], subset: int | None = None) -> Annotation:
    """The clips of MSASL_{train,val,test}.json, with MSASL_classes.json and MSASL_synonym.json where given.

    A clip's id is its video's id with its first and last frame. Raises InputError naming file, row and field.
    """
    files = annotation_files(annotations, *PATTERNS)
    lists, several, notes = _one_a_split(
        [file for file in files if not any(word in file.stem.lower() for word in OTHERS)]
    )
    classes = [str(one) for file in files if "classes" in file.stem.lower() for one in _texts(file)]
    synonyms = _synonyms([file for file in files if "synonym" in file.stem.lower()])
    clips: list[Clip] = []
    other_words: set[str] = set()
    for split, file in lists.items():
        for index, row in enumerate(json_rows(file, read_json(file, "a list of clips"))):
            label = row.whole("label", high=len(classes) - 1 if classes else None)
            gloss = classes[label] if classes else row.text("text")
            if gloss != row.text("text"):
                other_words.add(f"{row.text('text')!r} for {gloss!r}")
            if subset is None or label < subset:
                clip = _clip(row, split, index, label, gloss, synonyms.get(gloss, []))
                clips.append(_without_places(clip) if split in several else clip)
    if other_words:
        notes.append(f"texts unlike the class list's: {', '.join(sorted(other_words))}")
    used = [file for file in files if file in lists.values() or any(word in file.stem.lower() for word in OTHERS)]
    return Annotation(clips, used, notes)


def _one_a_split(files: Sequence[Path]) -> tuple[dict[str, Path], set[str], list[str]]:
    """A list a split: MSASL_*.json before the lists of a subset, larger subsets before smaller ones.

    Also the splits that several files list: whose places the numbers of pose files are is then unknown.
    """
    lists: dict[str, Path] = {}
    left_out: list[str] = []
    several: set[str] = set()
    for file in sorted(files, key=_rank):
        if lists.setdefault(split_of(file), file) != file:
            left_out.append(file.name)
            several.add(split_of(file))
    if not lists:
        raise InputError("no list of clips", "MSASL_train.json, MSASL_val.json, MSASL_test.json")
    sizes = {split: _rank(file) for split, file in lists.items()}
    notes = [f"not read, since another file lists the split: {', '.join(left_out)}"] if left_out else []
    if len(set(sizes.values())) > 1:
        held = ", ".join(f"{split} {-size}" for split, size in sizes.items())
        notes.append(f"the lists are of different vocabularies ({held} classes): --subset makes them alike")
    if several:
        listed = ", ".join(sorted(several))
        notes.append(
            f"several files list {listed}: pose files numbered by place are not matched there; name one list a split"
        )
    return dict(sorted(lists.items())), several, notes


def _without_places(clip: Clip) -> Clip:
    """The clip without the names that number it within its list."""
    return replace(clip, names={naming: name for naming, name in clip.names.items() if naming not in BY_PLACE})


def _rank(file: Path) -> int:
    named = re.search(r"ASL(\d+)", file.stem)
    return -int(named[1]) if named else -1000


def _texts(file: Path) -> list[str]:
    value = read_json(file, "a list of glosses")
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InputError("something else", "a list of glosses", file=file)
    return value


def _synonyms(files: Sequence[Path]) -> dict[str, list[str]]:
    """By gloss the other words of its groups."""
    found: dict[str, list[str]] = {}
    for file in files:
        groups = read_json(file, "a list of lists of words")
        if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
            raise InputError("something else", "a list of lists of words", file=file)
        for group in groups:
            if len(group) > MOST_SYNONYMS:
                raise InputError(f"a group of {len(group):,} words", f"at most {MOST_SYNONYMS}", file=file)
            for word in group:
                found.setdefault(str(word), []).extend(str(one) for one in group if one != word)
    return found


def _clip(row: Row, split: str, index: int, label: int, gloss: str, synonyms: list[str]) -> Clip:
    url = row.text("url")
    video = _VIDEO_ID.search(url)
    if video is None:
        raise row.error("url", "the address of a YouTube video")
    start = row.whole("start")
    end = row.whole("end", low=start)
    fps = row.number("fps") if "fps" in row.fields else None
    box = row.numbers("box", 4)
    if fps is not None and fps <= 0:
        raise row.error("fps", "frames a second above 0")
    if not all(FRACTION[0] <= side <= FRACTION[1] for side in box):
        raise row.error("box", "fractions of the image: top, left, bottom, right")
    name = f"{video[1]}_{start}_{end}"
    about = {
        "gloss": gloss,
        "split": split,
        "signer": str(row.whole("signer_id", low=-1)),
        "label": str(label),
        **memberships("msasl", label, SUBSETS),
        "url": url,
        "start": str(start),
        "end": str(end),
        "start_time": row.maybe("start_time"),
        "end_time": row.maybe("end_time"),
        "box": " ".join(f"{side:.4f}" for side in box),
        "review": str(row.whole("review", high=1) if "review" in row.fields else 0),
        "clean_text": row.maybe("clean_text"),
        "synonyms": "|".join(dict.fromkeys(synonyms)),
        **{f"video_{field}": row.maybe(field) for field in ("fps", "width", "height")},
    }
    names = {
        "split_index": f"{split}/{index:05d}",
        "split_index_flat": f"{split}_{index:05d}",
        "split_number": f"{split}/{index}",
        "frames": name,
        VIDEO: video[1],
    }
    return Clip(name, about, names, Span(start, max(end, start + 1), fps))
