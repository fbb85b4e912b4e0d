"""Annotated clips and pose files brought together by name: samples, clips without poses, and what else was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from twinsign.datasets.poses import Poses, Size
from twinsign.datasets.sample import Corpus, Sample
from twinsign.datasets.spans import Frames, Span, cut
from twinsign.datasets.tables import read_csv
from twinsign.errors import InputError
from twinsign.pose.recording import Recording, Unit

SHOWN = 3
"""Names of either side that a message shows."""
VIDEO = "video"
"""The naming by source video: the one in which a file may hold several clips."""
_HINT = "--names FILE.csv with columns id and file says which file is which clip; --names NAMING picks a naming."


@dataclass(frozen=True)
class Clip:
    """One annotated clip: its id, its row, and by naming the name that its pose file has if files are so named.

    `span`: its frames where a file shows the whole source video. `size`: of the corpus's images, in pixels.
    """

    id: str
    row: dict[str, str]
    names: Mapping[str, str]
    span: Span | None = None
    size: Size | None = None


@dataclass(frozen=True)
class Source:
    """The poses of a corpus, and how they are to be taken.

    Args:
        poses: A folder with one pose file a clip, at any depth, or one file of many clips whose ids are the corpus's.
        names: CSV with columns id and file that says which file is which clip, or the naming that files follow.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: What the coordinates are, pixels or image fractions, where that is not what the format says.
        frames: What a pose file shows: the clip, the whole source video (of which the clip's frames are then taken), or
            auto: by its length.
    """

    poses: Path
    names: str | None = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    unit: Unit | None = None
    frames: Frames = "auto"


@dataclass
class Annotation:
    """Annotated clips, the files that they were read from, and notes on them."""

    clips: list[Clip]
    files: list[Path]
    notes: list[str] = field(default_factory=list)


def corpus_of(annotation: Annotation, source: Source) -> Corpus:
    """Every annotated clip with its poses, the others as missing.

    Raises InputError where no clip has a pose file, or where files may belong to clips in more than one way.
    """
    if not annotation.clips:
        raise InputError("no clip", "at least one in the subset", file=annotation.files[0])
    poses = Poses(source.poses, source.size, source.fps, source.unit)
    clips, again = _once(annotation.clips)
    notes: list[str] = []
    table = Path(source.names) if source.names and source.names not in _namings(clips) else None
    found = _by_table(clips, poses, table) if table else _by_naming(clips, poses, source.names)
    shared = {number for number, count in Counter(found.values()).items() if count > 1}
    samples = [
        _sample(clip, poses, found[clip.id], "video" if found[clip.id] in shared else source.frames)
        for clip in clips
        if clip.id in found
    ]
    missing = [{"id": clip.id, **clip.row} for clip in clips if clip.id not in found]
    taken = set(found.values())
    unlisted = [name for number, name in enumerate(poses.names) if number not in taken]
    if unlisted:
        notes.append(f"{len(unlisted)} pose files belong to no listed clip, such as {_shown(unlisted)}")
    files = [*annotation.files, *poses.files, *([table] if table else [])]
    return Corpus(samples, missing, files, [*notes, *poses.notes, *annotation.notes, *again])


def _once(clips: Sequence[Clip]) -> tuple[list[Clip], list[str]]:
    """Each id's first clip, and a note for each id that is listed again."""
    first: dict[str, Clip] = {}
    notes = []
    for clip in clips:
        known = first.setdefault(clip.id, clip)
        if known is not clip:
            changed = [name for name, value in clip.row.items() if value != known.row.get(name)]
            other = ", ".join(f"{name} {clip.row[name]!r} after {known.row.get(name)!r}" for name in changed[:SHOWN])
            notes.append(f"clip {clip.id!r} is listed again; the first counts" + (f": {other}" if other else ""))
    return list(first.values()), notes


def _namings(clips: Sequence[Clip]) -> list[str]:
    return list(dict.fromkeys(naming for clip in clips for naming in clip.names))


def _by_naming(clips: Sequence[Clip], poses: Poses, forced: str | None) -> dict[str, int]:
    """Clip id to number of pose file, by the naming that fits; InputError where several do in different ways."""
    fits: dict[str, dict[str, list[int]]] = {}
    for naming in [forced] if forced else _namings(clips):
        matched = {clip.id: poses.find(clip.names[naming]) for clip in clips if naming in clip.names}
        found = {clip: numbers for clip, numbers in matched.items() if numbers}
        if found and (naming == VIDEO or max(Counter(numbers[0] for numbers in found.values()).values()) == 1):
            fits[naming] = found
    if not fits:
        examples = [name for clip in clips[:SHOWN] for name in clip.names.values()]
        wanted = f"names of the annotation's {len(clips)} clips, such as {_shown(examples, 3 * SHOWN)}"
        raise InputError(f"pose files such as {_shown(poses.names)}", wanted, file=poses.path, hint=_HINT)
    best = max(fits, key=lambda naming: len(fits[naming]))
    for clip, numbers in fits[best].items():
        if len(numbers) > 1:
            files = _shown([poses.names[number] for number in numbers])
            raise InputError(f"{files} for clip {clip!r}", "one pose file a clip", file=poses.path, hint=_HINT)
    for naming in fits:
        _check_agreement(best, naming, fits, poses)
    return {clip: numbers[0] for clip, numbers in fits[best].items()}


def _check_agreement(best: str, other: str, fits: Mapping[str, Mapping[str, list[int]]], poses: Poses) -> None:
    """InputError where another naming than the best finds other files, or files for other clips."""
    differing = [clip for clip, numbers in fits[other].items() if fits[best].get(clip) != numbers]
    if differing:
        sides = []
        for naming, clip in ((best, next(iter(fits[best]))), (other, differing[0])):
            examples = f"{poses.names[fits[naming][clip][0]]} for clip {clip!r}"
            sides.append(f"{len(fits[naming])} files named by {naming}, such as {examples}")
        raise InputError(" and ".join(sides), "files named in one way", file=poses.path, hint=_HINT)


def _by_table(clips: Sequence[Clip], poses: Poses, table: Path) -> dict[str, int]:
    """Clip id to number of pose file, as a CSV of id and file says; files that are not there are left out."""
    known = {clip.id for clip in clips}
    found: dict[str, int] = {}
    for row in read_csv(table, ("id", "file")):
        clip, number = row.text("id"), poses.exactly(row.path("file"))
        if clip not in known:
            raise row.error("id", "the id of an annotated clip")
        if clip in found:
            raise row.error("id", "each id once")
        if number is not None:
            found[clip] = number
    if not found:
        raise InputError("no file that is there", f"files such as {_shown(poses.names)}", file=table)
    return found


def _sample(clip: Clip, poses: Poses, number: int, frames: Frames) -> Sample:
    read = poses.reader(number, clip.id, clip.size)
    read = partial(_cut, read, clip.span, frames) if clip.span is not None else read
    return Sample(clip.id, read, {**poses.extras(number), **clip.row}, poses.file(number))


def _cut(read: Callable[[], Recording], span: Span, frames: Frames) -> Recording:
    return cut(read(), span, frames)


def _shown(names: Iterable[str], count: int = SHOWN) -> str:
    listed = list(dict.fromkeys(names))
    return ", ".join(listed[:count]) + (", …" if len(listed) > count else "")
