"""Annotated clips matched with pose files by name: samples, clips without poses, and notes on both."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from twinsign.datasets.folder import SHOWN, clip_files
from twinsign.datasets.sample import SUFFIXES, Corpus, Sample, strip_suffixes
from twinsign.datasets.spans import Frames, Span, cut
from twinsign.datasets.tables import read_csv
from twinsign.errors import InputError
from twinsign.pose.read import open_set, read
from twinsign.pose.recording import Recording, Unit

VIDEO = "video"
"""The naming by source video: the only one in which a file may hold several clips."""
_HINT = "--names FILE.csv with columns id and file says which file is which clip; --names NAMING picks a naming."


@dataclass(frozen=True)
class Clip:
    """An annotated clip: its id, its row, and for each naming the name of its pose file if files are so named.

    `span`: its frames where a file shows the whole source video. `size`: of the dataset's images, in pixels.
    """

    id: str
    row: dict[str, str]
    names: Mapping[str, str]
    span: Span | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Source:
    """The poses of a dataset, and how to read them.

    Args:
        poses: A folder with a pose file for each clip, at any depth, or a file of many clips with the dataset's ids.
        names: CSV with columns id and file that says which file is which clip, or the naming that files follow.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: Unit of the coordinates, pixels or image fractions, in place of the format's own.
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


