"""A user's own poses: a folder of pose files with a folder for each gloss or a CSV, or a file of many clips."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path

from twinsign.datasets.columns import find_columns
from twinsign.datasets.sample import SUFFIXES, Corpus, Sample, strip_suffixes
from twinsign.datasets.splits import normalise_splits
from twinsign.datasets.tables import normalise_split, read_csv
from twinsign.errors import InputError
from twinsign.files import walk, writable
from twinsign.pose.read import PoseSet, is_clip_folder, open_landmarks, read
from twinsign.pose.recording import Unit

LAYOUT = "GLOSS/clip.pose or SPLIT/GLOSS/clip.pose; --annotations takes a CSV of file, gloss, split, signer"
SHOWN = 3
"""Number of names that a message shows of a longer list."""
Listed = tuple[str, Path, dict[str, str]]
"""A clip's id, file and row."""


def clip_files(root: Path) -> Iterator[Path]:
    """Yield every pose file and every folder of a clip's frames below a folder, sorted."""
    files: list[Path] = []
    for folder, subfolders, names in walk(root):
        if folder != root and is_clip_folder(folder, names):
            files.append(folder)
            names = [name for name in names if not name.endswith(".npy")]
        files += [
            folder / name
            for name in names
            if Path(name).suffix.lower() in SUFFIXES
            and not name.startswith(".")
            and not name.endswith("_keypoints.json")
        ]
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
    for file in files:
        if not writable(str(file)):
            raise InputError(f"file name {os.fsencode(file.name)!r}", "names in UTF-8", file=root)
    yield from sorted(files)


