"""One's own pose files: a folder for each gloss, or a CSV that names file, gloss, split and signer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path

from twinsign.datasets.columns import find_columns
from twinsign.datasets.poses import clip_files
from twinsign.datasets.sample import SUFFIXES, Corpus, Sample, plain_name
from twinsign.datasets.splits import plain_splits
from twinsign.datasets.tables import plain_split, read_csv
from twinsign.errors import InputError
from twinsign.pose.read import read
from twinsign.pose.recording import Unit

LAYOUT = "GLOSS/clip.pose or SPLIT/GLOSS/clip.pose; --annotations takes a CSV of file, gloss, split, signer"
SHOWN = 3
"""Names shown of a longer list."""
Listed = tuple[str, Path, dict[str, str]]
"""A clip's id, file and row."""


def folder_corpus(
    poses: str | PathLike[str],
    annotations: str | PathLike[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
    columns: Mapping[str, str] | None = None,
) -> Corpus:
    """Every clip of a folder; `size` in pixels and `fps` for formats that state neither, `unit` over theirs.

    Without annotations the folder's name is the gloss: poses/GLOSS/clip.pose, or poses/SPLIT/GLOSS/clip.pose. `columns`
    says which of the table's columns is the file, gloss, split, signer where their names do not.
    """
    root = Path(poses)
    if not root.is_dir():
        raise InputError("no such folder", "a folder of pose files", file=root)
    clips = list(clip_files(root))
    if annotations:
        listed, notes = _from_table(root, Path(annotations), columns or {}, clips)
    else:
        listed, notes = _from_folders(root, clips)
    samples = [
        Sample(name, partial(read, file, size=size, fps=fps, clip_id=name, unit=unit), row, file)
        for name, file, row in listed
    ]
    return plain_splits(Corpus(samples, files=[Path(annotations)] if annotations else [], notes=notes))


def _from_folders(root: Path, clips: Sequence[Path]) -> tuple[list[Listed], list[str]]:
    listed, strange, shallow = [], [], 0
    for path in clips:
        inside = path.relative_to(root)
        depth = len(inside.parts)
        if depth not in (2, 3) or (depth == 3 and plain_split(inside.parts[0]) is None):
            strange.append(inside.as_posix())
            shallow += depth == 1
            continue
        name = inside.with_suffix("") if path.is_file() else inside
        split = inside.parts[0] if depth == 3 else ""
        listed.append((name.as_posix(), path, {"gloss": inside.parts[-2], "split": split}))
    if not listed:
        found = (
            f"{shallow} pose files without a folder for their gloss" if shallow == len(strange) > 0 else "no pose file"
        )
        if shallow < len(strange):
            found = f"{len(strange)} pose files in other folders, such as {strange[-1]}"
        tables = _tables(root)
        hint = f"{LAYOUT}{f', such as {tables[0]}, perhaps' if tables else ''}." if strange else ""
        raise InputError(found, f"files ending in {', '.join(SUFFIXES)}", file=root, hint=hint)
    return listed, _notes(root, listed, strange)


def _notes(root: Path, listed: Sequence[Listed], strange: Sequence[str]) -> list[str]:
    notes = []
    if strange:
        some = ", ".join(strange[:SHOWN])
        notes.append(f"{len(strange)} pose files are left out, such as {some}: they do not lie as {LAYOUT}")
    tables = _tables(root)
    parquet = all(path.suffix.lower() == ".parquet" for _, path, _ in listed)
    if all(row["gloss"].isdigit() for _, _, row in listed) and (tables or parquet):
        near = f"; {tables[0]} may say which sign is which: --annotations" if tables else ""
        glosses = len({row["gloss"] for _, _, row in listed})
        notes.append(f"the {glosses} glosses are numbers, for so the folders are called (persons, perhaps?){near}")
    return notes


def _tables(root: Path) -> list[Path]:
    return [table for folder in (root, root.parent) for table in sorted(folder.glob("*.csv"))]


def _from_table(
    root: Path, table: Path, chosen: Mapping[str, str], clips: Sequence[Path]
) -> tuple[list[Listed], list[str]]:
    rows = read_csv(table, ())
    columns, notes = find_columns(table, [row.fields for row in rows], chosen)
    field_of = {column: field for field, column in columns.items()}
    listed: list[Listed] = []
    for row in rows:
        written = row.text(columns["file"])
        if "\0" in written:
            raise row.error(columns["file"], "a name without NUL")
        try:
            file = _file_of(root, table, written)
        except OSError as error:  # too long a name
            raise row.error(columns["file"], "a file's name") from error
        if not file.is_relative_to(root.resolve()):
            raise InputError(f"file {written!r} outside the folder", f"files below {root}", file=table)
        name = row.maybe(columns["id"]) if "id" in columns else ""
        fields = {field_of.get(key, key): str(value or "").strip() for key, value in row.fields.items()}
        fields = {key: value for key, value in fields.items() if key not in ("id", "file")}
        listed.append((name or _name_of(written, file), file, fields))
    there = {file for _, file, _ in listed}
    unlisted = [path.relative_to(root).as_posix() for path in clips if path.resolve() not in there]
    if unlisted:
        some = ", ".join(unlisted[:SHOWN])
        notes.append(f"{len(unlisted)} pose files are in no row of {table.name}, such as {some}")
    return listed, notes


def _file_of(root: Path, table: Path, written: str) -> Path:
    """The file that a table means: below the poses or the table; a pose file's ending may be left out."""
    for text in dict.fromkeys((written, written.replace("\\", "/"))):
        for folder in (root, table.parent):
            file = (folder / text).resolve()
            if file.exists() and (folder is root or file.is_relative_to(root.resolve())):
                return file
        plain = (root / text).with_name(Path(plain_name(text)).name)
        names = [plain.with_name(f"{stem}{ending}") for stem in (plain.name, Path(text).name) for ending in SUFFIXES]
        same = list(dict.fromkeys(file for file in names if file.exists()))
        if len(same) == 1 and plain_name(text) != ".":
            return same[0].resolve()
    return (root / written).resolve()


def _name_of(written: str, file: Path) -> str:
    """A clip's id: its file's name in the table, without the ending of a file."""
    path = Path(written.replace("\\", "/"))
    if file.is_dir():
        return path.as_posix()
    whole = file.name == path.name
    return path.with_suffix("").as_posix() if whole or not file.exists() else plain_name(path.as_posix())