class _Poses:
    """The poses of a source by name: files of a folder, or clips of a file of many clips.

    A name matches the files whose last path components it is: b/01 matches x/b/01.pose, not x/01.pose.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.path = source, Path(source.poses)
        if self.path.is_dir():
            self.set, self.clips = None, list(clip_files(self.path))
            self.names = [clip.relative_to(self.path).as_posix() for clip in self.clips]
        else:
            self.set = open_set(self.path, size=source.size, fps=source.fps, unit=source.unit)
            self.names = [row["id"] for row in self.set.rows]
        if not self.names:
            raise InputError("no pose file", f"files ending in {', '.join(SUFFIXES)}", file=self.path)
        self._by_ending: defaultdict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(self.names):
            parts = strip_suffixes(name).split("/")
            for start in range(len(parts)):
                self._by_ending["/".join(parts[start:])].append(number)

    def find(self, name: str) -> list[int]:
        """Numbers of the clips that a name matches."""
        return self._by_ending.get(strip_suffixes(name), [])

    def sample(self, clip: Clip, number: int, frames: Frames) -> Sample:
        """The sample of an annotated clip whose poses are those of this number."""
        if self.set is None:
            file, row, size = self.clips[number], clip.row, self.source.size or clip.size
            load = partial(read, file, size=size, fps=self.source.fps, clip_id=clip.id, unit=self.source.unit)
        else:
            file, row = None, {**self.set.rows[number], **clip.row}
            row = {name: value for name, value in row.items() if name != "id"}
            load = partial(self.set.clip, number)
        return Sample(clip.id, partial(_load, load, clip.id, clip.span, frames), row, file)


def _load(load: Callable[[], Recording], clip: str, span: Span | None, frames: Frames) -> Recording:
    recording = load()
    if recording.id != clip:
        recording = replace(recording, id=clip)
    return recording if span is None else cut(recording, span, frames)


def match_corpus(annotation: Annotation, source: Source) -> Corpus:
    """Match annotated clips with poses; those without are the corpus's missing clips.

    Raises InputError where no clip has a pose file, or where files may belong to clips in more than one way.
    """
    if not annotation.clips:
        raise InputError("no clip", "at least one in the subset", file=annotation.files[0])
    poses = _Poses(source)
    clips, repeated = _deduplicate(annotation.clips)
    namings = list(dict.fromkeys(naming for clip in clips for naming in clip.names))
    table = Path(source.names) if source.names and source.names not in namings else None
    if table:
        matches = _match_by_table(clips, poses, table)
    else:
        matches = _match_by_naming(clips, poses, [source.names] if source.names else namings)
    uses = Counter(matches.values())
    samples = [
        poses.sample(clip, number, "video" if uses[number] > 1 else source.frames)
        for clip in clips
        if (number := matches.get(clip.id)) is not None
    ]
    missing = [{"id": clip.id, **clip.row} for clip in clips if clip.id not in matches]
    notes = []
    unlisted = [name for number, name in enumerate(poses.names) if number not in uses]
    if unlisted:
        notes.append(f"{len(unlisted)} pose files belong to no listed clip, such as {_examples(unlisted)}")
    files, set_notes = (poses.set.files, poses.set.notes) if poses.set is not None else ((), ())
    files = [*annotation.files, *files, *([table] if table else [])]
    return Corpus(samples, missing, files, [*notes, *set_notes, *annotation.notes, *repeated])


def _deduplicate(clips: Sequence[Clip]) -> tuple[list[Clip], list[str]]:
    """The first clip of each id, and a note for each that is listed again."""
    first: dict[str, Clip] = {}
    notes = []
    for clip in clips:
        row = first.setdefault(clip.id, clip).row
        if first[clip.id] is not clip:
            changed = [name for name, value in clip.row.items() if value != row.get(name)][:SHOWN]
            changes = ", ".join(f"{name} {clip.row[name]!r} after {row.get(name)!r}" for name in changed)
            notes.append(f"clip {clip.id!r} is listed again; the first counts" + (f": {changes}" if changes else ""))
    return list(first.values()), notes


def _match_by_naming(clips: Sequence[Clip], poses: _Poses, namings: Sequence[str]) -> dict[str, int]:
    """Number of the poses of each clip, by the naming that matches most; InputError where namings disagree."""
    fits: dict[str, dict[str, list[int]]] = {}
    for naming in namings:
        candidates = {clip.id: poses.find(clip.names[naming]) for clip in clips if naming in clip.names}
        matches = {clip: numbers for clip, numbers in candidates.items() if numbers}
        if matches and (naming == VIDEO or len({numbers[0] for numbers in matches.values()}) == len(matches)):
            fits[naming] = matches
    if not fits:
        names = [name for clip in clips[:SHOWN] for name in clip.names.values()]
        wanted = f"names of the annotation's {len(clips)} clips, such as {_examples(names, 3 * SHOWN)}"
        raise InputError(f"pose files such as {_examples(poses.names)}", wanted, file=poses.path, hint=_HINT)
    best = max(fits, key=lambda naming: len(fits[naming]))
    for clip, numbers in fits[best].items():
        if len(numbers) > 1:
            files = _examples([poses.names[number] for number in numbers])
            raise InputError(f"{files} for clip {clip!r}", "one pose file a clip", file=poses.path, hint=_HINT)
    for naming, matches in fits.items():
        differing = [clip for clip, numbers in matches.items() if fits[best].get(clip) != numbers]
        if differing:
            problem = " and ".join(
                f"{len(fits[name])} files named by {name}, such as {poses.names[fits[name][clip][0]]} for clip {clip!r}"
                for name, clip in ((best, next(iter(fits[best]))), (naming, differing[0]))
            )
            raise InputError(problem, "files named in one way", file=poses.path, hint=_HINT)
    return {clip: numbers[0] for clip, numbers in fits[best].items()}


def _match_by_table(clips: Sequence[Clip], poses: _Poses, table: Path) -> dict[str, int]:
    """Number of the poses of each clip, from a CSV of id and file; rows whose file is absent are left out."""
    ids = {clip.id for clip in clips}
    matches: dict[str, int] = {}
    for row in read_csv(table, ("id", "file")):
        clip, file = row.text("id"), row.path("file")
        if clip not in ids:
            raise row.error("id", "the id of an annotated clip")
        if clip in matches:
            raise row.error("id", "each id once")
        exact = [n for n in poses.find(file) if file in (poses.names[n], strip_suffixes(poses.names[n]))]
        if len(exact) == 1:
            matches[clip] = exact[0]
    if not matches:
        raise InputError("no file that is there", f"files such as {_examples(poses.names)}", file=table)
    return matches


def _examples(names: Iterable[str], count: int = SHOWN) -> str:
    listed = list(dict.fromkeys(names))
    return ", ".join(listed[:count]) + (", …" if len(listed) > count else "")