def folder_corpus(
    poses: str | PathLike[str],
    annotations: str | PathLike[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
    columns: Mapping[str, str] | None = None,
) -> Corpus:
    """The clips of a folder of pose files.

    Args:
        poses: Folder with poses/GLOSS/clip.pose or poses/SPLIT/GLOSS/clip.pose, or any layout with `annotations`.
        annotations: CSV with a row for each clip: file, gloss, split, signer.
        size: Image width and height in pixels, for formats that do not state it.
        fps: Frames a second, for formats that do not state it.
        unit: Unit of the coordinates, in place of the formats' own.
        columns: Which of the table's columns is the file, gloss, split, signer, where their names do not say it.
    """
    root, table = Path(poses), Path(annotations) if annotations else None
    if not root.is_dir():
        raise InputError("no such folder", "a folder of pose files", file=root)
    clips = list(clip_files(root))
    listed, notes = _from_table(root, table, columns or {}, clips) if table else _from_folders(root, clips)
    samples = [
        Sample(name, partial(read, file, size=size, fps=fps, clip_id=name, unit=unit), row, file)
        for name, file, row in listed
    ]
    return normalise_splits(Corpus(samples, files=[table] if table else [], notes=notes))


def landmark_corpus(path: str | PathLike[str]) -> Corpus:
    """The clips of a landmark set; InputError where the set itself is damaged."""
    return set_corpus(open_landmarks(path))


def set_corpus(clips: PoseSet) -> Corpus:
    """The clips of an opened file of many clips; columns recognised by an alias are renamed, and noted."""
    columns, notes = find_columns(clips.path, clips.rows, {}, "id") if clips.rows else ({}, [])
    field_of = {column: field for field, column in columns.items()}
    samples = []
    for number, row in enumerate(clips.rows):
        fields = {field_of.get(name, name): value for name, value in row.items() if name != "id"}
        samples.append(Sample(row["id"], partial(clips.clip, number), fields))
    return Corpus(samples, files=clips.files, notes=[*notes, *clips.notes])


def _from_folders(root: Path, clips: Sequence[Path]) -> tuple[list[Listed], list[str]]:
    """The clips of GLOSS/ and SPLIT/GLOSS/ below a folder, and notes on others and on glosses that are numbers."""
    listed: list[Listed] = []
    elsewhere = []
    for path in clips:
        inside = path.relative_to(root)
        *above, _ = inside.parts
        if len(above) == 1 or (len(above) == 2 and normalise_split(above[0]) is not None):
            name = inside.with_suffix("") if path.is_file() else inside
            split = above[0] if len(above) == 2 else ""
            listed.append((name.as_posix(), path, {"gloss": above[-1], "split": split}))
        else:
            elsewhere.append(inside.as_posix())
    tables = [table for folder in (root, root.parent) for table in sorted(folder.glob("*.csv"))]
    if not listed:
        problem = f"{len(elsewhere)} pose files without a folder for their gloss" if elsewhere else "no pose file"
        if any("/" in name for name in elsewhere):
            problem = f"{len(elsewhere)} pose files in other folders, such as {elsewhere[-1]}"
        hint = f"{LAYOUT}{f', such as {tables[0]}, perhaps' if tables else ''}." if elsewhere else ""
        raise InputError(problem, f"files ending in {', '.join(SUFFIXES)}", file=root, hint=hint)
    notes = []
    if elsewhere:
        examples = ", ".join(elsewhere[:SHOWN])
        notes.append(f"{len(elsewhere)} pose files are left out, such as {examples}: their place is not {LAYOUT}")
    glosses = {row["gloss"] for _, _, row in listed}
    parquet = all(path.suffix.lower() == ".parquet" for _, path, _ in listed)
    if all(gloss.isdigit() for gloss in glosses) and (tables or parquet):
        hint = f"; {tables[0]} may say which sign is which: --annotations" if tables else ""
        notes.append(f"the {len(glosses)} glosses are numbers, as the folders are named (people, perhaps?){hint}")
    return listed, notes


def _from_table(
    root: Path, table: Path, chosen: Mapping[str, str], clips: Sequence[Path]
) -> tuple[list[Listed], list[str]]:
    """The clips of a CSV, and notes on its columns and on pose files that it does not list."""
    rows = read_csv(table, ())
    columns, notes = find_columns(table, [row.fields for row in rows], chosen)
    field_of = {column: field for field, column in columns.items()}
    listed: list[Listed] = []
    for row in rows:
        text = row.text(columns["file"])
        if "\0" in text:
            raise row.error(columns["file"], "a name without NUL")
        try:
            file = _resolve_file(root, table, text)
        except OSError as error:  # the name is too long
            raise row.error(columns["file"], "a file's name") from error
        if not file.is_relative_to(root.resolve()):
            raise InputError(f"file {text!r} outside the folder", f"files below {root}", file=table)
        name = row.optional(columns["id"]) if "id" in columns else ""
        fields = {field_of.get(key, key): str(value or "").strip() for key, value in row.fields.items()}
        fields = {key: value for key, value in fields.items() if key not in ("id", "file")}
        listed.append((name or _clip_id(text, file), file, fields))
    files = {file for _, file, _ in listed}
    unlisted = [path.relative_to(root).as_posix() for path in clips if path.resolve() not in files]
    if unlisted:
        examples = ", ".join(unlisted[:SHOWN])
        notes.append(f"{len(unlisted)} pose files are in no row of {table.name}, such as {examples}")
    return listed, notes


def _resolve_file(root: Path, table: Path, text: str) -> Path:
    """The file that a table names: below the poses' folder or the table's; a pose file's suffix may be left out."""
    for name in dict.fromkeys((text, text.replace("\\", "/"))):
        for folder in (root, table.parent):
            file = (folder / name).resolve()
            if file.exists() and (folder is root or file.is_relative_to(root.resolve())):
                return file
        plain = (root / name).with_name(Path(strip_suffixes(name)).name)
        candidates = [plain.with_name(stem + suffix) for stem in (plain.name, Path(name).name) for suffix in SUFFIXES]
        existing = list(dict.fromkeys(file for file in candidates if file.exists()))
        if len(existing) == 1 and strip_suffixes(name) != ".":
            return existing[0].resolve()
    return (root / text).resolve()


def _clip_id(text: str, file: Path) -> str:
    """A clip's id: its file's name in the table, without a file's suffix."""
    path = Path(text.replace("\\", "/"))
    if file.is_dir():
        return path.as_posix()
    whole = file.name == path.name
    return path.with_suffix("").as_posix() if whole or not file.exists() else strip_suffixes(path.as_posix())
