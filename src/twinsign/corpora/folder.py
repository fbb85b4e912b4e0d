"""One's own pose files: a folder for each gloss, or a CSV that names file, gloss, split and signer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from os import PathLike
from pathlib import Path

from twinsign.corpora.names import SUFFIXES
from twinsign.corpora.poses import clip_files
from twinsign.corpora.sample import Corpus, Sample
from twinsign.corpora.tables import read_csv
from twinsign.errors import InputError
from twinsign.pose.read import read
from twinsign.pose.recording import Unit


def folder_corpus(
    poses: str | PathLike[str],
    annotations: str | PathLike[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    unit: Unit | None = None,
) -> Corpus:
    """Every clip of a folder; `size` in pixels and `fps` for formats that state neither, `unit` over theirs (ours).

    Without annotations the folder's name is the gloss: poses/GLOSS/clip.pose, or poses/SPLIT/GLOSS/clip.pose.
    """
    root = Path(poses)
    if not root.is_dir():
        raise InputError("no such folder", "a folder of pose files", file=root)
    listed = list(_from_table(root, Path(annotations)) if annotations else _from_folders(root))
    if not listed:
        flat = 0 if annotations else sum(file.suffix.lower() in SUFFIXES for file in root.iterdir())
        found = f"{flat} pose files without a folder for their gloss" if flat else "no pose file"
        hint = "GLOSS/clip.pose, or --annotations with a CSV of file, gloss, split, signer." if flat else ""
        raise InputError(found, f"files ending in {', '.join(SUFFIXES)}", file=root, hint=hint)
    samples = [
        Sample(name, partial(read, file, size=size, fps=fps, clip_id=name, unit=unit), row, file)
        for name, file, row in listed
    ]
    return Corpus(samples, files=[Path(annotations)] if annotations else [])


def _from_folders(root: Path) -> Iterator[tuple[str, Path, dict[str, str]]]:
    for path in clip_files(root):
        inside = path.relative_to(root)
        if len(inside.parts) in (2, 3):
            split = inside.parts[0] if len(inside.parts) == 3 else ""
            name = inside.with_suffix("") if path.is_file() else inside
            yield name.as_posix(), path, {"gloss": inside.parts[-2], "split": split}


def _from_table(root: Path, table: Path) -> Iterator[tuple[str, Path, dict[str, str]]]:
    for row in read_csv(table, ("file",)):
        written = row.text("file")
        if "\0" in written:
            raise row.error("file", "a name without NUL")
        file = (root / written).resolve()
        if not file.is_relative_to(root.resolve()):
            raise InputError(f"file {written!r} outside the folder", f"files below {root}", file=table)
        name = row.maybe("id") or Path(written).with_suffix("").as_posix()
        yield name, file, {key: str(value or "") for key, value in row.fields.items() if key not in ("id", "file")}
