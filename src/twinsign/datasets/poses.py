"""The poses of a corpus: a folder with one file a clip, or one file of many clips, looked up by name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from twinsign.datasets.sample import OPENPOSE_FRAME, SUFFIXES, plain_name
from twinsign.errors import InputError
from twinsign.files import walk, writable
from twinsign.pose.read import PoseSet, is_clip_folder, open_set, read
from twinsign.pose.recording import Recording, Unit

Size = tuple[int, int]


def clip_files(root: Path) -> Iterator[Path]:
    """Every pose file and folder of a clip's frames below a folder, sorted."""
    found: list[Path] = []
    for here, inside, names in walk(root):
        if here != root and is_clip_folder(here, names):
            found.append(here)
            names = [name for name in names if not name.endswith(".npy")]
        known = [name for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")]
        found += [here / name for name in known if not name.endswith(OPENPOSE_FRAME)]
        inside[:] = [name for name in inside if not name.startswith(".")]
    strange = next((one for one in found if not writable(str(one))), None)
    if strange is not None:
        raise InputError(f"file name {os.fsencode(strange.name)!r}", "names in UTF-8", file=root)
    yield from sorted(found)


class Poses:
    """Pose files by name; a name matches the files whose last parts it is: b/01 matches x/b/01.pose, not x/01.pose."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        size: Size | None = None,
        fps: float | None = None,
        unit: Unit | None = None,
    ) -> None:
        self.path, self.size, self.fps, self.unit = Path(path), size, fps, unit
        self.is_folder = self.path.is_dir()
        self.set = None if self.is_folder else open_set(self.path, size=size, fps=fps, unit=unit)
        if self.set is not None:
            self.names = [row["id"] for row in self.set.rows]
        else:
            self.clips = list(clip_files(self.path))
            self.names = [one.relative_to(self.path).as_posix() for one in self.clips]
        if not self.names:
            raise InputError("no pose file", f"files ending in {', '.join(SUFFIXES)}", file=self.path)
        self._ends: defaultdict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(self.names):
            parts = plain_name(name).split("/")
            for start in range(len(parts)):
                self._ends["/".join(parts[start:])].append(number)

    @property
    def files(self) -> list[Path]:
        """Files of many clips, whose hashes belong to a pack's provenance; none for a folder."""
        return self.set.files if self.set is not None else []

    @property
    def notes(self) -> Sequence[str]:
        """What was found of a file of many clips as a whole."""
        return self.set.notes if self.set is not None else ()

    def find(self, name: str) -> list[int]:
        """Numbers of the clips that a name matches."""
        return self._ends.get(plain_name(name), [])

    def exactly(self, name: str) -> int | None:
        """The number of the clip of this very name, with its ending or without."""
        matches = [one for one in self.find(name) if self.names[one] == name or plain_name(self.names[one]) == name]
        return matches[0] if len(matches) == 1 else None

    def extras(self, number: int) -> dict[str, str]:
        """A set's own columns of a clip."""
        row = self.set.rows[number] if self.set is not None else {}
        return {name: value for name, value in row.items() if name != "id"}

    def file(self, number: int) -> Path | None:
        """The clip's own file; None in a set."""
        return None if self.set is not None else self.clips[number]

    def reader(self, number: int, clip: str, size: Size | None) -> Callable[[], Recording]:
        """What reads a clip under the id `clip`; `size` is the corpus's own, where nothing else states one."""
        if self.set is not None:
            return partial(_of_set, self.set, number, clip)
        size = self.size or size
        return partial(read, self.clips[number], size=size, fps=self.fps, clip_id=clip, unit=self.unit)


def _of_set(clips: PoseSet, number: int, clip: str) -> Recording:
    return replace(clips.clip(number), id=clip)
